"""One span, by OpenTelemetry's semantic conventions, as all of this room hands it on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["internal", "server", "client", "producer", "consumer"]
KINDS: tuple[Kind, ...] = ("internal", "server", "client", "producer", "consumer")  # OTLP's order
SLOW = "spillway.slow"  # the attribute of a span that was slow for its route
SLOW_S = 1.0  # a request or invocation that takes longer is slow on any route


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened within a span."""

    name: str
    at_ns: int  # epoch
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Another span that this one has to do with, perhaps of another trace."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One piece of work; attributes hold what JSON can."""

    trace_id: str
    span_id: str
    parent_id: str = ""  # empty for the first of a trace
    name: str
    service: str  # function, gateway, queue or worker
    kind: Kind = "internal"
    start_ns: int  # epoch
    end_ns: int  # epoch
    is_error: bool = False
    message: str = ""  # of the error
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    resource: Mapping[str, Any] = field(default_factory=dict)  # besides the service's name
    scope: str = ""  # the instrumentation that made it
