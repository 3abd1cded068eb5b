"""OTLP as Protocol Buffers and as JSON: what is read, written, cut and refused."""

import base64
import gzip
import json
from typing import Any

import pytest

from local.traces import otlp_json, otlp_protobuf
from local.traces.limited import CUT, RawSpan, Refused, Resource, span_of
from local.traces.span import Event, Link, Span
from local.traces.wire import Malformed, write_bytes, write_fixed64, write_text
from tests.unit.local.traces.spans import START_NS, span

# What OpenTelemetry's own SDK for Python 1.45 sends for two spans.
OF_THE_SDK = base64.b64decode(
    "CrUDCjwKGAoMc2VydmljZS5uYW1lEggKBm9yZGVycwogChZkZXBsb3ltZW50LmVudmlyb25tZW50EgYKBHRlc3QS9AIK"
    "DgoHYnktaGFuZBIDMS4wEkgKEMN7gsj5qezNC8LZpgMqYLISCE2f58gMICHoIgg1Z9DxOeHSTSoEY2FsbDADOUCi4zVl"
    "uwwYQYDk8jVluwwYegCFAQABAAASlwIKEMN7gsj5qezNC8LZpgMqYLISCDVn0PE54dJNKgZzZXR0bGUwBTkAYNQ1ZbsM"
    "GEFAqyA2ZbsMGEoOCgR0ZXh0EgYKBHpvw6tKCQoDeWVzEgIQAUoICgJubxICEABKFAoFY291bnQSCxj9//////////8B"
    "SgoKBHplcm8SAhgAShIKBXNoYXJlEgkhAAAAAAAA0D9KEwoDaWRzEgwqCgoDCgFhCgMKAWJKFQoHbnVtYmVycxIKKggK"
    "AhgBCgIYAlofCUCi4zVluwwYEgVyZXRyeRoNCgdhdHRlbXB0EgIYAmohChAAAAAAAKvN7wAAAAAAAAAAEggAAAAAAAAA"
    "dzUAAwAAegwSCGRlY2xpbmVkGAKFAQABAAA="
)
TRACE_ID = "c37b82c8f9a9eccd0bc2d9a6032a60b2"
SETTLE = Span(
    trace_id=TRACE_ID,
    span_id="3567d0f139e1d24d",
    name="settle",
    service="orders",
    kind="consumer",
    start_ns=START_NS,
    end_ns=START_NS + 5_000_000,
    is_error=True,
    message="declined",
    attributes={
        "text": "zoë",
        "yes": True,
        "no": False,
        "count": -3,
        "zero": 0,
        "share": 0.25,
        "ids": ["a", "b"],
        "numbers": [1, 2],
    },
    events=(Event(name="retry", at_ns=START_NS + 1_000_000, attributes={"attempt": 2}),),
    links=(Link(trace_id="0000000000abcdef0000000000000000", span_id="0000000000000077"),),
    resource={"deployment.environment": "test"},
    scope="by-hand",
)
BOTH = pytest.mark.parametrize("format_", [otlp_json, otlp_protobuf])


def read(format_: Any, body: bytes, now_ns: int = START_NS) -> list[Span]:
    return [
        span_of(raw, resource, scope, now_ns)
        for raw, resource, scope in format_.decode(body)
        if raw is not None
    ]


def one_in_json(**members: Any) -> bytes:
    """Return a request with one span, whose members may be anything."""
    times = {"startTimeUnixNano": str(START_NS), "endTimeUnixNano": START_NS}
    spans = [{"traceId": TRACE_ID, "spanId": SETTLE.span_id, **times, **members}]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def test_what_the_sdk_sends_is_read():
    call, settle = read(otlp_protobuf, OF_THE_SDK)

    assert settle == SETTLE
    assert (call.name, call.kind, call.parent_id) == ("call", "client", SETTLE.span_id)


@BOTH
def test_what_is_written_is_read_again(format_):
    nested = {"a": {"b": [1.5, "x", {"c": True}]}, "empty": [], "big": 2**62}
    spans = [SETTLE, span(1, attributes=nested, parent_id="1" * 16), span(2, service="other")]

    assert read(format_, format_.encode(spans)) == spans


