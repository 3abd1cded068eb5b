"""What a caller of the SQS API asks, checked as the queue itself would not, or in other words."""

import re

from local.sqs.messages import Attributes, Json
from local.sqs.refusals import PREFIX, Refused

BATCH_MAX = 10
DELAY_MAX_S = 900

_ENTRY_ID = re.compile("[A-Za-z0-9_-]{1,80}")
_HANDLE = re.compile(r".+:\d+")


def check_number(name: str, value: object, low: int, high: int) -> int:
    """Return the whole number that a parameter is. Raises ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(
            f"Value {value} for parameter {name} is invalid. Reason: Must be >= {low} and <= {high}"
        )
    return value


def entries_of(asked: Json) -> list[Json]:
    entries: list[Json] = asked["Entries"]
    if not entries:
        sentence = "There should be at least one entry."
        raise Refused(f"{PREFIX}EmptyBatchRequest", sentence)
    if len(entries) > BATCH_MAX:
        sentence = f"Maximum number of entries per request are 10. You have sent {len(entries)}."
        raise Refused(f"{PREFIX}TooManyEntriesInBatchRequest", sentence)
    if not all(_ENTRY_ID.fullmatch(entry["Id"]) for entry in entries):
        sentence = "An Id is 1 to 80 of A-Z a-z 0-9 - _"
        raise Refused(f"{PREFIX}InvalidBatchEntryId", sentence)
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise Refused(f"{PREFIX}BatchEntryIdsNotDistinct", "Two entries have one Id.")
    return entries


def handle_of(asked: Json) -> str:
    handle: str = asked["ReceiptHandle"]
    if not _HANDLE.fullmatch(handle):
        sentence = f'The input receipt handle "{handle}" is not a valid receipt handle.'
        raise Refused("ReceiptHandleIsInvalid", sentence)
    return handle


def check_sent(asked: Json, *, is_fifo: bool) -> None:
    """Refuse what the queue itself would not, or would in other words."""
    if (delay_s := asked.get("DelaySeconds")) is not None:
        check_number("DelaySeconds", delay_s, 0, DELAY_MAX_S)
    if is_fifo and not asked.get("MessageGroupId"):
        sentence = "The request must contain the parameter MessageGroupId."
        raise Refused("MissingParameter", sentence)
    if not is_fifo and asked.get("MessageDeduplicationId"):
        raise ValueError("MessageDeduplicationId is not valid for this queue type")


def trace_of(system: Attributes) -> str:
    """The only system attribute that a sender may give."""
    if system.keys() - {"AWSTraceHeader"}:
        raise ValueError(f"of system attributes only AWSTraceHeader can be sent, not {[*system]}")
    return str(system["AWSTraceHeader"][1]) if system else ""
