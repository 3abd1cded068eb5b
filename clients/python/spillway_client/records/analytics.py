"""The records of events to count, and of what was counted."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from spillway_client.records.common import Fault


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """The reason why one event of a batch was not accepted."""

    index: int
    event_id: str | None
    code: str
    param: str | None
    errors: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The answer to events: how many will be counted, and which will not."""

    accepted: int
    rejected: tuple[Rejection, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class EventName:
    """One name of events that the tenant has used."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One period of a metric, or one group of it."""

    at: datetime
    count: int
    sum: float
    min: float | None
    max: float | None
    uniques: int | None
    partial: bool
    group: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """The points of a metric, oldest first."""

    name: str
    granularity: Literal["day", "hour", "minute"]
    points: tuple[Point, ...]
    timezone: str | None = None
    group_by: str | None = None
    group_limit_reached: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CountedEvent:
    """An event as it was counted."""

    event_id: str
    name: str
    occurred_at: datetime
    user_id: str | None
    value: float | None
    properties: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class FunnelStep:
    """The users who came to a step; `share` is of those of the first."""

    name: str
    users: int
    share: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Funnel:
    """How far users went; a `partial` one is not over."""

    steps: tuple[FunnelStep, ...]
    within_s: int
    partial: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """An event to count; its id makes one that is sent twice count once."""

    name: str
    event_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    occurred_at: datetime | None = None
    sent_at: datetime | None = None
    user_id: str | None = None
    value: float | None = None
    properties: Mapping[str, str | float | bool | None] = field(default_factory=dict)
