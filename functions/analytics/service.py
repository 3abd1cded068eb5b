"""The counting of events, each exactly once. It knows no HTTP, MongoDB or Redis.

A message may arrive twice, also at two workers at once, and an event may be in several messages.
It is counted once nevertheless, because each of three facts is settled by one document:

- whose event it is: the first insert under its id wins and says which message counts it, in which
  bucket and groups. Everybody who comes later reads that and acts by it, the winner's next delivery
  too.
- whether it has been added: a bucket holds the digests of the messages it contains, and adding and
  remembering is one update that does nothing where the digest is there already.
- what a message is: the digest of its content, so a message that was redriven from the dead-letter
  queue under a new id, with a new time, still is the one that owns its events.

A crash between insert and update leaves events that are owned but not added; the message was not
deleted, so its next delivery finds itself their owner and adds them.

Events, and the buckets with their digests, are kept for 22 days after the event happened. An event
older than 21 days is not counted any more: nobody could tell whether it has been.
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Protocol

import msgspec

from analytics import groups
from analytics.groups import Groups
from analytics.schema import EventMessage
from analytics.tallies import (
    DAY_MS,
    MINUTE_MS,
    Bucket,
    Share,
    Span,
    StoredEvent,
    moment,
    tally_of,
    users_of,
)
from backend import arrivals
from backend.telemetry import logger

# A week late when it is sent, and then two weeks in a dead-letter queue, the longest there is.
AGE_MAX_MS = 21 * DAY_MS
# Messages received together were sent together, so a batch of them is one update of one bucket.
# Four seconds at 250 events a second are 1,000 digests, 25 KB a bucket.
SLOT_MS = 4_000
SLOTS = 16  # a minute has 15; events that come late are spread over as many buckets and no more
EVENTS_MAX = 500  # in one write: requests of clients wait behind it, some 20 ms

SentMessage = tuple[EventMessage, int]  # with when, ms since the epoch


class Counts(groups.Store, Protocol):
    """The store of events and buckets; `analytics.store` says what each function guarantees."""

    def insert(self, events: Sequence[StoredEvent]) -> list[StoredEvent]: ...

    def add(self, shares: Mapping[Bucket, Sequence[Share]]) -> None: ...

    def miss_users(self) -> None: ...


class Users(Protocol):
    """The memory of which users there were; see `analytics.uniques`."""

    def add(self, users: Mapping[Span, Set[str]]) -> bool: ...


def count(
    messages: Iterable[SentMessage], *, counts: Counts, users: Users, groups: Groups, now_ms: int
) -> int:
    """Count the events of messages, given with when they were sent; returns how many they own.

    Raises StoreUnavailable; the messages may then be given again, whatever has been stored.
    """
    counted = 0
    for together in _in_parts(messages):
        events: dict[tuple[str, str], StoredEvent] = {}
        for message, sent_at_ms in together:
            for event in _stored(message, sent_at_ms, now_ms):
                if event.occurred_at_ms < now_ms - AGE_MAX_MS:
                    event_id = event.id.removeprefix(f"{event.tenant}:")
                    logger.warning("event too old to be counted", extra={"event_id": event_id})
                    continue
                events.setdefault((event.id, event.own), event)
        counted += _count(list(events.values()), counts, users, groups)
    return counted


def _count(events: Sequence[StoredEvent], counts: Counts, users: Users, groups: Groups) -> int:
    owned = counts.insert(groups.admit(events, counts))
    users_by_span = users_of(event for event in owned if groups.has_name(event))
    if users_by_span and not users.add(users_by_span):
        counts.miss_users()
    counts.add(_shares(owned))
    return len(owned)


def _in_parts(messages: Iterable[SentMessage]) -> Iterator[list[SentMessage]]:
    """Split messages where they have so many events; one message is never split."""
    part: list[SentMessage] = []
    events = 0
    for message, sent_at_ms in messages:
        if part and events + len(message.events) > EVENTS_MAX:
            yield part
            part, events = [], 0
        part.append((message, sent_at_ms))
        events += len(message.events)
    if part:
        yield part


def _stored(message: EventMessage, sent_at_ms: int, now_ms: int) -> Iterator[StoredEvent]:
    digest = hashlib.blake2b(msgspec.json.encode(message), digest_size=12).digest()
    own = base64.urlsafe_b64encode(digest).decode()
    for event in message.events:
        yield StoredEvent(
            id=arrivals.event_id(message.tenant, event.event_id),
            own=own,
            slot=sent_at_ms // SLOT_MS % SLOTS,
            at=moment(event.occurred_at_ms // MINUTE_MS * MINUTE_MS),
            stored_at_ms=now_ms,
            tenant=message.tenant,
            name=event.name,
            occurred_at_ms=event.occurred_at_ms,
            user_id=event.user_id,
            value=event.value,
            properties=event.properties,
        )


def _shares(events: Iterable[StoredEvent]) -> dict[Bucket, list[Share]]:
    together: dict[Bucket, dict[str, list[StoredEvent]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        together[bucket_of(event)][event.own].append(event)
    return {
        bucket: [Share(own=own, tally=tally_of(each)) for own, each in by_message.items()]
        for bucket, by_message in together.items()
    }


def bucket_of(event: StoredEvent) -> Bucket:
    """Return the bucket that an event is counted in."""
    return Bucket(
        tenant=event.tenant,
        name=event.name,
        at_ms=event.occurred_at_ms // MINUTE_MS * MINUTE_MS,
        slot=event.slot,
    )
