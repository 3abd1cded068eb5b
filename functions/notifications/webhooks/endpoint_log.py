"""What was sent to an endpoint: its deliveries, newest first, and sending one again."""

from functools import partial
from typing import Protocol

import msgspec

from backend.announcer import Sender
from backend.errors import InvalidState, NotFound
from backend.pages import PageQuery, page_of
from notifications.schema import Notification
from notifications.webhooks.endpoints import Endpoint


class Deliveries(Protocol):
    """The store of notifications; `notifications.store` says what each function guarantees."""

    def find(self, tenant: str, notification_id: str) -> Notification | None: ...

    def deliveries(
        self, tenant: str, endpoint_id: str, *, limit: int, after: Notification | None
    ) -> list[Notification]: ...

    def reopen(self, notification_id: str, *, now_ms: int) -> bool: ...


def newest(
    query: PageQuery, *, endpoint: Endpoint, deliveries: Deliveries
) -> tuple[list[Notification], bool]:
    """Return one page of an endpoint's deliveries, newest first, and whether there are more."""
    return page_of(
        query,
        find=lambda each: _find(each, endpoint, deliveries),
        read=partial(deliveries.deliveries, endpoint.tenant, endpoint.id),
    )


def resend(
    notification_id: str, *, endpoint: Endpoint, deliveries: Deliveries, queue: Sender, now_ms: int
) -> None:
    """Send a delivery once more, at once, under the same webhook-id and newly signed.

    Raises NotFound, and InvalidState while the endpoint is disabled or the delivery is not over.
    """
    if _find(notification_id, endpoint, deliveries) is None:
        raise NotFound("There is no such delivery.", param="notification_id")
    if endpoint.disabled_because:
        raise InvalidState("The endpoint is disabled; enable it first.", code="endpoint_disabled")
    if not deliveries.reopen(notification_id, now_ms=now_ms):
        raise InvalidState("It is still to be sent by itself.")
    queue.send(msgspec.json.encode({"id": notification_id}).decode())


def _find(notification_id: str, endpoint: Endpoint, deliveries: Deliveries) -> Notification | None:
    found = deliveries.find(endpoint.tenant, notification_id)
    return found if found is not None and found.to == endpoint.id else None
