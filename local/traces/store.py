"""The traces of this machine in memory: bounded, the ordinary ones forgotten first.

A span is kept as its JSON: its size is known, and the garbage collector has nothing to walk.
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import orjson

from local.traces.span import SLOW, SLOW_S, Span

TRACES_MAX = 10_000
BYTES_MAX = 200 * 1024 * 1024
SPANS_MAX = 1_000  # of one trace
SPAN_BYTES_MAX = 64 * 1024
TRACE_BYTES_MAX = 4 * 1024 * 1024
# Errors and slow ones may fill so much; else what happens now could not be seen for them.
KEPT_SHARE = 0.9
# What an entry takes beside its JSON, measured with tracemalloc.
TRACE_OVERHEAD_BYTES = 1_200
SPAN_OVERHEAD_BYTES = 200
REQUEST_ID_NAMES = ("aws.request_id", "faas.invocation_id")


class Trace:
    """The spans of one trace, and what its row shows."""

    __slots__ = (
        "end_ns",
        "id",
        "is_error",
        "is_scheduled",
        "is_slow",
        "linked",
        "name",
        "request_ids",
        "root_ns",
        "route",
        "services",
        "size",
        "spans",
        "start_ns",
        "status",
    )

    def __init__(self, trace_id: str) -> None:
        self.id = trace_id
        self.start_ns = 0
        self.end_ns = 0
        self.root_ns = 0  # start of the span that gives name, route and status
        self.name = ""
        self.route: str | None = None
        self.status: int | None = None
        self.is_error = False
        self.is_scheduled = False  # begun by the clock
        self.is_slow = False
        self.services: dict[str, None] = {}
        self.linked: dict[str, None] = {}  # other traces
        self.request_ids: dict[str, None] = {}
        self.spans: dict[str, bytes] = {}  # JSON by id
        self.size = TRACE_OVERHEAD_BYTES

    def add(self, span: Span, encoded: bytes) -> None:
        """Take a span of this trace."""
        is_first = not self.spans
        self.spans[span.span_id] = encoded
        self.size += len(encoded) + SPAN_OVERHEAD_BYTES
        self.start_ns = span.start_ns if is_first else min(self.start_ns, span.start_ns)
        self.end_ns = max(self.end_ns, span.end_ns)
        if is_first or span.start_ns < self.root_ns or not span.parent_id:
            self._begin_with(span)
        self.is_error = self.is_error or span.is_error
        self.is_slow = (
            self.is_slow
            or span.attributes.get(SLOW) is True
            or (span.kind == "server" and span.end_ns - span.start_ns > SLOW_S * 1e9)
        )
        self.services[span.service] = None
        for link in span.links:
            if link.trace_id != self.id:
                self.linked[link.trace_id] = None
        for name in REQUEST_ID_NAMES:
            if isinstance(request_id := span.attributes.get(name), str):
                self.request_ids[request_id] = None

    def _begin_with(self, span: Span) -> None:
        self.root_ns, self.name = span.start_ns, span.name
        route = span.attributes.get("http.route")
        status = span.attributes.get("http.response.status_code")
        self.route = route if isinstance(route, str) else None
        self.status = status if isinstance(status, int) else None
        self.is_scheduled = span.attributes.get("faas.trigger") == "timer"

    def row(self) -> dict[str, Any]:
        """Return what a list of traces shows of it."""
        return {
            "id": self.id,
            "start_ms": self.start_ns / 1e6,
            "name": self.name,
            "route": self.route,
            "status": self.status,
            "duration_ms": round((self.end_ns - self.start_ns) / 1e6, 3),
            "error": self.is_error,
            "slow": self.is_slow,
            "services": [*self.services],
            "spans": len(self.spans),
            "request_id": next(iter(self.request_ids), None),
        }

    def decoded(self) -> list[dict[str, Any]]:
        """Return every span with its members."""
        return [orjson.loads(encoded) for encoded in self.spans.values()]


class TraceStore:
    """The last traces. All calls come from one thread."""

    def __init__(self, traces_max: int = TRACES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._traces_max = traces_max
        self._bytes_max = bytes_max
        self._traces: dict[str, Trace] = {}
        # The same, the oldest first: what is forgotten first, and errors and slow ones after it.
        self._ordinary: OrderedDict[str, None] = OrderedDict()
        self._notable: OrderedDict[str, None] = OrderedDict()
        self._by_request: dict[str, str] = {}
        self.size = 0
        self.evicted = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._traces)

    def add(self, spans: Iterable[Span]) -> int:
        """Keep spans; return how many were refused because they, or their traces, are too large."""
        refused = sum(not self._add(span) for span in spans)
        self.refused += refused
        while len(self._traces) > self._traces_max or self.size > self._bytes_max:
            self._evict()
        return refused

    def find(self, trace_or_request_id: str) -> Trace | None:
        """Return the trace with that id, or of the request with that id."""
        trace_id = self._by_request.get(trace_or_request_id, trace_or_request_id)
        return self._traces.get(trace_id)

    def newest(self, fits: Callable[[Trace], bool]) -> Iterator[Trace]:
        """Yield the traces that fit, as they began to come in, the last one first."""
        return filter(fits, reversed(self._traces.values()))

    def _add(self, span: Span) -> bool:
        encoded = _encoded(span)
        trace = self._traces.get(span.trace_id)
        if trace is not None and span.span_id in trace.spans:
            return True  # sent again after an answer that was lost
        if len(encoded) > SPAN_BYTES_MAX or (trace is not None and _is_full(trace, encoded)):
            return False
        if trace is None:
            trace = self._traces[span.trace_id] = Trace(span.trace_id)
            self._ordinary[span.trace_id] = None
            self.size += trace.size
        before = trace.size
        trace.add(span, encoded)
        self.size += trace.size - before
        for request_id in trace.request_ids:
            self._by_request[request_id] = trace.id
        if (trace.is_error or trace.is_slow) and trace.id in self._ordinary:
            del self._ordinary[trace.id]
            self._notable[trace.id] = None
        return True

    def _evict(self) -> None:
        kept_max = KEPT_SHARE * len(self._traces)
        of = (
            self._notable if not self._ordinary or len(self._notable) > kept_max else self._ordinary
        )
        trace = self._traces.pop(of.popitem(last=False)[0])
        self.size -= trace.size
        self.evicted += 1
        for request_id in trace.request_ids:
            self._by_request.pop(request_id, None)


def _encoded(span: Span) -> bytes:
    try:
        # A copy: what orjson returns holds some 8 KB of memory, however short it is.
        return bytes(memoryview(orjson.dumps(span)))
    except orjson.JSONEncodeError:  # a lone surrogate, or a whole number beyond 64 bits
        return json.dumps(asdict(span), ensure_ascii=False).encode("utf-8", "replace")


def _is_full(trace: Trace, encoded: bytes) -> bool:
    return len(trace.spans) >= SPANS_MAX or trace.size + len(encoded) > TRACE_BYTES_MAX
