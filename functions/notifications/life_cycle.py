"""A notification from its request to its end, as pure functions from document to document.

queued -> sending -> delivered or failed; back to queued where it is to be tried again. A queued one
may also become suppressed or canceled.
"""

import hashlib
import zlib
from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from backend import arrivals, ids
from notifications import quiet_hours, recipients
from notifications.answers import Accepted, Answer, Permanent, RetryAfter, Suppressed
from notifications.schema import (
    Attempt,
    Notification,
    NotificationRequest,
    Status,
    Wish,
)
from notifications.templates import built_in
from notifications.templates.built_in import Template
from notifications.templates.compiled import Ready
from notifications.webhooks import bodies

NEVER_MS = 2**53  # a number still, as ranges compare numbers with numbers only
ATTEMPTS_MAX = 20  # kept of a log; more than any schedule is long
DEADLY = Permanent(reason="Every worker that tried to send it died.")
JITTER = 0.1  # of a wait, so that what failed together does not come back together
DELAY_MAX_MS = 900_000  # SQS holds a message back no longer
AHEAD_MS = 600_000  # so long before it is due the relay sends its message, exact to a second
TEST_MARK = "[Test] "
LOST_MS = 30_000  # a message that nobody has received so long after it was due is sent again
Link = Callable[[str], str]  # makes the unsubscribe link of a notification's id
FINISHED: frozenset[Status] = frozenset({"delivered", "failed", "suppressed", "canceled"})


def create(
    request: NotificationRequest,
    template: Template | Ready,
    *,
    tenant: str,
    key: str,
    link: Link,
    now_ms: int,
) -> Notification:
    """Return the notification of a request, rendered; raises InvalidRequest."""
    notification_id = id_of(tenant, key)
    made = _made(request, template, notification_id, tenant=tenant, link=link, now_ms=now_ms)
    if request.test:
        made = as_test(made)
    if request.quiet_hours is UNSET:
        return made
    quiet_hours.check(request.quiet_hours)
    return msgspec.structs.replace(made, quiet_hours=request.quiet_hours)


def id_of(tenant: str, key: str) -> str:
    """Return the id of the notification that a request under this key makes."""
    return ids.derived("ntf_", tenant, "POST /v1/notifications", key)


def fingerprint_of(request: NotificationRequest | Wish) -> str:
    """Return what a request is known by when its key comes again."""
    return hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()


def as_test(notification: Notification) -> Notification:
    """Return the notification marked as a test, which its recipient sees too."""
    rendered = notification.rendered
    subject, text = f"{TEST_MARK}{rendered.subject}", rendered.text
    if notification.channel == "sms":
        text = f"{TEST_MARK}{text}"
    marked = msgspec.structs.replace(rendered, subject=subject, text=text)
    return msgspec.structs.replace(notification, rendered=marked, test=True)


def wished(wish: Wish, *, now_ms: int) -> Notification:
    """Return the notification that another domain asks for, rendered; raises InvalidRequest."""
    template = built_in.TEMPLATES.get(wish.template)
    if template is None:
        raise built_in.unknown()
    made = _made(wish, template, wished_id(wish), tenant=wish.tenant, link=None, now_ms=now_ms)
    return msgspec.structs.replace(made, payment_id=wish.payment_id)


def wished_id(wish: Wish) -> str:
    """Return the id of the notification that a wish makes."""
    return arrivals.wish_id(wish.tenant, wish.key)


def traced(notification: Notification, trace: str) -> Notification:
    """Return the notification with the trace that it is made in, if there is one."""
    return msgspec.structs.replace(notification, trace=trace) if trace else notification


def tied(notification: Notification, clock_id: str, clock_ms: int) -> Notification:
    """Return the notification tied to a test clock, due at its present time."""
    return msgspec.structs.replace(
        notification, test_clock=clock_id, clock_ms=clock_ms, clock_due_ms=clock_ms
    )


def time_of(notification: Notification, now_ms: int) -> int:
    """Return the time by a notification's own clock."""
    return now_ms if notification.clock_ms is UNSET else notification.clock_ms


def planned(notification: Notification, due_ms: int, *, now_ms: int) -> Notification:
    """Return the notification queued until a time by its own clock."""
    if notification.clock_ms is UNSET:
        return until(notification, due_ms, now_ms=now_ms)
    if due_ms <= notification.clock_ms:
        return until(notification, now_ms, now_ms=now_ms)
    return msgspec.structs.replace(
        notification,
        status="queued",
        claimable_at_ms=NEVER_MS,
        wake_ms=UNSET,
        clock_due_ms=due_ms,
    )


def until(notification: Notification, due_ms: int, *, now_ms: int) -> Notification:
    """Return the notification queued, not to be sent before `due_ms` by our clock."""
    is_soon = due_ms - now_ms <= DELAY_MAX_MS
    return msgspec.structs.replace(
        notification,
        status="queued",
        claimable_at_ms=due_ms,
        wake_ms=due_ms + LOST_MS if is_soon else due_ms - AHEAD_MS,
    )


