"""Lines of the log: each names the event in hand, its trace and the object that it is about."""

import io
import json
import logging

import pytest

from backend import telemetry
from backend.telemetry import SERVICE, Origin, logger, report

TRACE = "Root=1-67891233-abcdef012345678912345678;Sampled=1"
W3C = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def line(capsys):
    """Return the last line that was reported, parsed."""
    return lambda: json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.fixture
def event(monkeypatch):
    """Begin an event that AWS has put into a trace."""

    def begin(**options):
        monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)
        telemetry.begin("request-1", **options)

    yield begin
    telemetry.begin("")


def test_a_line_names_request_trace_and_object(event, line):
    event()
    report("payment accepted", payment_id="pay_1")

    written = line()
    del written["timestamp"]
    assert written == {
        "level": "INFO",
        "message": "payment accepted",
        "service": "spillway",
        "payment_id": "pay_1",
        "request_id": "request-1",
        "trace_id": "1-67891233-abcdef012345678912345678",
    }


def test_a_clients_own_trace_goes_before_the_one_that_the_gateway_made(event, line):
    event(traceparent=W3C)
    report("payment accepted", payment_id="pay_1")

    assert (
        line().items()
        >= {
            "trace_id": "1-0af76519-16cd43dd8448eb211c80319c",
            "traceparent": W3C,
        }.items()
    )
    assert telemetry.trace_of("pay_1") == (
        "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1"
    )


@pytest.mark.parametrize(
    "traceparent", ["", "00-x", W3C + "0", W3C.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01"]
)
def test_a_traceparent_that_is_none_is_passed_over(event, line, traceparent):
    event(traceparent=traceparent)
    report("payment accepted", payment_id="pay_1")

    written = line()
    assert written["trace_id"] == "1-67891233-abcdef012345678912345678"
    assert "traceparent" not in written


def test_of_a_batch_each_line_names_the_message_and_trace_of_its_own_object(event, line):
    event(origins={"pay_1": Origin("m1", "Root=1-1-1"), "pay_2": Origin("m2", "Root=1-2-2")})
    report("payment settled", payment_id="pay_2")

    assert line().items() >= {"message_id": "m2", "trace_id": "1-2-2"}.items()
    assert telemetry.trace_of("pay_1") == "Root=1-1-1"


def test_a_warning_of_the_logger_names_the_same(event):
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(logger.registered_formatter)
    logging.getLogger(SERVICE).addHandler(handler)
    try:
        event(origins={"pay_1": Origin("m1", "Root=1-1-1")})
        logger.warning("left to the relay", extra={"payment_id": "pay_1"})
    finally:
        logging.getLogger(SERVICE).removeHandler(handler)

    ids = {"request_id": "request-1", "message_id": "m1", "trace_id": "1-1-1"}
    assert json.loads(output.getvalue()).items() >= ids.items()
