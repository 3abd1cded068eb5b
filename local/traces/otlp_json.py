"""OTLP as JSON: ids in hexadecimal digits, whole numbers of 64 bits as text, camel case."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import orjson

from local.traces.limited import (
    DEPTH_MAX,
    ERROR_STATUS,
    ITEMS_MAX,
    Pairs,
    RawSpan,
    Resource,
    by_resource,
    resource_of,
)
from local.traces.span import KINDS, Span
from local.traces.wire import Malformed

CONTENT_TYPE = "application/json"
KIND_NAMES = [f"SPAN_KIND_{kind.upper()}" for kind in KINDS]
STATUS_NAMES = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")
DIGITS_MAX = 20  # of a number of 64 bits

Decoded = tuple[RawSpan | None, Resource, str]
Json = dict[str, Any]


def decode(body: bytes) -> Iterator[Decoded]:
    """Yield each span with its resource and scope, and None for each scope.

    Raises Malformed where the body is no such JSON.
    """
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"no JSON: {error}") from error
    for each in _list(_object(request), "resourceSpans"):
        attributes = _object(each.get("resource") or {})
        resource = resource_of(_pairs(attributes))
        for scoped in _list(each, "scopeSpans"):
            scope = _text(_object(scoped.get("scope") or {}), "name")
            yield None, resource, scope
            for span in _list(scoped, "spans"):
                yield _span(span), resource, scope


def answer(rejected: int, sentence: str) -> bytes:
    """Return an ExportTraceServiceResponse."""
    partial = {"rejectedSpans": str(rejected), "errorMessage": sentence} if sentence else {}
    return orjson.dumps({"partialSuccess": partial})


def error(code: int, sentence: str) -> bytes:
    """Return a google.rpc.Status."""
    return orjson.dumps({"code": code, "message": sentence})


def encode(spans: Iterable[Span]) -> bytes:
    """Return an ExportTraceServiceRequest."""
    written = [_written_resource(*each) for each in by_resource(spans)]
    return orjson.dumps({"resourceSpans": written})


def _span(span: Json) -> RawSpan:
    status = _object(span.get("status") or {})
    return RawSpan(
        trace_id=_text(span, "traceId").lower(),
        span_id=_text(span, "spanId").lower(),
        parent_id=_text(span, "parentSpanId").lower(),
        name=_text(span, "name"),
        kind=_enumerated(span.get("kind"), ("", *KIND_NAMES)),
        start_ns=_number(span.get("startTimeUnixNano")),
        end_ns=_number(span.get("endTimeUnixNano")),
        status=_enumerated(status.get("code"), STATUS_NAMES),
        message=_text(status, "message"),
        attributes=_pairs(span),
        events=(
            (_text(event, "name"), _number(event.get("timeUnixNano")), _pairs(event))
            for event in _list(span, "events")
        ),
        links=(
            (_text(link, "traceId").lower(), _text(link, "spanId").lower())
            for link in _list(span, "links")
        ),
    )


def _pairs(parent: Json, name: str = "attributes", depth: int = 0) -> Pairs:
    for each in _list(parent, name):
        yield _text(each, "key"), _value(_object(each.get("value") or {}), depth)


def _value(value: Json, depth: int) -> Any:
    """Return what an AnyValue holds."""
    for name, inner in value.items():
        match name:
            case "intValue":
                return _number(inner)
            case "doubleValue":
                return _double(inner)
            case "stringValue" | "boolValue" | "bytesValue":
                return inner if isinstance(inner, str | bool) else str(inner)
            case "arrayValue" | "kvlistValue":
                return _collection(name, _object(inner), depth + 1)
    return None


def _collection(name: str, inner: Json, depth: int) -> Any:
    if depth > DEPTH_MAX:
        return "…"
    if name == "kvlistValue":
        return dict(islice(_pairs(inner, "values", depth), ITEMS_MAX))
    return [_value(each, depth) for each in islice(_list(inner, "values"), ITEMS_MAX)]


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise Malformed(f"a {type(value).__name__} where an object belongs")
    return value


def _list(parent: Json, name: str) -> Iterator[Json]:
    """Yield the objects of a member, which may be absent."""
    value = parent.get(name)
    if value is None:
        return
    if not isinstance(value, list):
        raise Malformed(f"{name} is a {type(value).__name__}, not a list")
    yield from map(_object, value)


def _text(parent: Json, name: str) -> str:
    value = parent.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"{name} is a {type(value).__name__}, not a text")
    return value


def _number(value: Any) -> int:
    """Return a whole number, which JSON's mapping writes as text and reads as either."""
    if isinstance(value, int):
        return int(value)
    if value is None:
        return 0
    digits = value.removeprefix("-") if isinstance(value, str) else ""
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= DIGITS_MAX):
        raise Malformed(f"{str(value)[:40]!r} is no whole number")
    return int(value)


def _double(value: Any) -> Any:
    """Return a number; what is none, as Infinity, is written as text."""
    return value if isinstance(value, int | float) else str(value)


def _enumerated(value: Any, names: tuple[str, ...]) -> int:
    if isinstance(value, str) and value in names:
        return names.index(value)
    return value if isinstance(value, int) else 0


def _written_resource(resource: Resource, by_scope: Mapping[str, list[Span]]) -> Json:
    return {
        "resource": {"attributes": _written_pairs(resource.attributes)},
        "scopeSpans": [
            {"scope": {"name": scope}, "spans": [_written_span(span) for span in spans]}
            for scope, spans in by_scope.items()
        ],
    }


def _written_span(span: Span) -> Json:
    status = {"code": ERROR_STATUS, "message": span.message} if span.is_error else {}
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "name": span.name,
        "kind": KINDS.index(span.kind) + 1,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _written_pairs(span.attributes),
        "events": [
            {
                "name": event.name,
                "timeUnixNano": str(event.at_ns),
                "attributes": _written_pairs(event.attributes),
            }
            for event in span.events
        ],
        "links": [{"traceId": link.trace_id, "spanId": link.span_id} for link in span.links],
        "status": status,
    }


def _written_pairs(attributes: Mapping[str, Any]) -> list[Json]:
    return [{"key": name, "value": _written_value(value)} for name, value in attributes.items()]


def _written_value(value: Any) -> Json:
    """Return an AnyValue."""
    write = _WRITERS.get(type(value))
    return write(value) if write else {}


_WRITERS: Mapping[type, Callable[[Any], Json]] = {
    bool: lambda value: {"boolValue": value},
    int: lambda value: {"intValue": str(value)},
    float: lambda value: {"doubleValue": value},
    str: lambda value: {"stringValue": value},
    list: lambda value: {"arrayValue": {"values": [_written_value(each) for each in value]}},
    dict: lambda value: {"kvlistValue": {"values": _written_pairs(value)}},
}
