"""One event over HTTP: what is taken, when it happened, and what is refused."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import free_port
from tests.integration.analytics.events import NOW, SCOPES, rfc3339
from tests.integration.function_process import receive_all


@pytest.fixture
def sent(api, queue):
    """Send one event; returns it as it is on the queue."""

    def send(**body):
        answer = api("POST", "/v1/analytics/events", body={"name": "p", **body})
        assert answer.status == 202, answer.text
        [message] = receive_all(queue("analytics"))
        [event] = json.loads(message.body)["events"]
        return event

    return send


def test_an_event_without_an_id_gets_one_of_its_own(sent):
    first, second = sent(), sent()

    assert first["event_id"].startswith("evt_")
    assert first["event_id"] != second["event_id"]


@pytest.mark.parametrize("offset", [timedelta(days=30), timedelta(hours=-2)])
def test_a_wrong_clock_of_the_client_is_corrected_by_when_it_says_it_sent(sent, offset):
    now = datetime.now(UTC)
    theirs = now + offset
    event = sent(
        occurred_at=rfc3339(theirs - timedelta(minutes=10)),
        sent_at=rfc3339(theirs),
    )

    ten_minutes_ago_ms = (now.timestamp() - 600) * 1000
    assert abs(event["occurred_at_ms"] - ten_minutes_ago_ms) < 60_000


@pytest.mark.parametrize("offset", [timedelta(days=-7, minutes=1), timedelta(minutes=4)])
def test_an_event_within_the_last_week_or_five_minutes_ahead_is_taken(sent, offset):
    at = datetime.now(UTC) + offset

    assert sent(occurred_at=rfc3339(at))["occurred_at_ms"] == round(at.timestamp() * 1000)


def test_an_event_that_cannot_be_sent_is_answered_503(start, tenant):
    process = start("analytics.app.app", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    answer = process.request(
        "POST", "/v1/analytics/events", body={"name": "a"}, tenant=tenant, scope=SCOPES
    )

    assert (answer.status, answer.body["code"]) == (503, "queue_unavailable")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "invalid_request", "name"),
        ({"name": "Page"}, "invalid_request", "name"),
        ({"name": "page\n"}, "invalid_request", "name"),
        ({"name": "p" * 65}, "invalid_request", "name"),
        ({"name": "payment.succeeded"}, "reserved_name", "name"),
        ({"name": "p", "sent_at": "now"}, "invalid_request", "sent_at"),
        ({"name": "p", "sent_at": ""}, "invalid_request", "sent_at"),
        ({"name": "p", "colour": "red"}, "invalid_request", "colour"),
        ({"name": "p", "event_id": "a:b"}, "invalid_request", "event_id"),
        ({"name": "p", "value": True}, "invalid_request", "value"),
        ({"name": "p", "value": "1"}, "invalid_request", "value"),
        ({"name": "p", "value": 1e13}, "invalid_request", "value"),
        ({"name": "p", "occurred_at": "yesterday"}, "invalid_request", "occurred_at"),
        ({"name": "p", "occurred_at": "2026-01-01T10:00:00"}, "invalid_request", "occurred_at"),
        (
            {"name": "p", "occurred_at": rfc3339(NOW - timedelta(days=7, seconds=1))},
            "occurred_at_out_of_range",
            "occurred_at",
        ),
        (
            {"name": "p", "occurred_at": rfc3339(NOW + timedelta(minutes=30))},
            "occurred_at_out_of_range",
            "occurred_at",
        ),
        ({"name": "p", "properties": {"a": [1]}}, "invalid_request", "properties"),
        ({"name": "p", "properties": {"$a": 1}}, "invalid_request", None),
        (
            {"name": "p", "properties": {f"p{i}": 1 for i in range(33)}},
            "invalid_request",
            "properties",
        ),
    ],
)
def test_a_wrong_event_is_refused_and_not_sent(api, queue, body, code, param):
    answer = api("POST", "/v1/analytics/events", body=body)

    assert (answer.status, answer.body["code"]) == (422, code), answer.text
    assert param is None or answer.body["param"] == param
    assert receive_all(queue("analytics")) == []
