"""The shapes at the boundary of analytics: events as they come and are queued, and metrics."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from analytics.periods import Granularity
from backend.errors import Fault, InvalidRequest
from backend.pages import PageQuery
from backend.shapes import END, Moment

RESERVED = "payment."  # what payments report: few names, which clients cannot use


def _check_name(name: str, param: str) -> None:
    if name.startswith(RESERVED):
        raise InvalidRequest(
            f"Names that begin with {RESERVED} are those of payments' own events.",
            code="reserved_name",
            param=param,
        )


BATCH_MAX = 500  # events; 256 KiB hold as many of half a KiB

_NAME = "1 to 64 of a-z, 0-9, _ and the point, with a letter first"
EventName = Annotated[
    str,
    Meta(pattern="^[a-z][a-z0-9_.]{0,63}" + END, extra={"expected": _NAME, "check": _check_name}),
]
# A name that is asked for may be that of all events whose names were too many.
SeriesName = Annotated[
    str,
    Meta(
        pattern=r"^([a-z][a-z0-9_.]{0,63}|\(other\))" + END,
        extra={"expected": f"{_NAME}, or (other)"},
    ),
]
# Without a colon, which separates the tenant from the event id in the store.
EventId = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z0-9_.-]{1,64}" + END,
        extra={"expected": "1 to 64 letters, digits, _, - and points"},
    ),
]
PropertyName = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z0-9_-]{1,64}" + END, extra={"expected": "1 to 64 letters, digits, _ and -"}
    ),
]
PropertyText = Annotated[str, Meta(max_length=500)]
PropertyValue = PropertyText | int | float | bool | None
# Doubles hold every integer up to 2**53, so a sum of a thousand such values is still exact.
Value = Annotated[float, Meta(ge=-1e12, le=1e12)]


class EventRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/analytics/events, and one event of a batch.

    `sent_at` is the client's clock when it sends: what it differs from ours is taken off
    `occurred_at`.
    """

    name: EventName
    event_id: EventId | None = None  # the client's own, so that it may send an event again
    occurred_at: Moment | None = None
    sent_at: Moment | None = None
    user_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    value: Value | None = None
    properties: Annotated[dict[PropertyName, PropertyValue], Meta(max_length=32)] = {}


class BatchBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch as it is read: each event is checked by itself, so that one may be wrong."""

    events: Annotated[list[Any], Meta(min_length=1, max_length=BATCH_MAX)]
    sent_at: Moment | None = None


class BatchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/analytics/events/batch; `sent_at` is for events without their own."""

    events: Annotated[list[EventRequest], Meta(min_length=1, max_length=BATCH_MAX)]
    sent_at: Moment | None = None


class Rejection(Struct, frozen=True, kw_only=True):
    """The reason why one of several events was not taken; `errors` has all, if there are more."""

    index: int
    event_id: str | None
    code: str
    param: str | None
    errors: list[Fault] | UnsetType = UNSET


class Accepted(Struct, frozen=True, kw_only=True):
    """The answer to events: how many will be counted, and which will not."""

    accepted: int
    rejected: list[Rejection] = []


class Event(Struct, frozen=True, kw_only=True):
    """One event on its way to be counted; other domains send these too."""

    event_id: str
    name: str
    occurred_at_ms: int
    user_id: str | None = None
    value: float | None = None
    properties: dict[str, str | int | float | bool | None] = {}


class EventMessage(Struct, frozen=True, kw_only=True):
    """The message that asks a worker to count events."""

    tenant: str
    events: list[Event]


class MetricQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/analytics/metrics; `to` is excluded.

    Hours and days are those of `timezone` (an IANA name; UTC), and `from` and `to` are starts of
    such: others are refused with the nearest. Minutes are widened to whole ones. `where` is a JSON
    object: only events that have all these properties are counted, exactly, of the last 21 days.
    """

    name: SeriesName
    start: Moment = field(name="from")
    end: Moment = field(name="to")
    granularity: Granularity = "minute"
    timezone: Annotated[str, Meta(max_length=64)] | None = None
    group_by: PropertyName | None = None
    where: Annotated[str, Meta(max_length=2_000)] | None = None


class Point(Struct, frozen=True, kw_only=True):
    """One point of a metric; a period, or a group of it, without events has none.

    `uniques` is None by minute, by group, by hours and days that are not UTC's, for hours older
    than two days and days older than three weeks, and while users are counted anew; with `where` it
    is exact by every period. A `partial`
    period is not over, or its last events may still be on their way, or only a part of the minute
    was asked for. `min` and `max` of the group `(none)` are None where another group has the same.
    """

    at: str
    count: int
    sum: float
    min: float | None
    max: float | None
    uniques: int | None
    partial: bool
    group: str | UnsetType = UNSET


class Metric(Struct, frozen=True, kw_only=True):
    """The answer of GET /v1/analytics/metrics, points oldest first.

    Where `group_limit_reached`, values beyond the limit are together in the group `(other)`. Events
    without the property are in the group `(none)`, so that groups add up.
    """

    name: str
    granularity: Granularity
    timezone: str | UnsetType = UNSET
    points: list[Point]
    group_by: str | UnsetType = UNSET
    group_limit_reached: bool | UnsetType = UNSET


class NamesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/analytics/names."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    starting_after: SeriesName | None = None


class Named(Struct, frozen=True, kw_only=True):
    """One event name that a tenant has used."""

    name: str


class NamePage(Struct, frozen=True, kw_only=True):
    """One page of names, in alphabetical order."""

    data: list[Named]
    has_more: bool


class EventsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/analytics/events; `to` is excluded."""

    name: SeriesName
    start: Moment = field(name="from")
    end: Moment = field(name="to")


class CountedEvent(Struct, frozen=True, kw_only=True):
    """An event as it was counted."""

    event_id: str
    name: str
    occurred_at: str
    user_id: str | None
    value: float | None
    properties: dict[str, str | int | float | bool | None]


class EventPage(Struct, frozen=True, kw_only=True):
    """One page of events: the newest minute first, in it by the ids, backwards."""

    data: list[CountedEvent]
    has_more: bool


class FunnelQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/analytics/funnel; `to` is excluded.

    `steps` are 2 to 8 names of events with commas between. The first happens from `from` to `to`,
    the last at most `within_s` seconds after it.
    """

    steps: Annotated[
        str,
        Meta(
            pattern=r"^[a-z][a-z0-9_.]{0,63}( ?, ?[a-z][a-z0-9_.]{0,63}){1,7}" + END,
            extra={"expected": "2 to 8 names of events with commas between"},
        ),
    ]
    start: Moment = field(name="from")
    end: Moment = field(name="to")
    within_s: Annotated[int, Meta(ge=1, le=21 * 24 * 3600)] = 24 * 3600


class FunnelStep(Struct, frozen=True, kw_only=True):
    """The users who came to a step; `share` is of those of the first, None where there are none."""

    name: str
    users: int
    share: float | None


class Funnel(Struct, frozen=True, kw_only=True):
    """The answer of GET /v1/analytics/funnel.

    Events without a user are in none. A `partial` one is not over: users may still come further.
    """

    steps: list[FunnelStep]
    within_s: int
    partial: bool
