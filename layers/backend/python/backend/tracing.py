"""Spans of what a function asks of others: stores, queues, the provider, mail servers, webhooks.

They are recorded in a trace that is sampled, where OTEL_EXPORTER_OTLP_ENDPOINT names who takes
them, and are sent when the event is handled. Otherwise a span costs a look at one variable, and
nothing is imported for it. Traces are carried on in any case: see `headers`.
"""

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from backend import telemetry
from backend.settings import settings
from redis_sqs import redis_scripts

SPANS_MAX = 200  # of one event; a scan of all payments would else fill the memory
SAMPLED = "Sampled=1"
ENDPOINT = settings.otel_exporter_otlp_endpoint
HEADER = re.compile(
    r"Root=1-([0-9a-f]{8})-([0-9a-f]{24})(?:;Parent=([0-9a-f]{16}))?(?:;Sampled=([01]))?"
)
Attributes = Mapping[str, str | int]


class Kind(IntEnum):
    """The side of an exchange that a span is, by OTLP's numbers."""

    INTERNAL = 1
    CLIENT = 3
    PRODUCER = 4


class Span:
    """One thing that was asked of somebody else; it is recorded at its end."""

    __slots__ = (
        "attributes",
        "end_ns",
        "error",
        "kind",
        "name",
        "parent_id",
        "span_id",
        "start_ns",
        "trace_id",
    )

    def __init__(  # the fields of a span
        self,
        name: str,
        kind: Kind,
        trace_id: str,
        parent_id: str,
        attributes: Attributes,
        start_ns: int,
    ) -> None:
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = secrets.token_hex(8)
        self.parent_id = parent_id
        self.attributes: dict[str, str | int] = dict(attributes)
        self.start_ns = start_ns
        self.end_ns = 0
        self.error = ""

    @property
    def trace(self) -> str:
        """The header of X-Ray by which others continue the trace below this span."""
        return f"Root=1-{self.trace_id[:8]}-{self.trace_id[8:]};Parent={self.span_id};{SAMPLED}"

    def end(self, error: str = "") -> None:
        """Record the span, with the class or the code of what went wrong, if anything did."""
        self.error = error
        self.end_ns = time.time_ns()
        if _recording is not None:
            _recording.keep(self)


class Recording:
    """The spans of the event in hand."""

    __slots__ = ("dropped", "parent", "spans")

    def __init__(self, parent: str) -> None:
        self.parent = parent  # the header of what is going on
        self.spans: list[Span] = []
        self.dropped = 0

    def keep(self, span: Span) -> None:
        if len(self.spans) < SPANS_MAX:
            self.spans.append(span)
        else:
            self.dropped += 1


_recording: Recording | None = None


def begin() -> None:
    """Record the spans of the event that `telemetry.begin` has named, if it is sampled."""
    global _recording  # noqa: PLW0603  # an environment has one event at a time
    traces = telemetry.traces()
    _recording = None
    if ENDPOINT and any(SAMPLED in each for each in traces):
        _recording = Recording(traces[0])
        redis_scripts.observe(_of_script)


def end(context: Any) -> None:
    """Send the spans of the event in hand; whatever fails there fails nobody's request."""
    global _recording
    recording, _recording = _recording, None
    if recording is None:
        return
    redis_scripts.observe(None)
    if recording.spans:
        from backend import span_export  # noqa: PLC0415  # only where there is something to send

        span_export.send(recording.spans, url=f"{ENDPOINT}/v1/traces", context=context)


def is_recording() -> bool:
    """Tell whether spans of the event in hand are kept."""
    return _recording is not None


def start(
    name: str,
    attributes: Attributes,
    *,
    kind: Kind = Kind.CLIENT,
    trace: str | None = None,
    start_ns: int = 0,
) -> Span | None:
    """Begin a span in the event's trace, or in `trace`; None where that is not recorded."""
    if _recording is None:
        return None
    match = HEADER.match(_recording.parent if trace is None else trace)
    if match is None or match[4] != "1":
        return None
    trace_id, parent_id = match[1] + match[2], match[3] or ""
    return Span(name, kind, trace_id, parent_id, attributes, start_ns or time.time_ns())


@contextmanager
def below(span: Span | None) -> Iterator[None]:
    """Have what is recorded meanwhile stand below `span`, where there is one."""
    recording = _recording
    if span is None or recording is None:
        yield
        return
    before, recording.parent = recording.parent, span.trace
    try:
        yield
    finally:
        recording.parent = before


def end_http(span: Span | None, outcome: int | Exception) -> None:
    """Record the span of an HTTP request with its answer's status, or with what came instead."""
    if span is None:
        return
    if isinstance(outcome, Exception):
        span.end(type(outcome).__name__)
        return
    span.attributes["http.response.status_code"] = outcome
    span.end(str(outcome) if outcome >= 400 else "")


def traceparent_of(trace: str) -> str:
    """Return a header of X-Ray as W3C writes it, or nothing where it names no span."""
    match = HEADER.match(trace)
    if match is None or not match[3]:
        return ""
    return f"00-{match[1]}{match[2]}-{match[3]}-0{match[4] or 0}"


def headers(span: Span | None, trace: str) -> dict[str, str]:
    """Return the header by which a server continues the trace, below the span if there is one."""
    value = traceparent_of(span.trace if span else trace)
    return {"traceparent": value} if value else {}


def _of_script(name: str, server: tuple[str, int], start_ns: int, error: str) -> None:
    attributes: dict[str, str | int] = {
        "db.system.name": "redis",
        "db.operation.name": "EVALSHA",
        "db.stored_procedure.name": name,
        "server.address": server[0],
        "server.port": server[1],
    }
    span = start(f"EVALSHA {name}", attributes, start_ns=start_ns)
    if span:
        span.end(error)
