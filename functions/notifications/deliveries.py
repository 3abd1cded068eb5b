"""What was sent to an endpoint: its deliveries, newest first, and sending one again."""

from typing import Protocol

import msgspec

from backend.audience import Sender
from backend.errors import InvalidRequest, InvalidState, NotFound
from notifications.endpoints import Endpoint
from notifications.schema import Notification, NotificationListQuery


class Deliveries(Protocol):
    """The store of notifications; `notifications.store` says what each function guarantees."""

    def find(self, tenant: str, notification_id: str) -> Notification | None: ...

    def deliveries(
        self, tenant: str, endpoint_id: str, *, limit: int, after: Notification | None
    ) -> list[Notification]: ...

    def reopen(self, notification_id: str, *, now_ms: int) -> bool: ...


def newest(
    query: NotificationListQuery, *, endpoint: Endpoint, deliveries: Deliveries
) -> tuple[list[Notification], bool]:
    """Return one page of an endpoint's deliveries, newest first, and whether there are more."""
    after = None
    if query.starting_after is not None:
        after = _find(query.starting_after, endpoint, deliveries)
        if after is None:
            raise InvalidRequest("There is no such delivery.", param="starting_after")
    found = deliveries.deliveries(endpoint.tenant, endpoint.id, limit=query.limit + 1, after=after)
    return found[: query.limit], len(found) > query.limit


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
