"""The Python client against a whole system: each of its records is read from a real answer."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from spillway_client import Client, Conflict, Event, Forbidden, NotFound, QuietHours, Unauthorized
from tests.conftest import wait_until
from tests.e2e.conftest import System


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[Client]:
    """The demo client."""
    with Client(system.gateway, "demo", "demo-secret") as client:
        yield client


def test_a_payment_s_life_with_its_ledger_and_events(client: Client):
    payment_id = client.create_payment(
        amount=5000,
        currency="EUR",
        payment_method="pm_card_visa",
        capture_method="manual",
        metadata={"order": "7"},
    ).id
    wait_until(lambda: client.get_payment(payment_id).status == "requires_capture")
    client.capture_payment(payment_id, amount=2000)
    wait_until(lambda: client.get_payment(payment_id).status == "succeeded")
    refund_id = client.refund_payment(payment_id, reason="duplicate").id
    wait_until(lambda: client.get_payment(payment_id).amount_refunded == 2000)
    payment = client.get_payment(payment_id)
    with pytest.raises(Conflict) as refusal:
        client.refund_payment(payment_id)

    assert refusal.value.code == "invalid_state"
    assert [(each.id, each.status) for each in payment.refunds] == [(refund_id, "succeeded")]
    assert [each.sequence for each in payment.events] == [*range(1, len(payment.events) + 1)]
    assert payment.metadata == {"order": "7"}
    assert client.get_ledger(payment_id).data[0].currency == "EUR"
    assert payment_id in {each.id for each in islice(client.list_payments(), 100)}
    assert {each.currency for each in client.get_balances().data} >= {"EUR"}


def test_events_are_counted_and_read(client: Client):
    name, now = f"client.{uuid.uuid4().hex[:8]}", datetime.now(UTC)
    event = Event(name=name, value=2.5)

    assert client.create_event(event).accepted == 1
    assert client.create_events([event, Event(name=name)], sent_at=now).accepted == 2
    start = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    wait_until(
        lambda: (
            sum(
                each.count
                for each in client.get_metric(
                    name, from_=start, to=start + timedelta(minutes=5)
                ).points
            )
            == 2
        )
    )
    assert name in {each.name for each in client.list_names()}


def test_notifications_and_suppressions(client: Client):
    recipient = f"{uuid.uuid4().hex}@example.com"
    later = datetime.now(UTC) + timedelta(days=1)
    notification_id = client.create_notification(
        channel="email",
        to=recipient,
        template="welcome",
        variables={"name": "Ada"},
        send_after=later,
        quiet_hours=QuietHours(start="22:00", end="07:00", zone="Europe/Berlin"),
    ).id

    assert client.get_notification(notification_id).due_at is not None
    assert client.cancel_notification(notification_id).status == "canceled"
    assert notification_id in {each.id for each in islice(client.list_notifications(), 100)}
    suppression = client.create_suppression(recipient)
    assert suppression in list(islice(client.list_suppressions(), 100))
    assert client.delete_suppression(suppression.id).deleted


def test_an_endpoint_s_life(client: Client):
    made = client.create_webhook_endpoint(
        f"https://hooks.example.com/{uuid.uuid4().hex}", contact="ops@example.com"
    )
    changed = client.update_webhook_endpoint(made.id, events=["payment.failed"])

    assert (changed.events, changed.contact) == (("payment.failed",), "ops@example.com")
    cleared = client.update_webhook_endpoint(made.id, events=None, contact=None)
    assert (cleared.events, cleared.contact) == (None, None)
    assert client.rotate_webhook_secret(made.id).secret != made.secret
    assert client.disable_webhook_endpoint(made.id).status == "disabled"
    assert client.enable_webhook_endpoint(made.id).status == "enabled"
    assert list(client.list_webhook_deliveries(made.id, status="failed")) == []
    assert made.id in {each.id for each in client.list_webhook_endpoints()}
    assert client.delete_webhook_endpoint(made.id).deleted
    with pytest.raises(NotFound):
        client.get_webhook_endpoint(made.id)


def test_what_needs_no_token_and_who_may_not(system: System, client: Client):
    assert client.get_health().status == "ok"
    assert client.get_readiness().dependencies
    assert client.get_openapi()["openapi"] == "3.1.0"
    assert client.get_keys()["keys"]
    stranger = Client(system.gateway, "demo", "wrong")
    reader = Client(system.gateway, "demo", "demo-secret", scope="payments:read")
    with stranger, pytest.raises(Unauthorized, match="invalid_client"):
        stranger.get_balances()
    with reader, pytest.raises(Forbidden) as refusal:
        reader.create_suppression("ada@example.com")
    assert refusal.value.request_id
