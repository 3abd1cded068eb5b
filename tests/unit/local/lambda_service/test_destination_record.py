"""The records of asynchronous events for destinations."""

from typing import Any, cast

from local.lambda_service.destination_record import Condition, destination_record
from local.lambda_service.dispatch import End, Outcome
from local.lambda_service.event_store import StoredEvent
from local.runtime.frames import loads
from local.template import Function


def test_a_record_has_an_event_that_is_nested_as_deep_as_invoke_takes_it():
    event = "[" * 1010 + "]" * 1010
    stored = StoredEvent(request_id="a", function="Do", accepted_s=0.0, event=event)
    outcome = Outcome(End.RESULT, result=1)
    record = destination_record(
        cast("Function", _Named()), stored, Condition.SUCCESS, outcome, now_s=0.0
    )

    assert loads(record.encode())["responsePayload"] == 1
    assert f'"requestPayload":{event}' in record


class _Named:
    """All that a record says of a function."""

    name: Any = "do"
