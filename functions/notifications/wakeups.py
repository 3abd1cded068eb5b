"""Wake-ups of notifications that wait: for `send_after`, the end of quiet hours, the next attempt.

A queue holds a message back for 15 minutes at most, so the document says when it is due and when to
see to it that a message exists. What is due soon gets its message at once, delayed, and is woken
only if that was lost; the messages of all others the relay sends.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from backend.queues import Queue, QueueUnavailable
from backend.telemetry import logger, trace_of
from notifications import life_cycle
from notifications.schema import Notification

# Where SQS does not tell its oldest message's age; and where one waits for longer than most do.
BACKLOG_MAX_S = 270.0
RELAY_BATCH = 100  # documents read at once: requests of clients wait behind one read
RELAY_ROUNDS = 50  # a run; the next one takes the rest

Queues = Mapping[str, Queue]  # by channel


class Notifications(Protocol):
    """The store of notifications; `notifications.store` says what each function guarantees."""

    def waiting(self, until_ms: int, *, limit: int) -> list[Notification]: ...

    def woken(self, notifications: Sequence[Notification]) -> None: ...


def send(
    notifications: Iterable[Notification],
    *,
    queues: Queues,
    now_ms: int,
    is_promised: bool = False,
) -> None:
    """Send the messages of those that are due now or soon."""
    for each in notifications:
        delay_ms = max(0, each.claimable_at_ms - now_ms)
        if delay_ms <= life_cycle.DELAY_MAX_MS:
            body = msgspec.json.encode({"id": each.id}).decode()
            queue, trace = queues[each.channel], trace_of(each.id, each.trace or "")
            delay_s = -(-delay_ms // 1000)
            queue.send(
                body, delay_s=delay_s, trace=trace, group=each.tenant, is_promised=is_promised
            )


def try_to_send(notifications: Iterable[Notification], *, queues: Queues, now_ms: int) -> None:
    """Send the messages as `send` does, or leave that to the relay where a queue takes none."""
    try:
        send(notifications, queues=queues, now_ms=now_ms, is_promised=True)
    except QueueUnavailable as error:
        logger.warning("left to the relay", extra={"reason": str(error)})


def relay(*, notifications: Notifications, queues: Queues, now_ms: int) -> int:
    """Send the messages of those to wake; returns how many.

    What is no older than the longest waiting message may have a message that waits, too: it is not
    sent again on top of a backlog.
    """
    until_ms = now_ms - max(_backlog_ms(queue) for queue in queues.values())
    relayed = 0
    for _ in range(RELAY_ROUNDS):
        batch = notifications.waiting(until_ms, limit=RELAY_BATCH)
        send(batch, queues=queues, now_ms=now_ms)
        notifications.woken([life_cycle.woken(each, now_ms=now_ms) for each in batch])
        relayed += len(batch)
        if len(batch) < RELAY_BATCH:
            break
    return relayed


def _backlog_ms(queue: Queue) -> int:
    """Return for how long the messages on a queue have waited, ms, bounded."""
    depth = queue.depth()
    if not depth.visible:
        return 0
    age_s = BACKLOG_MAX_S if math.isnan(depth.oldest_age_s) else depth.oldest_age_s
    return round(1000 * min(age_s, BACKLOG_MAX_S))
