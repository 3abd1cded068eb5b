"""The records of asynchronous events for destinations and dead-letter queues (rows 2.20, 2.21)."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any

from local.lambda_service.dispatch import End, Outcome
from local.lambda_service.event_store import StoredEvent
from local.runtime.environment import function_arn
from local.runtime.frames import dumps
from local.template import Function

ERROR_MESSAGE_MAX_CHARS = 1024  # of a dead letter's attribute


class Condition(Enum):
    """The end of an asynchronous event, in Lambda's words."""

    SUCCESS = "Success"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"


def destination_record(
    function: Function,
    stored: StoredEvent,
    condition: Condition,
    outcome: Outcome | None,
    now_s: float,
) -> str:
    """Return the record as JSON; `outcome` is None where the event did not run at all."""
    now = datetime.fromtimestamp(now_s, UTC)
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
        "requestContext": {
            "requestId": stored.request_id,
            "functionArn": f"{function_arn(function.name)}:$LATEST",
            "condition": condition.value,
            "approximateInvokeCount": stored.runs + (outcome is not None),
        },
    }
    if outcome is not None:
        has_failed = outcome.end is End.ERROR
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            **({"functionError": "Unhandled"} if has_failed else {}),
        }
        record["responsePayload"] = outcome.error if has_failed else outcome.result
    # The event as its text: it may be nested deeper than Python writes.
    return f'{dumps(record).decode()[:-1]},"requestPayload":{stored.event}}}'


def dead_letter_attributes(
    stored: StoredEvent, condition: Condition, outcome: Outcome | None
) -> dict[str, str | int]:
    """Return the attributes of the message whose body is the bare event."""
    error = (outcome.error if outcome else None) or {}
    message = str(error.get("errorMessage") or condition.value)
    return {
        "RequestID": stored.request_id,
        "ErrorCode": 200 if outcome else 429,
        "ErrorMessage": message[:ERROR_MESSAGE_MAX_CHARS],
    }
