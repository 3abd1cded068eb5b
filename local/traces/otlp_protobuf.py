"""OTLP as Protocol Buffers: an ExportTraceServiceRequest and back, its answer, and an error.

The numbers of the fields are those of opentelemetry/proto/trace/v1/trace.proto, 1.x.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

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
from local.traces.span import KINDS, Event, Link, Span
from local.traces.wire import (
    Malformed,
    double,
    fields,
    signed,
    write_bytes,
    write_double,
    write_fixed64,
    write_text,
    write_varint,
)

CONTENT_TYPE = "application/x-protobuf"
SPAN_MAX_BYTES = 256 * 1024  # as it is sent; of a larger one most would have to be cut off
FIELDS_MAX = 4_096  # of one span or value, so that none takes long to read

ARRAY, MAP = 5, 6  # fields of an AnyValue

Decoded = tuple[RawSpan | None, Resource, str]  # None where a field was read that is no span
Value = int | bytes


def decode(body: bytes) -> Iterator[Decoded]:
    """Yield each span with its resource and scope, and None for what took time without being one.

    Raises Malformed where the body is no message.
    """
    for number, value in fields(body):
        if number == 1:
            yield from _resource_spans(_bytes(value))
        yield None, Resource(), ""


def answer(rejected: int, sentence: str) -> bytes:
    """Return an ExportTraceServiceResponse."""
    partial = write_varint(1, rejected) + write_text(2, sentence)
    return write_bytes(1, partial) if partial else b""


def error(code: int, sentence: str) -> bytes:
    """Return a google.rpc.Status."""
    return write_varint(1, code) + write_text(2, sentence)


def encode(spans: Iterable[Span]) -> bytes:
    """Return an ExportTraceServiceRequest."""
    return b"".join(write_bytes(1, _written_resource(*each)) for each in by_resource(spans))


def _resource_spans(data: bytes) -> Iterator[Decoded]:
    resource = Resource()
    for number, value in fields(data):
        if number == 1:
            parts = _bounded(_bytes(value))
            resource = resource_of(_pair(part) for key, part in parts if key == 1)
        elif number == 2:
            yield from _scope_spans(_bytes(value), resource)
        yield None, resource, ""


def _scope_spans(data: bytes, resource: Resource) -> Iterator[Decoded]:
    scope = ""
    for number, value in fields(data):
        if number == 1:
            scope = _text(dict(_bounded(_bytes(value))).get(1, b""))
        elif number == 2:
            yield _span(_bytes(value)), resource, scope
        yield None, resource, scope


def _span(data: bytes) -> RawSpan:
    if len(data) > SPAN_MAX_BYTES:
        return RawSpan(fault=f"is over {SPAN_MAX_BYTES} bytes")
    single: dict[int, Value] = {}
    repeated: dict[int, list[Value]] = {9: [], 11: [], 13: []}
    for count, (number, value) in enumerate(fields(data)):
        if count >= FIELDS_MAX:
            return RawSpan(fault=f"has over {FIELDS_MAX} attributes, events and links")
        if number in repeated:
            repeated[number].append(value)
        else:
            single[number] = value
    status = dict(_bounded(_bytes(single.get(15, b""))))
    return RawSpan(
        trace_id=_bytes(single.get(1, b"")).hex(),
        span_id=_bytes(single.get(2, b"")).hex(),
        parent_id=_bytes(single.get(4, b"")).hex(),
        name=_text(single.get(5, b"")),
        kind=_number(single.get(6, 0)),
        start_ns=_number(single.get(7, 0)),
        end_ns=_number(single.get(8, 0)),
        status=_number(status.get(3, 0)),
        message=_text(status.get(2, b"")),
        attributes=map(_pair, repeated[9]),
        events=map(_event, repeated[11]),
        links=map(_link, repeated[13]),
    )


def _event(value: Value) -> tuple[str, int, Pairs]:
    parts = [*_bounded(_bytes(value))]
    single = dict(parts)
    pairs = (_pair(part) for number, part in parts if number == 3)
    return _text(single.get(2, b"")), _number(single.get(1, 0)), pairs


def _link(value: Value) -> tuple[str, str]:
    single = dict(_bounded(_bytes(value)))
    return _bytes(single.get(1, b"")).hex(), _bytes(single.get(2, b"")).hex()


def _pair(value: Value, depth: int = 0) -> tuple[str, Any]:
    single = dict(_bounded(_bytes(value)))
    return _text(single.get(1, b"")), _value(_bytes(single.get(2, b"")), depth)


def _value(data: bytes, depth: int) -> Any:
    """Return what an AnyValue holds."""
    for number, value in _bounded(data):
        if number in _READERS:
            return _READERS[number](value)
        if number in (ARRAY, MAP):
            return _collection(number, _bytes(value), depth + 1)
    return None


def _collection(number: int, data: bytes, depth: int) -> Any:
    if depth > DEPTH_MAX:
        return "…"
    parts = [_bytes(part) for key, part in islice(fields(data), ITEMS_MAX) if key == 1]
    if number == ARRAY:
        return [_value(part, depth) for part in parts]
    return dict(_pair(part, depth) for part in parts)


def _bounded(data: bytes) -> Iterator[tuple[int, Value]]:
    """Yield the fields of a small message. Raises Malformed where there are too many."""
    for count, field in enumerate(fields(data)):
        if count >= FIELDS_MAX:
            raise Malformed(f"a value has over {FIELDS_MAX} members")
        yield field


def _bytes(value: Value) -> bytes:
    if isinstance(value, int):
        raise Malformed("a number where bytes belong")
    return value


def _number(value: Value) -> int:
    if isinstance(value, bytes):
        raise Malformed("bytes where a number belongs")
    return value


def _text(value: Value) -> str:
    return _bytes(value).decode("utf-8", "replace")


_READERS: Mapping[int, Callable[[Value], Any]] = {
    1: _text,
    2: lambda value: bool(_number(value)),
    3: lambda value: signed(_number(value)),
    4: lambda value: double(_number(value)),
    7: lambda value: base64.b64encode(_bytes(value)).decode(),
}


def _written_resource(resource: Resource, by_scope: Mapping[str, list[Span]]) -> bytes:
    scopes = (
        write_bytes(2, write_bytes(1, write_text(1, scope)) + b"".join(map(_written_span, some)))
        for scope, some in by_scope.items()
    )
    return write_bytes(1, _written_pairs(1, resource.attributes)) + b"".join(scopes)


def _written_span(span: Span) -> bytes:
    status = write_text(2, span.message) + write_varint(3, ERROR_STATUS if span.is_error else 0)
    parts = (
        write_bytes(1, bytes.fromhex(span.trace_id)),
        write_bytes(2, bytes.fromhex(span.span_id)),
        write_bytes(4, bytes.fromhex(span.parent_id)) if span.parent_id else b"",
        write_text(5, span.name),
        write_varint(6, KINDS.index(span.kind) + 1),
        write_fixed64(7, span.start_ns),
        write_fixed64(8, span.end_ns),
        _written_pairs(9, span.attributes),
        *map(_written_event, span.events),
        *map(_written_link, span.links),
        write_bytes(15, status) if status else b"",
    )
    return write_bytes(2, b"".join(parts))


def _written_event(event: Event) -> bytes:
    name = write_text(2, event.name)
    return write_bytes(
        11, write_fixed64(1, event.at_ns) + name + _written_pairs(3, event.attributes)
    )


def _written_link(link: Link) -> bytes:
    ids = (bytes.fromhex(link.trace_id), bytes.fromhex(link.span_id))
    return write_bytes(13, write_bytes(1, ids[0]) + write_bytes(2, ids[1]))


def _written_pairs(number: int, attributes: Mapping[str, Any]) -> bytes:
    return b"".join(write_bytes(number, _written_pair(*each)) for each in attributes.items())


def _written_pair(name: str, value: Any) -> bytes:
    return write_text(1, name) + write_bytes(2, _written_value(value))


def _written_value(value: Any) -> bytes:
    """Return an AnyValue; false and zero are written too, for they are values."""
    write = _WRITERS.get(type(value))
    return write(value) if write else b""


_WRITERS: Mapping[type, Callable[[Any], bytes]] = {
    bool: lambda value: b"\x10\x01" if value else b"\x10\x00",
    int: lambda value: write_varint(3, value) or b"\x18\x00",
    float: lambda value: write_double(4, value),
    str: lambda value: write_bytes(1, value.encode("utf-8", "replace")),
    list: lambda value: write_bytes(
        ARRAY, b"".join(write_bytes(1, _written_value(each)) for each in value)
    ),
    dict: lambda value: write_bytes(MAP, _written_pairs(1, value)),
}
