"""The clients' part: accept a notification, cancel, find and list. Knows no HTTP or MongoDB."""

from functools import partial
from typing import Protocol

from msgspec import UNSET

from backend.clock import parse_rfc3339
from backend.errors import InvalidRequest, InvalidState, KeyReused, NotFound
from backend.pages import page_of
from backend.telemetry import trace_of
from backend.test_clocks import TestClock
from notifications import life_cycle, wakeups
from notifications.schema import Notification, NotificationQuery, NotificationRequest
from notifications.templates import built_in, choosing
from notifications.templates.own import OwnTemplate
from notifications.wakeups import Queues

SEND_AFTER_MAX_MS = 366 * 86_400_000  # a year; what is planned longer ahead is not sent blindly


class Notifications(Protocol):
    """The store of notifications; `notifications.store` says what each function guarantees."""

    def insert(self, notification: Notification) -> Notification | None: ...

    def find(self, tenant: str, notification_id: str) -> Notification | None: ...

    def find_template(self, template_id: str, *, with_earlier: bool) -> OwnTemplate | None: ...

    def tie(self, tenant: str, clock_id: str) -> TestClock: ...

    def cancel(self, tenant: str, notification_id: str) -> Notification | None: ...

    def page(
        self,
        tenant: str,
        query: NotificationQuery,
        *,
        limit: int,
        after: Notification | None,
        before: Notification | None,
    ) -> list[Notification]: ...


def accept(
    request: NotificationRequest,
    *,
    key: str,
    tenant: str,
    notifications: Notifications,
    queues: Queues,
    link: life_cycle.Link,
    now_ms: int,
) -> tuple[Notification, bool]:
    """Store a notification and send it to be delivered; returns it, and whether it is a replay.

    Its id comes from the key, so a repeat finds the first one. What is stored will be sent, by the
    relay where the queue takes nothing. Raises InvalidRequest, and KeyReused when the same key
    comes with another request.
    """
    existing = None
    if request.template not in built_in.PUBLIC:
        # Its template may have changed since, or be archived: a repeat does not look at it.
        existing = notifications.find(tenant, life_cycle.id_of(tenant, key))
    if existing is None:
        template = choosing.sendable(
            request.template,
            request.template_version,
            tenant=tenant,
            find_template=notifications.find_template,
        )
        notification = life_cycle.create(
            request, template, tenant=tenant, key=key, link=link, now_ms=now_ms
        )
        notification = _planned(notification, request, notifications, now_ms=now_ms)
        existing = notifications.insert(notification)
    if existing and existing.fingerprint != life_cycle.fingerprint_of(request):
        raise KeyReused
    notification = existing or notification
    if notification.status == "queued":
        wakeups.try_to_send([notification], queues=queues, now_ms=now_ms)
    return notification, existing is not None


def cancel(notification_id: str, *, tenant: str, notifications: Notifications) -> Notification:
    """Cancel what was not sent yet, also again; raises NotFound, and InvalidState once it was."""
    canceled = notifications.cancel(tenant, notification_id)
    if canceled is not None:
        return canceled
    notification = find(notification_id, tenant=tenant, notifications=notifications)
    if notification.status == "canceled":
        return notification
    raise InvalidState(f"It is {notification.status}; only what is queued can be canceled.")


def find(notification_id: str, *, tenant: str, notifications: Notifications) -> Notification:
    """Return a notification of this tenant; raises NotFound."""
    notification = notifications.find(tenant, notification_id)
    if notification is None:
        raise NotFound("There is no such notification.", param="notification_id")
    return notification


def newest(
    query: NotificationQuery, *, tenant: str, notifications: Notifications
) -> tuple[list[Notification], bool]:
    """Return one page of notifications, newest first, and whether there are more."""
    return page_of(
        query,
        find=partial(notifications.find, tenant),
        read=partial(notifications.page, tenant, query),
    )


def _planned(
    notification: Notification,
    request: NotificationRequest,
    notifications: Notifications,
    *,
    now_ms: int,
) -> Notification:
    """Return a new notification with its trace, its clock, and the time before which it waits."""
    notification = life_cycle.traced(notification, trace_of(notification.id))
    if request.test_clock:
        notification = _tied(notification, request.test_clock, notifications)
    time_ms = life_cycle.time_of(notification, now_ms)
    due_ms = life_cycle.due_ms(notification, _wanted_ms(request, now_ms=time_ms))
    if due_ms > time_ms:
        notification = life_cycle.planned(notification, due_ms, now_ms=now_ms)
    return notification


def _tied(notification: Notification, clock_id: str, notifications: Notifications) -> Notification:
    """Return a new notification at the time of its clock; one that exists is tied already."""
    existing = notifications.find(notification.tenant, notification.id)
    if existing and existing.clock_ms is not UNSET:
        return life_cycle.tied(notification, clock_id, existing.clock_ms)
    clock = notifications.tie(notification.tenant, clock_id)
    return life_cycle.tied(notification, clock.id, clock.frozen_ms)


def _wanted_ms(request: NotificationRequest, *, now_ms: int) -> int:
    if request.send_after is None:
        return now_ms
    due_ms = parse_rfc3339(request.send_after, param="send_after")
    if due_ms > now_ms + SEND_AFTER_MAX_MS:
        raise InvalidRequest(
            "send_after may be at most 366 days from now.",
            code="send_after_too_late",
            param="send_after",
        )
    return max(due_ms, now_ms)
