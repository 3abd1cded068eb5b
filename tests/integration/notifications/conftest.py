"""The doors of notifications: its API, its worker, its queue."""

import hashlib
import json

import pytest

from tests.integration.function_process import receive_all
from tests.integration.notifications.bodies import SCOPES, welcome


@pytest.fixture
def api(function, tenant):
    """Send a request as this test's tenant."""
    process = function("notifications.app.app")

    def request(method, resource="/v1/notifications", **parts):
        return process.request(method, resource, **{"tenant": tenant, "scope": SCOPES, **parts})

    return request


@pytest.fixture
def worker(function):
    return function("notifications.app.worker")


@pytest.fixture
def create(api):
    """Ask for a notification under a key."""

    def post(key, **changes):
        return api("POST", body=welcome(**changes), headers={"Idempotency-Key": key})

    return post


@pytest.fixture
def show(api):
    """Read a notification."""

    def get(notification_id):
        return api(
            "GET",
            "/v1/notifications/{notification_id}",
            path={"notification_id": notification_id},
        ).body

    return get


@pytest.fixture
def messages(queue):
    """Receive everything that was sent to be delivered."""
    return lambda: receive_all(queue("notifications"))


@pytest.fixture
def deliver(worker, messages):
    """Let the worker have all messages, and none come back."""

    def all_messages():
        assert worker.consume(messages()) == []

    return all_messages


@pytest.fixture
def sent(create, show, deliver):
    """Ask for a notification, have it delivered and return it as it is then."""

    def accept_and_deliver(key, **changes):
        notification_id = create(key, **changes).body["id"]
        deliver()
        return show(notification_id)

    return accept_and_deliver


@pytest.fixture
def relay(function, messages):
    """Let the relay look once for notifications to wake; earlier tests' are out of the way."""
    look = function("notifications.app.relay")
    look.invoke({})
    messages()
    return lambda: look.invoke({})


@pytest.fixture
def cancel(api):
    """Cancel a notification."""

    def post(notification_id, **parts):
        return api(
            "POST",
            "/v1/notifications/{notification_id}/cancel",
            path={"notification_id": notification_id},
            **parts,
        )

    return post


@pytest.fixture
def due(relay, database):
    """Let the time pass for which a notification waits, and the relay do its work."""

    def let_pass(notification_id):
        database["notifications"].update_one(
            {"_id": notification_id}, {"$set": {"claimable_at_ms": 1, "wake_ms": 1}}
        )
        relay()

    return let_pass


@pytest.fixture
def deliver_wish(queue, worker):
    """Send what another domain would, and let the worker have it."""

    def deliver(wish):
        queue("notifications").send(json.dumps(wish))
        assert worker.consume(receive_all(queue("notifications"))) == []

    return deliver


@pytest.fixture
def address(tenant):
    """An address that no other test writes to."""
    return f"{hashlib.sha256(tenant.encode()).hexdigest()[:16]}@example.com"