@pytest.mark.parametrize(
    "body",
    [
        *(b"\x00", b"\x0a", b"\x0a\x05ab", b"\x0b", b"\xff" * 12, b"\x09\x01", OF_THE_SDK[:-1]),
        *(
            b"\x08\x01\x0a\x02\x08",
            gzip.compress(b"x", mtime=0),
            b"GET / HTTP/1.1",
            b"\x0a\x02\x12\xff",
        ),
        write_bytes(1, write_bytes(2, write_bytes(2, write_text(7, "not a number")))),
    ],
)
def test_bytes_that_are_no_message_are_malformed(body):
    with pytest.raises((Malformed, Refused)):
        read(otlp_protobuf, body + b"\x0a\x7f")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'"x"', b'{"resourceSpans":{}}', b'{"resourceSpans":[1]}'),
        *(b'{"resourceSpans":[{"scopeSpans":7}]}', b"[" * 100_000, b"\xff"),
        one_in_json(traceId=7),
        one_in_json(startTimeUnixNano="1e9"),
        one_in_json(startTimeUnixNano="9" * 4_000),
        one_in_json(attributes=[{"key": "a", "value": "text"}]),
        one_in_json(attributes=[{"key": "a", "value": {"intValue": "x"}}]),
    ],
)
def test_json_of_another_shape_is_malformed(body):
    with pytest.raises(Malformed):
        read(otlp_json, body)


def test_json_may_leave_out_all_that_is_empty():
    assert read(otlp_json, b'{"resourceSpans":[{"scopeSpans":[{}]},{}]}') == []
    (bare,) = read(otlp_json, one_in_json(name=None, attributes=None, status=None))
    assert (bare.name, bare.service) == ("", "unknown_service")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trace_id": ""}, "no trace id"),
        ({"trace_id": "0" * 32}, "no trace id"),
        ({"trace_id": "z" * 32}, "no trace id"),
        ({"span_id": "1"}, "no trace id"),
        ({"parent_id": "12"}, "parent"),
        ({"end_ns": START_NS - 1}, "before it begins"),
        ({"end_ns": START_NS + 3 * 3_600 * 10**9}, "future"),
        ({"start_ns": 0}, "a day ago"),
        ({"fault": "is odd"}, "is odd"),
    ],
)
def test_a_span_that_cannot_be_is_refused_with_the_reason(changes, reason):
    good = {"trace_id": TRACE_ID, "span_id": "1" * 16, "start_ns": START_NS, "end_ns": START_NS}

    with pytest.raises(Refused, match=reason):
        span_of(RawSpan(**{**good, **changes}), Resource(), "", START_NS)


@BOTH
def test_of_a_span_that_is_too_large_a_part_is_kept(format_):
    large: dict[str, Any] = {f"name {number}": number for number in range(200)}
    large |= {"name 1": "x" * 10_000, "name 2": [0] * 1_000, "name 3": [[[[[[[1]]]]]]]}
    events = tuple(Event(name="e", at_ns=START_NS) for _ in range(100))
    sent = span(1, attributes=large, events=events, name="n" * 1_000)

    (result,) = read(format_, format_.encode([sent]))

    assert len(result.attributes) == 129
    assert result.attributes[CUT] is True
    assert len(result.attributes["name 1"]) == 4_096
    assert len(result.attributes["name 2"]) == 64
    assert result.attributes["name 3"] == [[[["…"]]]]
    assert len(result.name) == 256
    assert len(result.events) == 64


def test_a_million_attributes_are_not_read():
    pair = write_bytes(9, write_text(1, "a"))
    ids = write_bytes(1, b"1" * 16) + write_bytes(2, b"1" * 8) + write_fixed64(7, START_NS)
    many = write_bytes(1, write_bytes(2, write_bytes(2, ids + pair * 10_000)))
    more = write_bytes(1, write_bytes(2, write_bytes(2, ids + pair * 1_000_000)))

    for body, reason in ((many, "attributes, events and links"), (more, "bytes")):
        with pytest.raises(Refused, match=reason):
            read(otlp_protobuf, body)
    (result,) = read(otlp_json, one_in_json(attributes=[{"key": str(n)} for n in range(100_000)]))
    assert len(result.attributes) == 129


def test_numbers_that_json_lacks_are_told_as_text():
    sent = span(1, attributes={"a": float("inf"), "b": float("nan")})

    (result,) = read(otlp_protobuf, otlp_protobuf.encode([sent]))

    assert result.attributes == {"a": "inf", "b": "nan"}


def test_answers_are_those_of_otlp():
    assert otlp_protobuf.answer(0, "") == b""
    assert otlp_protobuf.answer(3, "no") == b"\x0a\x06\x08\x03\x12\x02no"
    assert json.loads(otlp_json.answer(0, "")) == {"partialSuccess": {}}
    assert json.loads(otlp_json.answer(3, "no"))["partialSuccess"] == {
        "rejectedSpans": "3",
        "errorMessage": "no",
    }
    assert otlp_protobuf.error(3, "no") == b"\x08\x03\x12\x02no"
