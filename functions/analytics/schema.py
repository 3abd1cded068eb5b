"""What crosses the boundary of analytics: events as they come, are queued and kept, and metrics."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from backend.shapes import END

EventName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_.]{0,63}" + END)]
# Without a colon, which separates the tenant from the event id in the store.
EventId = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}" + END)]
PropertyName = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}" + END)]
PropertyText = Annotated[str, Meta(max_length=500)]
Moment = Annotated[str, Meta(max_length=40, extra_json_schema={"format": "date-time"})]
# Doubles hold every integer up to 2**53, so a sum of a thousand such values is still exact.
Value = Annotated[float, Meta(ge=-1e12, le=1e12)]
Granularity = Literal["minute", "hour", "day"]


class EventRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/analytics/events."""

    name: EventName
    event_id: EventId | None = None  # the client's own, so that it may send an event again
    occurred_at: Moment | None = None
    user_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    value: Value | None = None
    properties: Annotated[
        dict[PropertyName, PropertyText | int | float | bool | None], Meta(max_length=32)
    ] = {}


class Rejection(Struct, frozen=True, kw_only=True):
    """Why one event of several was not taken."""

    index: int
    event_id: str | None
    code: str
    param: str | None


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


class StoredEvent(Struct, frozen=True, kw_only=True):
    """An event as it is kept: what tells a second one with its id that it has been taken."""

    id: str = field(name="_id")
    own: str  # digest of the message that brought it first, and alone counts it
    slot: int  # which of the buckets of its minute it counts in
    received_at: datetime  # its life in the store begins here
    tenant: str
    name: str
    occurred_at_ms: int
    user_id: str | None
    value: float | None
    properties: dict[str, str | int | float | bool | None]


class Bucket(Struct, frozen=True, kw_only=True):
    """What is counted together: the events of a name in a minute that were sent in one slot."""

    tenant: str
    name: str
    at_ms: int  # start of the minute
    slot: int

    @property
    def id(self) -> str:
        return f"{self.tenant}:{self.name}:{self.at_ms}:{self.slot}"


class Share(Struct, frozen=True, kw_only=True):
    """What one message adds to one bucket; `low` and `high` are None where no event has a value."""

    own: str
    count: int
    sum: float
    low: float | None
    high: float | None


class MetricQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/analytics/metrics; `to` is excluded."""

    name: EventName
    start: Moment = field(name="from")
    end: Moment = field(name="to")
    granularity: Granularity = "minute"


class Minute(Struct, frozen=True, kw_only=True):
    """The sums of one minute, as the store adds them up."""

    at_ms: int = field(name="_id")
    count: int
    sum: float
    low: float | None
    high: float | None


class Point(Struct, frozen=True, kw_only=True):
    """One point of a metric; a period without events has none."""

    at: str
    count: int
    sum: float
    min: float | None
    max: float | None
    uniques: int | None = None  # users are not counted yet


class Metric(Struct, frozen=True, kw_only=True):
    """The answer of GET /v1/analytics/metrics, points oldest first."""

    name: str
    granularity: Granularity
    points: list[Point]
