"""The checks of a request to the SQS API that the queue itself makes otherwise, or not."""

import re

from local.sqs.messages import Attributes, Json
from local.sqs.refusals import PREFIX, Refused

BATCH_MAX = 10
DELAY_MAX_S = 900
LISTED_MAX = 1000  # queues in one answer

_ENTRY_ID = re.compile("[A-Za-z0-9_-]{1,80}")
_HANDLE = re.compile(r".+:\d+")
_ID = re.compile("[!-~]{1,128}")


def check_number(name: str, value: object, low: int, high: int) -> int:
    """Return the whole number that a parameter is. Raises ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(
            f"Value {value} for parameter {name} is invalid. Reason: Must be >= {low} and <= {high}"
        )
    return value


def check_names(names: list[str], shape: Json) -> None:
    """Refuse a name that is none of the attributes which the model lists."""
    for name in names:
        if name not in shape["member"]["enum"]:
            raise Refused("InvalidAttributeName", f"Unknown Attribute {name}.")


def page_of(urls: list[str], request: Json, name: str) -> Json:
    """Return up to MaxResults of `urls` and a token for the rest, or all of them."""
    token = request.get("NextToken", "")
    if token and "MaxResults" not in request:
        raise ValueError("NextToken goes with MaxResults")
    if token and token not in urls:
        raise ValueError("NextToken is none that an earlier answer had")
    start = urls.index(token) if token else 0
    most = check_number("MaxResults", request.get("MaxResults", LISTED_MAX), 1, LISTED_MAX)
    page: Json = {name: urls[start : start + most]}
    if "MaxResults" in request and start + most < len(urls):
        page["NextToken"] = urls[start + most]
    return page


def entries_of(request: Json) -> list[Json]:
    entries: list[Json] = request["Entries"]
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


def handle_of(request: Json) -> str:
    handle: str = request["ReceiptHandle"]
    if not _HANDLE.fullmatch(handle):
        sentence = f'The input receipt handle "{handle}" is not a valid receipt handle.'
        raise Refused("ReceiptHandleIsInvalid", sentence)
    return handle


def check_sent(request: Json, *, is_fifo: bool) -> None:
    """Refuse what the queue itself would not, or would in other words."""
    if not request["MessageBody"]:
        raise Refused("MissingParameter", "The request must contain the parameter MessageBody.")
    if (delay_s := request.get("DelaySeconds")) is not None:
        check_number("DelaySeconds", delay_s, 0, DELAY_MAX_S)
    if is_fifo and not request.get("MessageGroupId"):
        sentence = "The request must contain the parameter MessageGroupId."
        raise Refused("MissingParameter", sentence)
    if not is_fifo and "MessageDeduplicationId" in request:
        raise ValueError("MessageDeduplicationId is not valid for this queue type")
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        if not _ID.fullmatch(request.get(name, "absent")):
            raise ValueError(f"{name} can only include 1 to 128 visible ASCII characters")


def check_attempt(request: Json, *, is_fifo: bool) -> str:
    """Return the id of an attempt to receive, empty where none is given. Raises ValueError."""
    attempt_id: str = request.get("ReceiveRequestAttemptId", "")
    if "ReceiveRequestAttemptId" in request and not (is_fifo and _ID.fullmatch(attempt_id)):
        raise ValueError(
            "ReceiveRequestAttemptId is 1 to 128 visible ASCII characters, and for FIFO queues only"
        )
    return attempt_id


def trace_of(system: Attributes) -> str:
    """Return the trace header, the only system attribute that a sender may set."""
    if system.keys() - {"AWSTraceHeader"}:
        raise ValueError(f"of system attributes only AWSTraceHeader can be sent, not {[*system]}")
    data_type, trace = system.get("AWSTraceHeader", ("String", ""))
    if data_type != "String" or not isinstance(trace, str) or (system and not trace):
        raise ValueError("AWSTraceHeader must be a text of type String")
    return trace
