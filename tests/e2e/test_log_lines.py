"""The logs name each object by its id, for grep, with its request and trace."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Client, System, key

PAYMENT = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}
NOTICE = {
    "channel": "email",
    "to": "a@example.com",
    "template": "welcome",
    "variables": {"name": "A"},
}

Grep = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def grep(system: System) -> Grep:
    """Wait until the logs have these messages about an object; returns their lines by message."""

    def lines_of(object_id: str, *messages: str) -> dict[str, dict[str, Any]]:
        def all_written() -> dict[str, dict[str, Any]]:
            lines = [
                json.loads(line)
                for path in system.state.rglob("*.log")
                for line in path.read_text(errors="replace").splitlines()
                if object_id in line and line.startswith("{")
            ]
            by_message = {line["message"]: line for line in lines if "message" in line}
            return by_message if by_message.keys() >= set(messages) else {}

        return wait_until(all_written)

    return lines_of


@pytest.fixture
def trace() -> str:
    return f"1-67891233-{secrets.token_hex(12)}"


def test_a_payment_is_found_by_its_id_with_one_trace_from_request_to_settlement(
    demo: Client, grep: Grep, trace: str
):
    sent = {**key(), "X-Amzn-Trace-Id": f"Root={trace}"}
    answer = demo.call("POST", "/v1/payments", PAYMENT, sent)

    lines = grep(answer.body["id"], "payment accepted", "payment settled")

    accepted, settled = lines["payment accepted"], lines["payment settled"]
    assert accepted["request_id"] == answer.headers["x-amzn-requestid"]
    assert {accepted["trace_id"], settled["trace_id"]} == {trace}
    assert settled["request_id"]
    assert settled["message_id"]


def test_a_notification_is_found_by_its_id_with_one_trace_from_request_to_delivery(
    demo: Client, grep: Grep, trace: str
):
    sent = {**key(), "X-Amzn-Trace-Id": f"Root={trace}"}
    answer = demo.call("POST", "/v1/notifications", NOTICE, sent)

    lines = grep(answer.body["id"], "notification accepted", "notification delivered")

    accepted, delivered = lines["notification accepted"], lines["notification delivered"]
    assert [accepted["trace_id"], delivered["trace_id"]] == [trace, trace]
    assert accepted["request_id"] == answer.headers["x-amzn-requestid"]
    assert delivered["message_id"]


def test_a_trace_that_the_client_began_is_followed_to_the_event(demo: Client, grep: Grep):
    w3c = secrets.token_hex(16)
    sent = {"traceparent": f"00-{w3c}-b7ad6b7169203331-01"}
    event_id = f"evt-{secrets.token_hex(8)}"
    demo.call("POST", "/v1/analytics/events", {"name": "seen", "event_id": event_id}, sent)

    line = grep(event_id, "event accepted")["event accepted"]

    assert line["trace_id"] == f"1-{w3c[:8]}-{w3c[8:]}"
    assert line["traceparent"] == sent["traceparent"]
