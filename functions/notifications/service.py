"""What notifications do: accept one, deliver a batch, find and list. Knows no HTTP or MongoDB.

SMTP has no idempotency, so a mail is sent at least once: twice only if its worker died after the
mail server took it and before that was stored. Both then have the same Message-ID.
"""

import base64
import hashlib
import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from backend.clock import parse_rfc3339
from backend.errors import InvalidRequest, NotFound
from backend.queues import Queue
from notifications import templates
from notifications.schema import (
    Attempt,
    Notification,
    NotificationListQuery,
    NotificationMessage,
    NotificationRequest,
    Outcome,
    Status,
    Wish,
)

# Twice the worker's time-out: who claimed a notification that long ago was killed by it.
CLAIM_MS = 10_000
NEVER_MS = 2**53  # a number still, as ranges compare numbers with numbers only
DELAY_MAX_S = 900  # SQS holds a message back no longer
FINISHED: frozenset[Status] = frozenset({"delivered", "failed", "suppressed", "canceled"})
STATUS_AFTER: dict[str, Status] = {
    "delivered": "delivered",
    "refused": "failed",
    "deferred": "queued",
}


class Notifications(Protocol):
    """The store of notifications; `notifications.store` says what each function guarantees."""

    def insert(self, notification: Notification) -> Notification | None: ...

    def find(self, tenant: str, notification_id: str) -> Notification | None: ...

    def page(
        self, tenant: str, *, limit: int, after: Notification | None
    ) -> list[Notification]: ...

    def claim(
        self,
        ids: Collection[str],
        new: Collection[Notification],
        *,
        claim: str,
        now_ms: int,
        until_ms: int,
    ) -> list[Notification]: ...

    def finish(self, changed: Sequence[Notification]) -> None: ...


class Sender(Protocol):
    """Whoever takes mails to their recipients."""

    def send_all(self, notifications: Sequence[Notification]) -> list[Outcome]: ...


def accept(
    request: NotificationRequest,
    *,
    key: str,
    tenant: str,
    notifications: Notifications,
    queue: Queue,
    now_ms: int,
) -> tuple[Notification, bool]:
    """Store a notification and send it to be delivered; returns it, and whether it is a replay.

    Its id comes from the key, so a repeat finds the first one. Raises InvalidRequest 422 when the
    same key comes with another request, QueueUnavailable when the notification is stored but not
    sent: a repeat with the same key sends it.
    """
    if request.channel != "email":
        raise InvalidRequest(
            "Only e-mail is delivered so far.", code="channel_not_supported", param="channel"
        )
    delay_s = _delay_s(request, now_ms=now_ms)
    notification = Notification(
        id=_id(tenant, "POST /v1/notifications", key),
        tenant=tenant,
        fingerprint=fingerprint(request),
        created_ms=now_ms,
        channel=request.channel,
        to=request.to,
        rendered=templates.render(request.template, request.variables),
    )
    existing = notifications.insert(notification)
    if existing and existing.fingerprint != notification.fingerprint:
        raise InvalidRequest(
            "This Idempotency-Key was used with another body.", code="idempotency_key_reused"
        )
    if existing is None or existing.status == "queued":
        queue.send(msgspec.json.encode({"id": notification.id}).decode(), delay_s=delay_s)
    return existing or notification, existing is not None


def fingerprint(request: NotificationRequest | Wish) -> str:
    """Return a digest that two requests share only if they ask for the same."""
    return hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()


def deliver(
    messages: Collection[NotificationMessage],
    *,
    notifications: Notifications,
    sender: Sender,
    now_ms: int,
) -> tuple[set[str], int]:
    """Deliver a batch; returns the ids for which nothing is left to do, and how many it delivered.

    The order is the guarantee: a notification is claimed, with its attempt noted, before its mail
    is sent, so that of two workers with the same message one sends; the other's comes back later
    and finds it finished, or the claim of a dead worker run out.
    """
    claim = secrets.token_hex(8)
    new = {each.id: each for each in _wished(messages, now_ms=now_ms)}
    claimed = notifications.claim(
        {each.id for each in messages if each.id},
        new.values(),
        claim=claim,
        now_ms=now_ms,
        until_ms=now_ms + CLAIM_MS,
    )
    ours = [each for each in claimed if each.claim == claim]
    outcomes = sender.send_all(ours)
    changed = [_attempted(each, outcome) for each, outcome in zip(ours, outcomes, strict=True)]
    notifications.finish(changed)
    others = [each for each in claimed if each.claim != claim]
    finished = {each.id for each in (*changed, *others) if each.status in FINISHED}
    return finished, sum(each.status == "delivered" for each in changed)


def find(notification_id: str, *, tenant: str, notifications: Notifications) -> Notification:
    """Return a notification of this tenant; raises NotFound."""
    notification = notifications.find(tenant, notification_id)
    if notification is None:
        raise NotFound("There is no such notification.", param="notification_id")
    return notification


def newest(
    query: NotificationListQuery, *, tenant: str, notifications: Notifications
) -> tuple[list[Notification], bool]:
    """Return one page of notifications, newest first, and whether there are more."""
    after = None
    if query.starting_after is not None:
        after = notifications.find(tenant, query.starting_after)
        if after is None:
            raise InvalidRequest("There is no such notification.", param="starting_after")
    found = notifications.page(tenant, limit=query.limit + 1, after=after)
    return found[: query.limit], len(found) > query.limit


def id_of(message: NotificationMessage) -> str:
    """Return the id of the notification that a message names or brings."""
    if message.request is None:
        assert message.id is not None  # the message's own rule
        return message.id
    return _id(message.request.tenant, "request", message.request.key)


def _id(tenant: str, origin: str, key: str) -> str:
    digest = hashlib.sha256(f"{tenant}|{origin}|{key}".encode()).digest()
    return "ntf_" + base64.b32encode(digest).decode().lower()[:26]


def _wished(messages: Iterable[NotificationMessage], *, now_ms: int) -> Iterator[Notification]:
    for message in messages:
        if message.request is not None:
            # A wish that no template fulfils stays unfinished: its message ends as a dead letter.
            with suppress(InvalidRequest):
                yield _made(message.request, now_ms=now_ms)


def _made(wish: Wish, *, now_ms: int) -> Notification:
    return Notification(
        id=_id(wish.tenant, "request", wish.key),
        tenant=wish.tenant,
        fingerprint=fingerprint(wish),
        created_ms=now_ms,
        channel=wish.channel,
        to=wish.to,
        rendered=templates.render(wish.template, wish.variables),
    )


def _delay_s(request: NotificationRequest, *, now_ms: int) -> int:
    if request.send_after is None:
        return 0
    left_ms = parse_rfc3339(request.send_after, param="send_after") - now_ms
    delay_s = max(0, -(-left_ms // 1000))
    if delay_s > DELAY_MAX_S:
        raise InvalidRequest(
            f"send_after may be at most {DELAY_MAX_S} s from now.",
            code="send_after_too_late",
            param="send_after",
        )
    return delay_s


def _attempted(notification: Notification, outcome: Outcome) -> Notification:
    status = STATUS_AFTER[outcome.result]
    *before, current = notification.attempts
    return msgspec.structs.replace(
        notification,
        status=status,
        claimable_at_ms=NEVER_MS if status in FINISHED else 0,
        attempts=(*before, Attempt(at_ms=current.at_ms, outcome=outcome)),
    )
