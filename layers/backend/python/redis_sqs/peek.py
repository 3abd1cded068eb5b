"""The messages of a Redis queue as they are, for people who look at it: nothing is received."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import redis

from redis_sqs import Attributes, entries
from redis_sqs.carrier import PEEKED_AT_ONCE
from redis_sqs.disorder import COPY
from redis_sqs.errors import QueueUnavailable
from redis_sqs.kinds import PEEK, PEEK_KEYS, keys
from redis_sqs.redis_scripts import ScriptServer, server_at

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
    system: Mapping[str, str]  # MessageGroupId, AWSTraceHeader, ...
    moved_from: str  # its id in the dead-letter queue that it was moved from, or ""


def peek(
    queue: str, *, redis_url: str, first: int = 0, at_once: int = PEEKED_AT_ONCE
) -> Iterator[WaitingMessage]:
    """Yield every message of a queue from the `first`, up to PEEKED_MAX; raises QueueUnavailable.

    They come in the order in which they become visible. One that moves in it meanwhile may be
    missed or come twice.
    """
    server = server_at(redis_url)
    for start in range(first, PEEKED_MAX, at_once):
        messages = _look(server, queue, [start, at_once])
        yield from messages
        if len(messages) < at_once:
            return


def peek_one(queue: str, message_id: str, *, redis_url: str) -> WaitingMessage | None:
    """Return the message with this id, if it is on the queue; raises QueueUnavailable."""
    messages = _look(server_at(redis_url), queue, [0, 1, message_id])
    return messages[0] if messages else None


def _look(server: ScriptServer, queue: str, arguments: Sequence[str | int]) -> list[WaitingMessage]:
    try:
        now_ms, *flat = server.run(PEEK, keys(queue, PEEK_KEYS), arguments)
    except redis.RedisError as error:
        raise QueueUnavailable(f"Queue {queue} does not answer; retry.") from error
    return [_waiting(now_ms, *flat[at : at + FIELDS]) for at in range(0, len(flat), FIELDS)]


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
        system=system,
        moved_from=system.get(entries.MOVED_FROM, "").removesuffix(COPY),
    )
