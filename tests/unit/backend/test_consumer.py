"""The edge of a worker: what it answers and logs of messages that failed."""

import io
import json
import logging

import msgspec
import pytest

from backend import entrypoint
from backend.telemetry import SERVICE, logger
from tests.integration.function_process import Context

TRACE = "Root=1-67891233-abcdef012345678912345678;Parent=0102030405060708;Sampled=0"


class Body(msgspec.Struct):
    payment_id: str


def _event(*bodies):
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "body": body,
                "attributes": {"SentTimestamp": "0", "AWSTraceHeader": TRACE},
            }
            for number, body in enumerate(bodies)
        ]
    }


@pytest.fixture
def lines():
    """Gather the lines of the log, parsed."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(logger.registered_formatter)
    logging.getLogger(SERVICE).addHandler(handler)
    yield lambda: [json.loads(line) for line in output.getvalue().splitlines()]
    logging.getLogger(SERVICE).removeHandler(handler)


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
    about = entrypoint.consumer("t", Body, about=lambda body: [body.payment_id])
    handler = about(handle)
    answer = handler(_event(json.dumps({"payment_id": "pay_1"})), Context())

    assert answer == {
        "batchItemFailures": [{"itemIdentifier": "m0"}],
        "failureReasons": {"m0": reason},
    }
    failure = {
        "message": "message failed",
        "message_id": "m0",
        "object_id": "pay_1",
        "request_id": Context.aws_request_id,
        "trace_id": "1-67891233-abcdef012345678912345678",
        "reason": reason,
    }
    assert failure.items() <= lines()[-1].items()


def test_a_message_that_cannot_be_read_fails_alone(lines):
    handler = entrypoint.consumer("t", Body)(lambda records: ())
    answer = handler(_event("{}", json.dumps({"payment_id": "pay_1"})), Context())

    assert list(answer["failureReasons"]) == ["m0"]
    assert "missing required field `payment_id`" in answer["failureReasons"]["m0"]
    assert lines()[0]["message_id"] == "m0"
    assert handler(_event(json.dumps({"payment_id": "a"})), Context()) == {"batchItemFailures": []}