def woken(notification: Notification, *, now_ms: int) -> Notification:
    """Return the notification after its message was sent by the relay."""
    due_ms = max(now_ms, notification.claimable_at_ms)
    return msgspec.structs.replace(notification, wake_ms=due_ms + LOST_MS)


def attempted(
    notification: Notification, answer: Answer, schedule_s: Sequence[int], *, now_ms: int
) -> Notification:
    """Return what the answer to its last attempt makes of a notification."""
    *before, current = notification.attempts
    resumes_at_ms = notification.resumes_at_ms
    is_by_hand = UNSET if resumes_at_ms is UNSET else True
    attempt = Attempt(
        at_ms=current.at_ms,
        outcome=answer,
        is_by_hand=is_by_hand,
        clock_ms=notification.clock_ms,
    )
    attempts = (*before, attempt)
    logged = msgspec.structs.replace(
        notification, attempts=attempts[-ATTEMPTS_MAX:], resumes_at_ms=UNSET
    )
    steps = sum(each.is_by_hand is UNSET for each in attempts)
    match answer:
        case Accepted():
            return ended(logged, "delivered")
        case RetryAfter() if resumes_at_ms is not UNSET and notification.clock_due_ms is not UNSET:
            return planned(logged, notification.clock_due_ms, now_ms=now_ms)
        case RetryAfter() if resumes_at_ms is not UNSET and resumes_at_ms < NEVER_MS:
            return until(logged, max(resumes_at_ms, now_ms), now_ms=now_ms)
        case RetryAfter(seconds=seconds) if resumes_at_ms is UNSET and steps <= len(schedule_s):
            wait_s = max(seconds or 0, schedule_s[steps - 1])
            wait_ms = round(wait_s * 1000 * (1 + JITTER * _share(logged)))
            return planned(logged, time_of(logged, now_ms) + wait_ms, now_ms=now_ms)
        case RetryAfter() | Permanent():
            return ended(logged, "failed")
        case Suppressed():
            return ended(logged, "suppressed")


def once(notification: Notification, *, now_ms: int) -> Notification:
    """Return the notification due for one attempt, now, after which it goes on as it was."""
    resumes_at_ms = notification.resumes_at_ms
    if resumes_at_ms is UNSET:
        waits = notification.status == "queued"
        resumes_at_ms = notification.claimable_at_ms if waits else NEVER_MS
    return until(
        msgspec.structs.replace(notification, resumes_at_ms=resumes_at_ms), now_ms, now_ms=now_ms
    )


def is_deadly(notification: Notification) -> bool:
    """Tell whether attempts were begun again and again and none was ended: ends bound the log."""
    return len(notification.attempts) > ATTEMPTS_MAX + 1


def due_ms(notification: Notification, wanted_ms: int) -> int:
    """Return when a notification may be sent that is wanted to be sent then."""
    if notification.quiet_hours is UNSET:
        return wanted_ms
    return quiet_hours.over_at_ms(notification.quiet_hours, wanted_ms)


def held_back(
    notification: Notification,
    due_ms: int,
    *,
    has_turn: bool,
    now_ms: int,
    is_planned: bool = False,
) -> Notification:
    """Return the notification as if nobody had claimed it, until `due_ms`.

    That is by its own clock where it `is_planned` so.
    """
    unclaimed = msgspec.structs.replace(
        notification,
        attempts=notification.attempts[:-1],
        has_turn=True if has_turn else notification.has_turn,
    )
    hold = planned if is_planned else until
    return hold(unclaimed, due_ms, now_ms=now_ms)


def ended(notification: Notification, status: Status) -> Notification:
    """Return the notification with nothing left to do."""
    return msgspec.structs.replace(
        notification,
        status=status,
        claimable_at_ms=NEVER_MS,
        wake_ms=UNSET,
        clock_due_ms=UNSET,
    )


def needs_message(notification: Notification, *, now_ms: int) -> bool:
    """Tell whether its message is still needed: one that waits has, or will be given, another."""
    waits = notification.status == "queued" and notification.claimable_at_ms > now_ms
    return not waits and notification.status not in FINISHED


def _made(
    request: NotificationRequest | Wish,
    template: Template | Ready,
    notification_id: str,
    *,
    tenant: str,
    link: Link | None,
    now_ms: int,
) -> Notification:
    recipients.check(request.channel, request.to)
    url = link(notification_id) if link and template.is_subscription else None
    rendered = template.render(request.variables, unsubscribe_url=url)
    log: str | UnsetType = UNSET
    if request.channel == "webhook":
        rendered = bodies.of_template(rendered, at_ms=now_ms)
        log = bodies.log_key(request.to, notification_id, at_ms=now_ms)
    return Notification(
        id=notification_id,
        tenant=tenant,
        fingerprint=fingerprint_of(request),
        created_ms=now_ms,
        channel=request.channel,
        to=request.to,
        rendered=rendered,
        unsubscribe_url=url or UNSET,
        wake_ms=now_ms + LOST_MS,
        log=log,
        category=template.category,
    )


def _share(notification: Notification) -> float:
    """Return a number from 0 to 1 that is the same for the same attempt."""
    text = f"{notification.id}{len(notification.attempts)}"
    return zlib.crc32(text.encode()) / 0xFFFF_FFFF
