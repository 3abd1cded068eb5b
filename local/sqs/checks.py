"""The checks of a request to the SQS API that the queue itself makes otherwise, or not."""

import json
import re
from collections.abc import Iterable, Mapping

from local.sqs.messages import HANDLE, Attributes, Json, size_of
from local.sqs.refusals import PREFIX, Refused
from local.template import Queue

BATCH_MAX = 10
DELAY_MAX_S = 900
LISTED_MAX = 1000  # queues in one answer

_ENTRY_ID = re.compile("[A-Za-z0-9_-]{1,80}")
_ID = re.compile("[!-~]{1,128}")

# SQS's own sentences.
ENTRY_ID_RULE = (
    "A batch entry id can only contain alphanumeric characters, hyphens and underscores."
    " It can be at most 80 letters long."
)
ID_RULE = "can only include alphanumeric and punctuation characters. 1 to 128 in length."
NO_GROUP = "The request must contain the parameter MessageGroupId."
NO_DEDUPLICATION = (
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId"
    " provided explicitly"
)
NOT_OF_TYPE = "The request include parameter that is not valid for this queue type."


def check_number(name: str, value: object, low: int, high: int, reason: str = "") -> int:
    """Return the whole number that a parameter is. Raises ValueError."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _invalid(name, value, reason or f"Must be >= {low} and <= {high}")
    return value


def _invalid(name: str, value: object, reason: str) -> ValueError:
    return ValueError(f"Value {value} for parameter {name} is invalid. Reason: {reason}")


def check_names(names: Iterable[str], shape: Json) -> None:
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
        raise Refused(f"{PREFIX}InvalidBatchEntryId", ENTRY_ID_RULE)
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise Refused(f"{PREFIX}BatchEntryIdsNotDistinct", "Two entries have one Id.")
    return entries


def handle_of(request: Json, queue: Queue) -> str:
    """Return the handle as the queue itself has it. Raises Refused, also for another queue's."""
    text: str = request["ReceiptHandle"]
    match = HANDLE.fullmatch(text)
    if match is None or match[2] not in (None, queue.name):
        sentence = f'The input receipt handle "{text}" is not a valid receipt handle.'
        raise Refused("ReceiptHandleIsInvalid", sentence)
    return match[1]


def check_sent(request: Json, queue: Queue) -> None:
    """Refuse what the queue itself would not, or would in other words."""
    if not request["MessageBody"]:
        raise Refused("MissingParameter", "The request must contain the parameter MessageBody.")
    _check_delay(request, queue)
    if queue.is_fifo and "MessageGroupId" not in request:
        raise Refused("MissingParameter", NO_GROUP)
    if not queue.is_fifo and "MessageDeduplicationId" in request:
        raise _invalid("MessageDeduplicationId", request["MessageDeduplicationId"], NOT_OF_TYPE)
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        if not _ID.fullmatch(request.get(name, "absent")):
            raise _invalid(name, request[name], f"{name} {ID_RULE}")
    if lacks_deduplication(request, queue):
        raise ValueError(NO_DEDUPLICATION)
    if size_of(request) > queue.message_bytes_max:
        reason = f"Message must be shorter than {queue.message_bytes_max} bytes."
        raise ValueError(f"One or more parameters are invalid. Reason: {reason}")


def _check_delay(request: Json, queue: Queue) -> None:
    delay_s = request.get("DelaySeconds")
    if delay_s is not None:
        check_number("DelaySeconds", delay_s, 0, DELAY_MAX_S)
    if delay_s and queue.is_fifo:  # 0 is passed over: the queue's own delay counts
        raise _invalid("DelaySeconds", delay_s, NOT_OF_TYPE)


def lacks_deduplication(entry: Json, queue: Queue) -> bool:
    """Tell whether a FIFO queue could not tell a message from the same sent again."""
    has_id = queue.deduplicates_content or "MessageDeduplicationId" in entry
    return queue.is_fifo and not has_id


def check_order(entries: list[Json], queue: Queue) -> None:
    """Refuse a whole batch for a FIFO queue of which one entry lacks a group, or an id.

    Recorded on AWS: nothing of the batch is sent, and both are InvalidParameterValue.
    """
    if queue.is_fifo and not all("MessageGroupId" in entry for entry in entries):
        raise ValueError(NO_GROUP)
    if any(lacks_deduplication(entry, queue) for entry in entries):
        raise ValueError(NO_DEDUPLICATION)


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


def differing(wishes: Mapping[str, str], values: Mapping[str, str]) -> str | None:
    """Return the first attribute that a queue has otherwise than is wished, None where none is."""
    for name, wish in wishes.items():
        if _comparable(wish) != _comparable(values.get(name, "")):
            return name
    return None


def _comparable(text: str) -> object:
    """Return a value as it is compared: numbers as numbers, JSON without its order and quotes."""
    try:
        value = json.loads(text.lower())
    except (ValueError, RecursionError):  # whoever asks may nest as deep as a text is long
        return text.lower()
    return {name: str(each) for name, each in value.items()} if isinstance(value, dict) else value
