"""Counts and sums of events, and the documents that hold them: raw events, buckets, periods.

A bucket is what one worker adds to; a period holds the tallies of its parts: an hour those of its
minutes, a day those of its hours.
"""

import functools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from msgspec import Struct, field

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
MINUTES_KEPT_MS = 30 * DAY_MS  # as parts of their hour

Span = tuple[str, str, int, int]  # an hour or day of a tenant's name: its start and length, ms


class Sums(Struct, frozen=True, kw_only=True):
    """The number and values of some events; `low` and `high` are None where none has a value."""

    count: int
    sum: float = 0.0
    low: float | None = None
    high: float | None = None


class Tally(Sums, frozen=True, kw_only=True, omit_defaults=True):
    """The sums of some events, and of each group of them: by property, by the value's label."""

    by: dict[str, dict[str, Sums]] = {}


class StoredEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event as it is kept: what tells a second one with its id that it has been taken."""

    id: str = field(name="_id")
    own: str  # digest of the message that brought it first, and alone counts it
    slot: int  # which of the buckets of its minute it counts in
    at: datetime  # start of its minute; its life in the store begins here
    stored_at_ms: int  # from then on it waits for being added to its bucket
    tenant: str
    name: str
    occurred_at_ms: int
    user_id: str | None = None
    value: float | None = None
    properties: dict[str, str | int | float | bool | None] = {}
    by: dict[str, str] = {}  # the group it counts in, by property


class Bucket(Struct, frozen=True, kw_only=True):
    """The events of a name in a minute that were sent in one slot; they are counted together."""

    tenant: str
    name: str
    at_ms: int  # start of the minute
    slot: int

    @property
    def id(self) -> str:
        return f"{self.tenant}:{self.name}:{self.at_ms}:{self.slot}"


class Share(Struct, frozen=True, kw_only=True):
    """The addition of one message to one bucket."""

    own: str
    tally: Tally


class Part(Struct, frozen=True, kw_only=True):
    """A document whose tally belongs into a period: a bucket into an hour, an hour into a day.

    It has changed since it was read if its version has.
    """

    id: str
    tenant: str
    name: str
    at_ms: int
    version: int
    tally: Tally


class Period(Struct, frozen=True, kw_only=True):
    """An hour or a day of a name: the tallies of its parts by their number, from 0."""

    tenant: str
    name: str
    at_ms: int  # its start
    version: int
    parts: dict[str, Tally]

    @property
    def id(self) -> str:
        return period_id(self.tenant, self.name, self.at_ms)


class Tier(Struct, frozen=True, kw_only=True):
    """A kind of period."""

    name: str  # of the collection
    length_ms: int
    part_ms: int

    def start(self, at_ms: int) -> int:
        """Return the start of the period that holds this moment."""
        return at_ms // self.length_ms * self.length_ms

    def number(self, at_ms: int) -> str:
        """Return the number of the part that begins then, within its period."""
        return str(at_ms % self.length_ms // self.part_ms)

    def moments(self, period: Period) -> dict[int, Tally]:
        """Return the parts of a period by when they begin."""
        return {period.at_ms + int(n) * self.part_ms: each for n, each in period.parts.items()}


HOURS = Tier(name="analytics_hours", length_ms=HOUR_MS, part_ms=MINUTE_MS)
DAYS = Tier(name="analytics_days", length_ms=DAY_MS, part_ms=HOUR_MS)


def period_id(tenant: str, name: str, at_ms: int) -> str:
    return f"{tenant}:{name}:{at_ms}"


@functools.lru_cache(maxsize=1_024)  # the events of a minute have one
def moment(at_ms: int) -> datetime:
    """Return a time as the store keeps it where it has to compare or to expire."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def users_of(events: Iterable[StoredEvent]) -> dict[Span, set[str]]:
    """Return the users of some events by hour and by day."""
    users_by_span: dict[Span, set[str]] = defaultdict(set)
    for event in events:
        if event.user_id is not None:
            hour_ms = event.occurred_at_ms // HOUR_MS * HOUR_MS
            users_by_span[event.tenant, event.name, hour_ms, HOUR_MS].add(event.user_id)
    for (tenant, name, hour_ms, _), users in list(users_by_span.items()):
        users_by_span[tenant, name, hour_ms // DAY_MS * DAY_MS, DAY_MS] |= users
    return users_by_span


def tally_of(events: Iterable[StoredEvent]) -> Tally:
    """Return the tally of some events."""
    return total(map(_alone, events))


def total(tallies: Iterable[Tally]) -> Tally:
    """Return the tally of all events of these tallies, which have none in common."""
    tallies = list(tallies)
    if len(tallies) == 1:  # the most frequent by far
        return tallies[0]
    groups: dict[str, dict[str, list[Sums]]] = defaultdict(lambda: defaultdict(list))
    for tally in tallies:
        for name, labels in tally.by.items():
            for label, sums in labels.items():
                groups[name][label].append(sums)
    whole = _together(tallies)
    return Tally(
        count=whole.count,
        sum=whole.sum,
        low=whole.low,
        high=whole.high,
        by={
            name: {label: _together(each) for label, each in labels.items()}
            for name, labels in groups.items()
        },
    )


def _alone(event: StoredEvent) -> Tally:
    value = event.value
    sums = Sums(count=1, sum=value or 0.0, low=value, high=value)
    by = {name: {label: sums} for name, label in event.by.items()}
    return Tally(count=1, sum=sums.sum, low=value, high=value, by=by)


def _together(parts: Sequence[Sums]) -> Sums:
    return Sums(
        count=sum(each.count for each in parts),
        sum=sum((each.sum for each in parts), start=0.0),
        low=min((each.low for each in parts if each.low is not None), default=None),
        high=max((each.high for each in parts if each.high is not None), default=None),
    )
