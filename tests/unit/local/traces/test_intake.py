"""The port that takes spans: its answers, and what it does with a flood."""

import asyncio
import gzip
import json
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from local.http.request import Request
from local.traces import otlp_json, otlp_protobuf
from local.traces.intake import BODY_MAX_BYTES, Intake
from local.traces.span import Span
from local.traces.store import TraceStore
from tests.unit.local.traces.spans import span

JSON, PROTOBUF = otlp_json.CONTENT_TYPE, otlp_protobuf.CONTENT_TYPE
PACKED = [("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)]


def post(body: bytes, content_type: str = JSON, **fields: str) -> Request:
    """Return a request whose answer is kept in `answers`."""
    request = Request("127.0.0.1", 0.0)
    request.method, request.target, request.body = "POST", "/v1/traces", body
    request.fields = {"host": "127.0.0.1:4318", "content-type": content_type}
    request.fields |= {name.replace("_", "-"): value for name, value in fields.items()}
    return request


def answers(store: TraceStore, *requests: Request) -> list[tuple[int, str, bytes]]:
    """Return the status, header lines and body that each request is answered with."""
    answered: dict[int, tuple[int, str, bytes]] = {}

    async def serve() -> None:
        intake = Intake(store.add)
        for number, request in enumerate(requests):
            request.reply = lambda *answer, number=number: answered.update({number: answer})
            intake.handle(request)
        while len(answered) < len(requests):
            await asyncio.sleep(0)

    asyncio.run(serve())
    return [answered[number] for number in range(len(requests))]


def now(number: int = 1, span_id: int = 1, **members: Any) -> Span:
    return span(number, span_id, start_ns=time.time_ns() - 1_000_000, **members)


def batch(count: int) -> Iterator[Span]:
    return (now(1, number) for number in range(1, count + 1))


@pytest.mark.parametrize("format_", [otlp_json, otlp_protobuf])
@pytest.mark.parametrize(("coding", "pack"), PACKED)
def test_spans_are_kept_and_the_answer_is_in_the_requests_format(format_, coding, pack):
    store = TraceStore()
    body = pack(format_.encode(batch(3)))

    ((status, lines, answer),) = answers(
        store, post(body, f"{format_.CONTENT_TYPE}; a=b", content_encoding=coding)
    )

    assert (status, lines) == (200, f"Content-Type: {format_.CONTENT_TYPE}\r\n")
    assert answer == format_.answer(0, "")
    assert len(next(store.newest(bool)).spans) == 3


def test_what_is_refused_is_counted_with_the_reasons():
    store = TraceStore()
    yesterday_ns = time.time_ns() - 2 * 86_400 * 10**9
    spans = [now(1), now(2, trace_id="x"), span(3, start_ns=yesterday_ns), now(4, 0)]

    ((status, _, body),) = answers(store, post(otlp_json.encode(spans)))

    partial = json.loads(body)["partialSuccess"]
    assert status == 200
    assert partial["rejectedSpans"] == "3"
    assert "2 that has no trace id" in partial["errorMessage"]
    assert "1 that began more than a day ago" in partial["errorMessage"]
    assert len(store) == 1


def test_what_makes_a_trace_too_large_is_counted():
    ((_, _, body),) = answers(TraceStore(), post(otlp_json.encode(batch(1_001))))

    assert json.loads(body)["partialSuccess"]["rejectedSpans"] == "1"


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        (post(b"{"), 400, "cannot be read"),
        (post(b"\x0a\x7f", PROTOBUF), 400, "longer than its message"),
        (post(b"plain text", content_encoding="gzip"), 400, "no gzip"),
        (post(gzip.compress(b"{}")[:-3], content_encoding="gzip"), 400, "does not end"),
        (post(b"{}", content_encoding="br"), 400, "gzip"),
        (post(b"{}", content_encoding="deflate"), 400, "no deflate"),
        (post(zlib.compress(b"{}")[:-3], content_encoding="deflate"), 400, "does not end"),
        (post(gzip.compress(bytes(BODY_MAX_BYTES + 1)), content_encoding="gzip"), 400, "over"),
        (post(b"x", "text/plain"), 415, "Content-Type"),
        (post(b"{}", origin="https://evil.example"), 403, "other sites"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(request_, status, sentence):
    ((answered, lines, body),) = answers(TraceStore(), request_)

    assert answered == status
    assert sentence.encode() in body
    assert request_.fields["content-type"] in lines or status == 415


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "/v1/traces", 405), ("POST", "/v1/metrics", 404), ("POST", "/", 404)],
)
def test_only_traces_are_taken(method, target, status):
    request = post(b"{}")
    request.method, request.target = method, target

    assert answers(TraceStore(), request)[0][0] == status


def test_a_flood_is_told_to_come_again():
    body = gzip.compress(b"")
    large = [post(body + bytes(BODY_MAX_BYTES), content_encoding="gzip") for _ in range(6)]

    answered = answers(TraceStore(), *large)

    refused = [lines for status, lines, _ in answered if status == 503]
    assert len(refused) == 3
    assert all("Retry-After: 1" in lines for lines in refused)


def test_what_a_function_sends_goes_before_what_is_large():
    order: list[int] = []
    store = TraceStore()

    class Ordered(TraceStore):
        def add(self, spans: Iterable[Span]) -> int:
            order.append(len(spans := [*spans]))
            return store.add(spans)

    large, small = otlp_json.encode(batch(900)), otlp_json.encode([now(2)])
    answers(Ordered(), *(post(body) for body in (large, large, small, small)))

    assert order == [1, 1, 900, 900]


def test_work_on_spans_leaves_the_loop_to_requests():
    body = otlp_json.encode(now(number) for number in range(1, 2_000))
    gaps_s: list[float] = []

    async def serve() -> None:
        done = asyncio.Event()
        intake = Intake(TraceStore().add)
        request = post(body)
        request.reply = lambda *answer: done.set()
        intake.handle(request)
        while not done.is_set():
            gaps_s.append(time.thread_time())
            await asyncio.sleep(0)

    asyncio.run(serve())

    assert len(gaps_s) > 100
