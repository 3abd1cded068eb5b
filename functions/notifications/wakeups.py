"""Notifications that have to wait: for `send_after`, the end of quiet hours, the next attempt.

A queue holds a message back for 15 minutes at most, so the document says when it is due and when to
see to it that a message exists. What is due soon gets its message at once, delayed, and is woken
only if that was lost; the messages of all others the relay sends.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from backend.queues import Queue
from notifications import life_cycle
from notifications.schema import Notification

RELAY_BATCH = 100  # documents read at once: requests of clients wait behind one read
RELAY_ROUNDS = 50  # a run; the next one takes the rest

Queues = Mapping[str, Queue]  # by channel


class Notifications(Protocol):
    """The store of notifications; `notifications.store` says what each function guarantees."""

    def waiting(self, until_ms: int, *, limit: int) -> list[Notification]: ...

    def woken(self, notifications: Sequence[Notification]) -> None: ...


def send(notifications: Iterable[Notification], *, queues: Queues, now_ms: int) -> None:
    """Send the messages of those that are due now or soon."""
    for each in notifications:
        delay_ms = max(0, each.claimable_at_ms - now_ms)
        if delay_ms <= life_cycle.DELAY_MAX_MS:
            body = msgspec.json.encode({"id": each.id}).decode()
            queues[each.channel].send(body, delay_s=-(-delay_ms // 1000))


def relay(*, notifications: Notifications, queues: Queues, now_ms: int) -> int:
    """Send the messages of those to wake; returns how many."""
    relayed = 0
    for _ in range(RELAY_ROUNDS):
        found = notifications.waiting(now_ms, limit=RELAY_BATCH)
        send(found, queues=queues, now_ms=now_ms)
        notifications.woken([life_cycle.woken(each, now_ms=now_ms) for each in found])
        relayed += len(found)
        if len(found) < RELAY_BATCH:
            break
    return relayed
