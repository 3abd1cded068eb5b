"""Test clocks of notifications: who is tied to one waits in its document until it is moved there.

The relay takes what is due by a clock's new time one after the other: the next is due only when
those before it are sent, or wait for a later time. So retries of three days keep their order.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from backend import test_clock_store
from backend.test_clocks import TestClock
from notifications import life_cycle, wakeups
from notifications.schema import Notification
from notifications.wakeups import Queues

BATCH = 100  # released at once: they are due at the same time
RUN_S = 4.0  # for all clocks, of thirty that the relay has; the next run goes on
LOOK_S = 0.05  # until what is in hand is looked for again


class Notifications(Protocol):
    """The store of notifications; `notifications.store` says what each function guarantees."""

    def first_due(self, clock_id: str, until_ms: int, *, limit: int) -> list[Notification]: ...

    def replace(self, before: Notification, after: Notification) -> bool: ...


def left_behind(changed: Sequence[Notification]) -> None:
    """Have the relay look at the clocks of those that wait: their time may have come already."""
    waiting = {each.test_clock for each in changed if each.status == "queued" and each.test_clock}
    for clock_id in waiting:
        test_clock_store.left_behind(clock_id, "notifications")


def move_all(*, notifications: Notifications, queues: Queues, now_ms: Callable[[], int]) -> None:
    """Have sent what is due by the clocks that were moved, within RUN_S."""
    until_s = time.monotonic() + RUN_S
    clocks = test_clock_store.behind("notifications")
    while clocks and time.monotonic() < until_s:
        clocks = [
            each for each in clocks if not _is_moved(each, notifications, queues, now_ms=now_ms())
        ]
        if clocks:
            time.sleep(LOOK_S)


def _is_moved(
    clock: TestClock, notifications: Notifications, queues: Queues, *, now_ms: int
) -> bool:
    """Release the first that are due; returns whether nothing is due any more."""
    due = notifications.first_due(clock.id, clock.frozen_ms, limit=BATCH)
    if not due:
        test_clock_store.caught_up(clock, "notifications")
        return True
    first_ms = due[0].clock_due_ms
    waiting = [each for each in due if each.clock_due_ms == first_ms and _is_waiting(each)]
    stored = [
        after
        for before in waiting
        if notifications.replace(before, after := _released(before, now_ms=now_ms))
    ]
    wakeups.try_to_send(stored, queues=queues, now_ms=now_ms)
    return False


def _is_waiting(notification: Notification) -> bool:
    is_claimable = notification.claimable_at_ms < life_cycle.NEVER_MS
    return notification.status == "queued" and not is_claimable


def _released(notification: Notification, *, now_ms: int) -> Notification:
    at_its_time = msgspec.structs.replace(notification, clock_ms=notification.clock_due_ms)
    return life_cycle.until(at_its_time, now_ms, now_ms=now_ms)
