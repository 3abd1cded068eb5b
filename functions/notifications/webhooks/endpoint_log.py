"""The log of an endpoint: its deliveries, newest first, one of them again, and a test."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from backend import domain_events, ids
from backend.domain_events import Event
from backend.errors import Conflict, InvalidState, NotFound
from backend.pages import PageQuery, page_of
from notifications import life_cycle, wakeups
from notifications.schema import Notification, Status
from notifications.wakeups import Queues
from notifications.webhooks import bodies, events
from notifications.webhooks.endpoints import Endpoint

TEST = "webhook.test"


class DeliveryQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of an endpoint's deliveries: a page of all, or of those with these values."""

    status: Status | None = None
    type: Annotated[str, Meta(max_length=100, description="As in the body")] | None = None
    payment_id: Annotated[str, Meta(max_length=64)] | None = None


class Deliveries(Protocol):
    """The store of notifications; `notifications.store` says what each function guarantees."""

    def find(self, tenant: str, notification_id: str) -> Notification | None: ...

    def deliveries(
        self,
        tenant: str,
        endpoint_id: str,
        filters: Mapping[str, str],
        *,
        limit: int,
        after: Notification | None,
        before: Notification | None,
    ) -> list[Notification]: ...

    def insert(self, notification: Notification) -> Notification | None: ...

    def replace(self, before: Notification, after: Notification) -> bool: ...


def newest(
    query: DeliveryQuery, *, endpoint: Endpoint, deliveries: Deliveries
) -> tuple[list[Notification], bool]:
    """Return one page of an endpoint's deliveries, newest first, and whether there are more."""
    values = {
        "status": query.status,
        "rendered.template": query.type and query.type.removeprefix(bodies.OF_TEMPLATE),
        "payment_id": query.payment_id,
    }
    filters = {name: value for name, value in values.items() if value is not None}
    return page_of(
        query,
        find=lambda each: _find(each, endpoint, deliveries),
        read=partial(deliveries.deliveries, endpoint.tenant, endpoint.id, filters),
    )


def find(notification_id: str, *, endpoint: Endpoint, deliveries: Deliveries) -> Notification:
    """Return a delivery to this endpoint; raises NotFound."""
    delivery = _find(notification_id, endpoint, deliveries)
    if delivery is None:
        raise NotFound("There is no such delivery.", param="notification_id")
    return delivery


def resend(
    notification_id: str,
    *,
    endpoint: Endpoint,
    deliveries: Deliveries,
    queues: Queues,
    now_ms: int,
) -> None:
    """Attempt a delivery once more, now, under the same webhook-id and newly signed.

    One that waits for its next attempt keeps its schedule, should this one fail. Raises NotFound,
    and InvalidState while the endpoint is disabled or the delivery has not been attempted yet.
    """
    delivery = find(notification_id, endpoint=endpoint, deliveries=deliveries)
    _require_enabled(endpoint)
    if delivery.status == "sending":
        raise InvalidState("It is being sent just now.")
    if delivery.status == "canceled" or not delivery.attempts:
        raise InvalidState(f"It is {delivery.status}, and was never sent.")
    again = life_cycle.once(delivery, now_ms=now_ms)
    if not deliveries.replace(delivery, again):
        raise Conflict("It was sent or changed meanwhile; look at it, or retry.")
    wakeups.try_to_send([again], queues=queues, now_ms=now_ms)


def send_test(
    *, endpoint: Endpoint, deliveries: Deliveries, queues: Queues, now_ms: int
) -> Notification:
    """Send an event of the type `webhook.test` to an endpoint, in one attempt.

    It is sent whatever events the endpoint wants. Raises InvalidState while it is disabled.
    """
    _require_enabled(endpoint)
    event = Event(event_id=ids.new("evt_"), name=TEST, occurred_at_ms=now_ms)
    text = domain_events.body_of(TEST, {"endpoint_id": endpoint.id}, at_ms=now_ms)
    delivery = life_cycle.once(
        msgspec.structs.replace(
            events.delivery(event, endpoint, text=text, now_ms=now_ms),
            resumes_at_ms=life_cycle.NEVER_MS,
        ),
        now_ms=now_ms,
    )
    deliveries.insert(delivery)
    wakeups.try_to_send([delivery], queues=queues, now_ms=now_ms)
    return delivery


def _require_enabled(endpoint: Endpoint) -> None:
    if endpoint.disabled_because:
        raise InvalidState("The endpoint is disabled; enable it first.", code="endpoint_disabled")


def _find(notification_id: str, endpoint: Endpoint, deliveries: Deliveries) -> Notification | None:
    delivery = deliveries.find(endpoint.tenant, notification_id)
    return delivery if delivery is not None and delivery.to == endpoint.id else None
