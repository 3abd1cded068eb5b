"""Spans of strangers, cut to a size that can be kept, or refused with the reason.

Both decoders of OTLP give what they read to `span_of`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from local.traces.span import KINDS, Event, Link, Span

NAME_MAX_CHARS = 256  # of spans, events, services and attributes
TEXT_MAX_CHARS = 4_096  # of a value
ATTRIBUTES_MAX = 128  # OpenTelemetry's own default
EVENTS_MAX = 64
LINKS_MAX = 128
ITEMS_MAX = 64  # of an array or map in a value
DEPTH_MAX = 4  # of arrays and maps in each other
FUTURE_MAX_NS = 3_600 * 10**9  # a clock that is an hour ahead is wrong
PAST_MAX_NS = 86_400 * 10**9  # of yesterday's work nobody looks for the reason here
ERROR_STATUS = 2
CUT = "spillway.more_attributes_were_sent"
NO_SERVICE = "unknown_service"  # OpenTelemetry's name for it

Pairs = Iterable[tuple[str, Any]]


class Refused(ValueError):
    """A span that is not kept; the message completes "a span that"."""


@dataclass(frozen=True, slots=True)
class Resource:
    """The program that spans come from."""

    service: str = NO_SERVICE
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class RawSpan:
    """A span as a decoder has read it, before any check."""

    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    name: str = ""
    kind: int = 0
    start_ns: int = 0
    end_ns: int = 0
    status: int = 0
    message: str = ""
    attributes: Pairs = ()
    events: Iterable[tuple[str, int, Pairs]] = ()
    links: Iterable[tuple[str, str]] = ()
    fault: str = ""  # why it is refused, where the decoder knows


def span_of(raw: RawSpan, resource: Resource, scope: str, now_ns: int) -> Span:
    """Return the span that is kept. Raises Refused."""
    if raw.fault:
        raise Refused(raw.fault)
    if not _is_id(raw.trace_id, 32) or not _is_id(raw.span_id, 16):
        raise Refused("has no trace id of 16 bytes and span id of 8")
    if raw.parent_id and not _is_id(raw.parent_id, 16):
        raise Refused("names a parent that is no span id")
    if raw.end_ns < raw.start_ns:
        raise Refused("ends before it begins")
    if raw.end_ns > now_ns + FUTURE_MAX_NS:
        raise Refused("ends in the future")
    if raw.start_ns < now_ns - PAST_MAX_NS:
        raise Refused("began more than a day ago")
    return Span(
        trace_id=raw.trace_id,
        span_id=raw.span_id,
        parent_id=raw.parent_id,
        name=raw.name[:NAME_MAX_CHARS],
        service=resource.service,
        kind=KINDS[raw.kind - 1] if 1 <= raw.kind <= len(KINDS) else "internal",
        start_ns=raw.start_ns,
        end_ns=raw.end_ns,
        is_error=raw.status == ERROR_STATUS,
        message=raw.message[:TEXT_MAX_CHARS],
        attributes=attributes_of(raw.attributes),
        events=tuple(_events(raw.events)),
        links=tuple(_links(raw.links)),
        resource=resource.attributes,
        scope=scope[:NAME_MAX_CHARS],
    )


def resource_of(pairs: Pairs) -> Resource:
    """Return the program that a resource's attributes describe."""
    attributes = attributes_of(pairs)
    service = attributes.pop("service.name", NO_SERVICE)
    return Resource(str(service)[:NAME_MAX_CHARS] or NO_SERVICE, attributes)


def attributes_of(pairs: Pairs) -> dict[str, Any]:
    """Return the first ATTRIBUTES_MAX attributes, and whether there were more."""
    rest = iter(pairs)
    some = islice(rest, ATTRIBUTES_MAX)
    attributes = {name[:NAME_MAX_CHARS]: shortened(value) for name, value in some}
    if next(rest, None) is not None:
        attributes[CUT] = True
    return attributes


def shortened(value: Any, depth: int = 0) -> Any:
    """Return a value of an attribute as JSON can hold it."""
    if isinstance(value, str):
        return value if len(value) <= TEXT_MAX_CHARS else f"{value[: TEXT_MAX_CHARS - 1]}…"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list | dict) and depth >= DEPTH_MAX:
        return "…"
    if isinstance(value, list):
        return [shortened(each, depth + 1) for each in value[:ITEMS_MAX]]
    if isinstance(value, dict):
        some = islice(value.items(), ITEMS_MAX)
        return {name[:NAME_MAX_CHARS]: shortened(each, depth + 1) for name, each in some}
    return value


def by_resource(spans: Iterable[Span]) -> list[tuple[Resource, dict[str, list[Span]]]]:
    """Return spans by the programs that they come from, and there by their scopes."""
    groups: dict[tuple[str, str], tuple[Resource, dict[str, list[Span]]]] = {}
    for span in spans:
        key = (span.service, repr(span.resource))
        if key not in groups:
            attributes = {"service.name": span.service, **span.resource}
            groups[key] = (Resource(span.service, attributes), {})
        groups[key][1].setdefault(span.scope, []).append(span)
    return [*groups.values()]


def _events(events: Iterable[tuple[str, int, Pairs]]) -> Iterator[Event]:
    for name, at_ns, pairs in islice(events, EVENTS_MAX):
        attributes = attributes_of(pairs)
        yield Event(name=name[:NAME_MAX_CHARS], at_ns=at_ns, attributes=attributes)


def _links(links: Iterable[tuple[str, str]]) -> Iterator[Link]:
    for trace_id, span_id in islice(links, LINKS_MAX):
        if _is_id(trace_id, 32) and _is_id(span_id, 16):
            yield Link(trace_id=trace_id, span_id=span_id)


def _is_id(text: str, length: int) -> bool:
    """Return whether it is so many hexadecimal digits in lower case, and not only zeros."""
    return (
        len(text) == length
        and text.isascii()
        and not text.strip("0123456789abcdef")
        and bool(text.strip("0"))
    )
