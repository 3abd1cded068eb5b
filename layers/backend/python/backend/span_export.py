"""The way of spans out of a function: OTLP over HTTP as JSON, bounded in number and time.

An environment of AWS is frozen once it has answered, so there the spans are sent before that. One
of this machine goes on, so a thread sends them after it. Nobody waits for long, and what cannot be
sent is dropped: a trace with a gap is better than a request that failed for it.
"""

import os
import queue
import re
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from backend.telemetry import logger
from backend.tracing import Span

TIMEOUT_S = 0.5  # whoever takes spans is on this machine
RESERVED_S = 0.1  # of the event's time, which sending must leave
WAITING_MAX = 20  # events whose spans wait for the thread
LEFT_ALONE_S = 5.0  # after a failure, so that not every event waits for the same time-out
WARNED_EVERY_S = 60.0
LINE_BYTES_MAX = 1_000  # of an answer its first line is enough
STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r\n]")
ERROR = 2  # a span's status; that of one that went well is left unset
FREEZES = "AWS_LAMBDA_RUNTIME_API"  # whoever asks a runtime API for its events is frozen in between
_warned_s = -WARNED_EVERY_S  # monotonic
_next_try_s = 0.0  # monotonic


def send(spans: Sequence[Span], *, url: str, context: Any) -> None:
    """Send spans to the receiver at `url`, now or soon; raises nothing of the receiver's doing."""
    if FREEZES not in os.environ:
        _THREAD.give(url, _encoded(spans))
        return
    left_s = context.get_remaining_time_in_millis() / 1000 - RESERVED_S
    if left_s > 0:
        _post(url, _encoded(spans), timeout_s=min(TIMEOUT_S, left_s))


def _post(url: str, body: bytes, *, timeout_s: float) -> None:
    """Post spans, unless the receiver failed just now; what fails is logged, but not each time."""
    global _next_try_s  # noqa: PLW0603
    if time.monotonic() < _next_try_s:
        return
    try:
        status = _answered(url, body, time.monotonic() + timeout_s)
    except (OSError, ValueError) as error:
        _next_try_s = time.monotonic() + LEFT_ALONE_S
        _warn(f"{type(error).__name__}: {error}")
    else:
        if not 200 <= status < 300:
            _warn(f"HTTP {status}")


def _answered(url: str, body: bytes, until_s: float) -> int:
    """Return the status of the answer; raises OSError, or ValueError where it is no HTTP."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    head = (
        f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, port), timeout=_left_s(until_s)) as plain:
        stream = _encrypted(plain, host) if parts.scheme == "https" else plain
        stream.sendall(head.encode("ascii") + body)
        line = b""
        # Each read has what is left of the time: a receiver that trickles is not waited for.
        while b"\n" not in line and len(line) < LINE_BYTES_MAX:
            stream.settimeout(_left_s(until_s))
            more = stream.recv(LINE_BYTES_MAX)
            if not more:
                raise ConnectionResetError("the connection was closed without an answer")
            line += more
    match = STATUS_LINE.match(line)
    if match is None:
        raise ValueError("what came back is not an HTTP response")
    return int(match[1])


def _encrypted(plain: socket.socket, host: str) -> socket.socket:
    import ssl  # noqa: PLC0415  # a receiver on this machine needs none

    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _left_s(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("no answer in time")
    return left_s


def _warn(why: str) -> None:
    global _warned_s  # noqa: PLW0603
    now_s = time.monotonic()
    if now_s - _warned_s >= WARNED_EVERY_S:
        _warned_s = now_s
        logger.warning("spans are dropped", extra={"why": why})


class _Thread:
    """Sends in the background, one event's spans after another's."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[str, bytes]] = queue.Queue(WAITING_MAX)
        self._thread: threading.Thread | None = None

    def give(self, url: str, body: bytes) -> None:
        if self._thread is None:  # at the first event: an environment is forked before it
            self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait((url, body))
        except queue.Full:
            _warn("their receiver is slow")

    def _run(self) -> None:
        while True:
            url, body = self._waiting.get()
            _post(url, body, timeout_s=TIMEOUT_S)


_THREAD = _Thread()


def _encoded(spans: Sequence[Span]) -> bytes:
    """Return an ExportTraceServiceRequest in OTLP's JSON."""
    scope = {"scope": {"name": "backend.tracing"}, "spans": [_span(each) for each in spans]}
    resource = {"attributes": _attributes(_resource())}
    return msgspec.json.encode({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})


def _resource() -> dict[str, str | int]:
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    resource: dict[str, str | int] = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME") or function or "spillway",
        "faas.name": function,
        "faas.instance": os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
    }
    return {name: value for name, value in resource.items() if value}


def _span(span: Span) -> dict[str, Any]:
    encoded: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
    }
    if span.parent_id:
        encoded["parentSpanId"] = span.parent_id
    if span.error:
        encoded["attributes"] += _attributes({"error.type": span.error})
        encoded["status"] = {"code": ERROR, "message": span.error}
    return encoded


def _attributes(attributes: Any) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: str | int) -> dict[str, Any]:
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
