"""Events of other domains: each becomes a notification for every endpoint that wants it."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec
from msgspec import UNSET, Struct

from backend import arrivals, domain_events
from backend.announcer import Sender
from backend.domain_events import Event
from backend.telemetry import trace_of
from notifications import life_cycle
from notifications.schema import Notification
from notifications.webhooks import bodies
from notifications.webhooks.endpoints import Endpoint, Endpoints


class WebhookMessage(Struct, frozen=True, kw_only=True):
    """The message that asks for one delivery, or brings a tenant's events to be delivered."""

    id: str | None = None
    tenant: str | None = None
    events: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        if (self.id is None) == (self.tenant is None):
            raise ValueError("a message has either an id, or a tenant and events")


class Deliveries(Protocol):
    """The store of notifications; `notifications.store` says what the function guarantees."""

    def insert_all(self, notifications: Sequence[Notification]) -> None: ...


def fan_out(
    messages: Iterable[WebhookMessage],
    *,
    endpoints: Endpoints,
    deliveries: Deliveries,
    queue: Sender,
    now_ms: int,
) -> int:
    """Make the deliveries that these messages' events call for; returns how many.

    They are stored before their messages are sent, under ids that follow from event and endpoint:
    a message that comes twice makes nothing new.
    """
    announced = [(each.tenant, event) for each in messages if each.tenant for event in each.events]
    if not announced:
        return 0
    listening = endpoints.of({tenant for tenant, _ in announced})
    made = [
        life_cycle.traced(delivery(event, endpoint, now_ms=now_ms), trace_of(event.event_id))
        for tenant, event in announced
        for endpoint in listening
        if endpoint.tenant == tenant and endpoint.wants(event.name)
    ]
    if made:
        deliveries.insert_all(made)
        queue.send_batch(
            [msgspec.json.encode({"id": each.id}).decode() for each in made],
            traces=[trace_of(each.fingerprint) for each in made],  # its event's id
            groups=[each.tenant for each in made],
        )
    return len(made)


def objects_of(message: WebhookMessage) -> Iterable[str]:
    """Return the ids of what a message is about: one delivery, or a tenant's events."""
    return (message.id,) if message.id else (each.event_id for each in message.events)


def delivery(
    event: Event, endpoint: Endpoint, *, now_ms: int, text: str | None = None
) -> Notification:
    """Return the notification that takes `event` to `endpoint`, ready to be sent.

    Its body is `text`, by default what everybody is told of the event.
    """
    notification_id = arrivals.delivery_id(endpoint.id, event.event_id)
    is_of_payment = event.object_id.startswith("pay_")
    notification = Notification(
        id=notification_id,
        tenant=endpoint.tenant,
        fingerprint=event.event_id,
        created_ms=now_ms,
        channel="webhook",
        to=endpoint.id,
        rendered=bodies.of_text(event.name, text or domain_events.body(event)),
        log=bodies.log_key(endpoint.id, notification_id, at_ms=now_ms),
        payment_id=event.object_id if is_of_payment else UNSET,
    )
    if event.clock:
        notification = life_cycle.tied(notification, event.clock.id, event.clock.now_ms)
    return life_cycle.until(notification, now_ms, now_ms=now_ms)  # woken if its message is lost
