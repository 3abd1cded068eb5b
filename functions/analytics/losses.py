"""The messages of events that an emptied Redis lost: nobody has them, so they can only be counted.

Events that clients sent stand in no document before they are counted. So a schedule looks how many
messages the queue holds; where Redis is found empty, as many as it held then are lost. What came
and was counted since does not change that number, so it is an upper bound but for what came since.
"""

from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from analytics.tallies import DAY_MS
from backend.queues import Depth

TOLD_FOR_MS = 21 * DAY_MS  # as long as events are counted again


class WatchedQueue(Struct, frozen=True, kw_only=True):
    """The queue as it was when it was last looked at, and what was lost of it until then."""

    filled: str = ""  # Redis's word: another one means that it was emptied
    messages: int = 0
    lost: int = 0
    lost_at_ms: int = 0


class Counts(Protocol):
    """The store of events and buckets; `analytics.store` says what each function guarantees."""

    def watched(self) -> WatchedQueue: ...

    def set_watched(self, watched: WatchedQueue) -> None: ...


class Redis(Protocol):
    """The port that tells whether Redis was emptied; see `analytics.uniques`."""

    def filled(self) -> str: ...


class Queue(Protocol):
    """The part of backend.queues.Queue that is needed."""

    def depth(self) -> Depth: ...


def watch(*, counts: Counts, redis: Redis, queue: Queue, now_ms: int) -> int:
    """Look at the queue; returns how many messages were lost since the last look."""
    before, filled, depth = counts.watched(), redis.filled(), queue.depth()
    lost = before.messages if before.filled not in ("", filled) else 0
    after = replace(before, filled=filled, messages=depth.visible + depth.delayed + depth.in_flight)
    if lost:
        after = replace(after, lost=messages_lost(before, now_ms=now_ms) + lost, lost_at_ms=now_ms)
    if after != before:
        counts.set_watched(after)
    return lost


def messages_lost(watched: WatchedQueue, *, now_ms: int) -> int:
    """Return how many messages were lost, as long as that is told."""
    return watched.lost if watched.lost_at_ms >= now_ms - TOLD_FOR_MS else 0
