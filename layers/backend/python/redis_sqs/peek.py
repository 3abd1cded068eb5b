"""The messages of a Redis queue as they are, for people who look at it: nothing is received."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import redis

from redis_sqs import Attributes, entries
from redis_sqs.disorder import COPY
from redis_sqs.errors import QueueUnavailable
from redis_sqs.kinds import PEEK, PEEK_KEYS, keys
from redis_sqs.redis_scripts import ScriptServer

PEEKED_AT_ONCE = 500  # messages in one script: about a millisecond in which nobody is served
PEEKED_MAX = 100_000
FIELDS = 5  # of each message that the script returns
State = Literal["visible", "delayed", "in flight", "retrying"]
HIDDEN: dict[str, State] = {"delayed": "delayed", "retrying": "retrying"}
REASON = "DeadLetterReason"  # the system attribute that receive.lua gives a dead letter


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMessage:
    """One message on a queue."""

    message_id: str
    body: str
    state: State
    visible_at_ms: int  # epoch; in the past where it is visible
    receive_count: int  # 0 before the first receive
    sent_at_ms: int  # epoch
    first_received_at_ms: int  # epoch; 0 before the first receive
    reason: str  # of its last failure, "" where none is known
    attributes: Attributes
    moved_from: str  # its id in the dead-letter queue that it was moved from, or ""


def peek(queue: str, *, redis_url: str) -> Iterator[WaitingMessage]:
    """Yield every message of a queue, at most PEEKED_MAX; raises QueueUnavailable.

    They come in the order in which they become visible. One that moves in it meanwhile may be
    missed or come twice.
    """
    server = ScriptServer(redis_url)
    names = keys(queue, PEEK_KEYS)
    for start in range(0, PEEKED_MAX, PEEKED_AT_ONCE):
        try:
            now_ms, *flat = server.run(PEEK, names, [start, PEEKED_AT_ONCE])
        except redis.RedisError as error:
            raise QueueUnavailable(f"Queue {queue} does not answer; retry.") from error
        for at in range(0, len(flat), FIELDS):
            yield _waiting(now_ms, *flat[at : at + FIELDS])
        if len(flat) < FIELDS * PEEKED_AT_ONCE:
            return


def _waiting(
    now_ms: int, message_id: str, visible_at_ms: str, entry: str, progress: str, waits: str
) -> WaitingMessage:
    about, _, body = entry.partition("\n")
    attributes, system = entries.decode(about) if about else ({}, {})
    count, sent_ms, first_ms, reason = progress.split("|", 3)
    visible_ms = int(float(visible_at_ms))
    return WaitingMessage(
        message_id=message_id.removesuffix(COPY),
        body=body,
        state=HIDDEN.get(waits, "in flight") if visible_ms > now_ms else "visible",
        visible_at_ms=visible_ms,
        receive_count=int(count),
        sent_at_ms=int(sent_ms),
        first_received_at_ms=int(first_ms),
        reason=system.get(REASON, reason),
        attributes=attributes,
        moved_from=system.get(entries.MOVED_FROM, "").removesuffix(COPY),
    )
