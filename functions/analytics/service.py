"""What analytics does: take an event, count a batch exactly, measure. Knows no HTTP or MongoDB.

A message may arrive twice, also at two workers at once, and an event may be in several messages.
It is counted once nevertheless, because each of three facts is settled by one document:

- whose event it is: the first insert under its id wins and says which message counts it, in which
  bucket. Everybody who comes later reads that and acts by it, the winner's next delivery too.
- whether it has been added: a bucket holds the digests of the messages it contains, and adding and
  remembering is one update that does nothing where the digest is there already.
- what a message is: the digest of its content, so a message that was redriven from the dead-letter
  queue under a new id, with a new time, still is the one that owns its events.

A crash between insert and update leaves events that are owned but not added; the message was not
deleted, so its next delivery finds itself their owner and adds them.
"""

import base64
import hashlib
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from analytics.schema import (
    Bucket,
    Event,
    EventMessage,
    EventRequest,
    Metric,
    MetricQuery,
    Minute,
    Point,
    Share,
    StoredEvent,
)
from backend.clock import parse_rfc3339, rfc3339
from backend.errors import InvalidRequest
from backend.queues import Queue

MINUTE_MS = 60_000
PERIODS_MS = {"minute": MINUTE_MS, "hour": 60 * MINUTE_MS, "day": 24 * 60 * MINUTE_MS}
PAST_MAX_MS = 7 * 24 * 60 * MINUTE_MS  # a client that was offline for a week may still report
FUTURE_MAX_MS = 5 * MINUTE_MS  # a client's clock may be wrong by this much
MINUTES_MAX = 1_500  # read for one answer, so the most points it can have
# Messages received together were sent together, so a batch of them is one update of one bucket.
# Four seconds at 250 events a second are 1,000 digests, 25 KB a bucket.
SLOT_MS = 4_000


class Counts(Protocol):
    """The store of events and buckets; `analytics.store` says what each function guarantees."""

    def insert(self, events: Sequence[StoredEvent]) -> list[StoredEvent]: ...

    def add(self, shares: Mapping[Bucket, Sequence[Share]]) -> None: ...

    def minutes(self, tenant: str, name: str, *, start_ms: int, end_ms: int) -> list[Minute]: ...


def accept(request: EventRequest, *, tenant: str, queue: Queue, now_ms: int) -> None:
    """Send an event to be counted; raises InvalidRequest, QueueUnavailable."""
    message = EventMessage(tenant=tenant, events=[_event(request, now_ms=now_ms)])
    queue.send(msgspec.json.encode(message).decode())


def count(messages: Iterable[tuple[EventMessage, int]], *, counts: Counts) -> int:
    """Count the events of messages, given with when they were sent; returns how many they own."""
    events: dict[tuple[str, str], StoredEvent] = {}
    for message, sent_at_ms in messages:
        for event in _stored(message, sent_at_ms):
            events.setdefault((event.id, event.own), event)
    owned = counts.insert(list(events.values()))
    counts.add(_shares(owned))
    return len(owned)


def measure(query: MetricQuery, *, tenant: str, counts: Counts) -> Metric:
    """Return the points of a metric; raises InvalidRequest."""
    start_ms = parse_rfc3339(query.start, param="from")
    end_ms = parse_rfc3339(query.end, param="to")
    if end_ms <= start_ms:
        raise InvalidRequest("`to` must be later than `from`.", param="to")
    if end_ms - start_ms > MINUTES_MAX * MINUTE_MS:
        raise InvalidRequest(
            f"From `from` to `to` there may be {MINUTES_MAX} minutes; ask for parts.",
            code="range_too_long",
            param="to",
        )
    whole_ms = start_ms // MINUTE_MS * MINUTE_MS
    minutes = counts.minutes(tenant, query.name, start_ms=whole_ms, end_ms=end_ms)
    points = _points(minutes, PERIODS_MS[query.granularity])
    return Metric(name=query.name, granularity=query.granularity, points=points)


def _event(request: EventRequest, *, now_ms: int) -> Event:
    occurred_at_ms = now_ms
    if request.occurred_at is not None:
        occurred_at_ms = parse_rfc3339(request.occurred_at, param="occurred_at")
    if not now_ms - PAST_MAX_MS <= occurred_at_ms <= now_ms + FUTURE_MAX_MS:
        raise InvalidRequest(
            "occurred_at must be within the last 7 days and at most 5 minutes ahead.",
            code="occurred_at_out_of_range",
            param="occurred_at",
        )
    return Event(
        event_id=request.event_id or f"evt_{secrets.token_hex(16)}",
        name=request.name,
        occurred_at_ms=occurred_at_ms,
        user_id=request.user_id,
        value=request.value,
        properties=request.properties,
    )


def _stored(message: EventMessage, sent_at_ms: int) -> Iterable[StoredEvent]:
    digest = hashlib.blake2b(msgspec.json.encode(message), digest_size=12).digest()
    own = base64.urlsafe_b64encode(digest).decode()
    received_at = datetime.fromtimestamp(sent_at_ms / 1000, UTC)
    for event in message.events:
        yield StoredEvent(
            id=f"{message.tenant}:{event.event_id}",
            own=own,
            slot=sent_at_ms // SLOT_MS,
            received_at=received_at,
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
        bucket = Bucket(
            tenant=event.tenant,
            name=event.name,
            at_ms=event.occurred_at_ms // MINUTE_MS * MINUTE_MS,
            slot=event.slot,
        )
        together[bucket][event.own].append(event)
    return {
        bucket: [_share(own, of_message) for own, of_message in by_message.items()]
        for bucket, by_message in together.items()
    }


def _share(own: str, events: Sequence[StoredEvent]) -> Share:
    values = [event.value for event in events if event.value is not None]
    return Share(
        own=own,
        count=len(events),
        sum=float(sum(values)),
        low=min(values, default=None),
        high=max(values, default=None),
    )


def _points(minutes: Iterable[Minute], period_ms: int) -> list[Point]:
    periods: dict[int, list[Minute]] = defaultdict(list)
    for minute in minutes:
        periods[minute.at_ms // period_ms * period_ms].append(minute)
    return [
        Point(
            at=rfc3339(at_ms),
            count=sum(each.count for each in within),
            sum=sum(each.sum for each in within),
            min=min((each.low for each in within if each.low is not None), default=None),
            max=max((each.high for each in within if each.high is not None), default=None),
        )
        for at_ms, within in sorted(periods.items())
    ]
