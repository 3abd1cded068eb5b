"""Endpoints of webhooks, the events that reach them, and the log of what was sent."""

import json

import pytest

from tests.integration.function_process import receive_all

ROUTE = "/v1/webhook-endpoints"


DELIVERIES = ROUTE + "/{endpoint_id}/deliveries"


@pytest.fixture
def worker(function):
    return function("notifications.webhook_worker.worker")


@pytest.fixture
def make(api):
    """Make an endpoint and give its id and secret."""

    def post(url, **changes):
        made = api("POST", ROUTE, body={"url": url, **changes}).body
        return made["id"], made["secret"]

    return post


@pytest.fixture
def announce(queue, tenant):
    """Send events as another domain does."""

    def send(*names, payment="pay_1", tenant=tenant, trace=""):
        events = [
            {
                "event_id": f"{payment}.{number}",
                "name": name,
                "occurred_at_ms": 1_790_000_000_000,
                "user_id": None,
                "value": 1250,
                "properties": {"currency": "EUR"},
            }
            for number, name in enumerate(names)
        ]
        queue("webhooks").send(json.dumps({"tenant": tenant, "events": events}), trace=trace)

    return send


@pytest.fixture
def settle(queue, worker):
    """Let the worker have what is on the queue until it is empty."""

    def consume():
        while batch := receive_all(queue("webhooks")):
            assert worker.consume(batch) == []

    return consume


@pytest.fixture
def settle_mails(queue, function):
    """Let the other channels' worker have what is for it."""
    mails = function("notifications.app.worker")
    return lambda: mails.consume(receive_all(queue("notifications")))


@pytest.fixture
def log(api):
    """Show an endpoint's deliveries."""
    return lambda each, **query: api("GET", DELIVERIES, path={"endpoint_id": each}, query=query)


@pytest.fixture
def due(database, queue):
    """Have the time of a delivery come, with its message."""

    def now(notification_id):
        database["notifications"].update_one(
            {"_id": notification_id}, {"$set": {"claimable_at_ms": 1}}
        )
        queue("webhooks").send(json.dumps({"id": notification_id}))

    return now
