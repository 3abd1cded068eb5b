"""The edge of a worker: what it answers and logs of messages that failed."""

import json

import msgspec
import pytest

from backend import entrypoint
from backend.telemetry import logger
from tests.integration.function_process import Context


class Body(msgspec.Struct):
    payment_id: str


def _event(*bodies):
    return {
        "Records": [
            {"messageId": f"m{number}", "body": body, "attributes": {"SentTimestamp": "0"}}
            for number, body in enumerate(bodies)
        ]
    }


@pytest.fixture
def lines(monkeypatch):
    """Gathers what is logged of each failed message."""
    logged: list[dict[str, str]] = []
    monkeypatch.setattr(logger, "error", lambda text, extra: logged.append({"text": text, **extra}))
    return logged


def _failing(error):
    def handle(records):
        raise error

    return handle


@pytest.mark.parametrize(
    ("handle", "reason"),
    [
        (_failing(ValueError("no amount")), "ValueError: no amount"),
        (lambda records: {"m0": "NotFound: none"}, "NotFound: none"),
        (lambda records: ["m0"], "reported by the handler as failed"),
    ],
)
def test_a_failure_is_answered_and_logged_with_its_reason_and_ids(lines, handle, reason):
    handler = entrypoint.consumer("t", Body)(handle)
    answer = handler(_event(json.dumps({"payment_id": "pay_1"})), Context())

    assert answer == {
        "batchItemFailures": [{"itemIdentifier": "m0"}],
        "failureReasons": {"m0": reason},
    }
    assert lines == [
        {
            "text": "message failed",
            "message_id": "m0",
            "object_id": "pay_1",
            "request_id": Context.aws_request_id,
            "reason": reason,
        }
    ]


def test_a_message_that_cannot_be_read_fails_alone(lines):
    handler = entrypoint.consumer("t", Body)(lambda records: ())
    answer = handler(_event("{}", json.dumps({"payment_id": "pay_1"})), Context())

    assert list(answer["failureReasons"]) == ["m0"]
    assert "missing required field `payment_id`" in answer["failureReasons"]["m0"]
    assert lines[0]["object_id"] is None
    assert handler(_event(json.dumps({"payment_id": "a"})), Context()) == {"batchItemFailures": []}
