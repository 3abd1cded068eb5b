"""The worker's part: claim the notifications of messages, send them, store the outcome.

No channel is idempotent, so a notification is sent at least once: twice only if its worker died
after the other side took it and before that was stored. Both then bear the same id.
"""

import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import UNSET

from backend.errors import InvalidRequest
from backend.telemetry import report, trace_of
from notifications import life_cycle, test_clocks, wakeups
from notifications.answers import Answer
from notifications.channels.protocol import LATE, Channel
from notifications.holds import Hold, Later
from notifications.schema import Notification, NotificationMessage
from notifications.wakeups import Queues

# Twice the worker's time-out: who claimed a notification that long ago was killed by it.
CLAIM_MS = 10_000
BEGIN_WITHIN_S = 1.0  # with one channel more, a batch of several is answered within the time-out


class Notifications(Protocol):
    """The store of notifications; `notifications.store` says what each function guarantees."""

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


class HoldReasons(Protocol):
    """The reasons that hold some of a batch back, by id; see `notifications.holds`."""

    def __call__(self, batch: Sequence[Notification], *, now_ms: int) -> Mapping[str, Hold]: ...


class Delivery(NamedTuple):
    """The result of a batch."""

    open: dict[str, str]  # by id, the reasons why messages are still needed
    changed: list[Notification]


def deliver(
    messages: Collection[NotificationMessage],
    *,
    notifications: Notifications,
    channels: Mapping[str, Channel],
    queues: Queues,
    now_ms: int,
    holding: HoldReasons = lambda batch, now_ms: {},
    claim_ms: int = CLAIM_MS,
) -> Delivery:
    """Deliver a batch.

    The order is the guarantee: a notification is claimed, with its attempt noted, before it is
    sent, so that of two workers with the same message one sends; the other's comes back later and
    finds it finished, or the claim of a dead worker run out. What is to be tried again waits in its
    document and has a message of its own.
    """
    wished, reasons = _wished(messages, now_ms=now_ms)
    claim = secrets.token_hex(8)
    claimed = notifications.claim(
        {each.id for each in messages if each.id},
        wished,
        claim=claim,
        now_ms=now_ms,
        until_ms=now_ms + claim_ms,
    )
    ours = [each for each in claimed if each.claim == claim]
    holds = dict(holding(ours, now_ms=now_ms)) if ours else {}
    holds |= {each.id: life_cycle.DEADLY for each in ours if life_cycle.is_deadly(each)}
    changed = [_hold_back(each, holds[each.id], now_ms) for each in ours if each.id in holds]
    changed += _sent([each for each in ours if each.id not in holds], channels, now_ms)
    notifications.finish(changed)
    test_clocks.left_behind(changed)
    wakeups.try_to_send((x for x in changed if x.status == "queued"), queues=queues, now_ms=now_ms)
    others = [each for each in claimed if each.claim != claim]
    settled = {
        each.id for each in (*changed, *others) if not life_cycle.needs_message(each, now_ms=now_ms)
    }
    reasons |= {each.id: f"Claimed: {each.id} is {each.status} elsewhere." for each in others}
    ids = {id_of(each) for each in messages} - settled
    return Delivery(
        {each: reasons.get(each, f"NotFound: There is no notification {each}.") for each in ids},
        changed,
    )


def report_all(changed: Iterable[Notification]) -> None:
    """Write a line of the log for each notification that an attempt has changed."""
    for each in changed:
        payment = {} if each.payment_id is UNSET else {"payment_id": each.payment_id}
        report(f"notification {each.status}", notification_id=each.id, **payment)


def id_of(message: NotificationMessage) -> str:
    """Return the id of the notification that a message names or brings."""
    if message.request is not None:
        return life_cycle.wished_id(message.request)
    assert message.id is not None  # the message's own rule
    return message.id


def _hold_back(notification: Notification, why: Hold, now_ms: int) -> Notification:
    if isinstance(why, Later):
        return life_cycle.held_back(
            notification,
            why.due_ms,
            has_turn=why.has_turn,
            now_ms=now_ms,
            is_planned=why.is_planned,
        )
    return life_cycle.attempted(notification, why, (), now_ms=now_ms)


def _sent(
    notifications: Sequence[Notification], channels: Mapping[str, Channel], now_ms: int
) -> Iterator[Notification]:
    begin_until_s = time.monotonic() + BEGIN_WITHIN_S
    for name, channel in channels.items():
        batch = [each for each in notifications if each.channel == name]
        answers: Sequence[Answer] = [LATE] * len(batch)
        if batch and time.monotonic() < begin_until_s:
            answers = channel.send_all(batch)
        for each, answer in zip(batch, answers, strict=True):
            yield life_cycle.attempted(each, answer, channel.schedule_s, now_ms=now_ms)


def _wished(
    messages: Iterable[NotificationMessage], *, now_ms: int
) -> tuple[list[Notification], dict[str, str]]:
    """Return the notifications wished for, and why others cannot be made, by their ids.

    A wish that no template fulfils stays unfinished: its message ends as a dead letter.
    """
    notifications, reasons = [], {}
    wishes = {id_of(each): each.request for each in messages if each.request}
    for notification_id, wish in wishes.items():
        try:
            made = life_cycle.wished(wish, now_ms=now_ms)
            notifications.append(life_cycle.traced(made, trace_of(notification_id)))
        except InvalidRequest as error:
            reasons[notification_id] = f"InvalidRequest: {error.detail}"
    return notifications, reasons
