"""The way of spans out of a function: OTLP over HTTP as JSON, bounded in number and time.

An environment of AWS is frozen once it has answered, so there the spans are sent before that. One
of this machine goes on, so a thread sends them after it. Nobody waits for long, and what cannot be
sent is dropped: a trace with a gap is better than a request that failed for it.
"""

import http.client
import os
import queue
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
TOLD_EVERY_S = 60.0
OK, ERROR = 0, 2  # a span's status; "unset" is how one that went well is left
FREEZES = "AWS_LAMBDA_RUNTIME_API"  # whoever asks a runtime API for its events is frozen in between


def send(spans: Sequence[Span], *, url: str, context: Any) -> None:
    """Send spans to the receiver at `url`, now or soon; raises nothing of the receiver's doing."""
    if FREEZES not in os.environ:
        _THREAD.give(url, _encoded(spans))
        return
    left_s = context.get_remaining_time_in_millis() / 1000 - RESERVED_S
    if left_s > 0:
        _SENDER.post(url, _encoded(spans), timeout_s=min(TIMEOUT_S, left_s))


class _Sender:
    """One kept connection to the receiver."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._place = ""
        self._told_s = -TOLD_EVERY_S

    def post(self, url: str, body: bytes, *, timeout_s: float) -> None:
        parts = urlsplit(url)
        try:
            status = self._status(parts.scheme, parts.netloc, parts.path, body, timeout_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._close()
            self._tell(f"{type(error).__name__}: {error}")
        else:
            if not 200 <= status < 300:
                self._tell(f"HTTP {status}")

    def _status(  # noqa: PLR0913  # a request
        self, scheme: str, place: str, path: str, body: bytes, timeout_s: float
    ) -> int:
        if self._connection is None or self._place != f"{scheme}://{place}":
            self._close()
            is_tls = scheme == "https"
            kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
            self._connection, self._place = kind(place, timeout=timeout_s), f"{scheme}://{place}"
        connection = self._connection
        connection.timeout = timeout_s
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        connection.request("POST", path or "/", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _tell(self, why: str) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= TOLD_EVERY_S:
            self._told_s = now_s
            logger.warning("spans are dropped", extra={"why": why})


class _Thread:
    """Sends in the background, one event's spans after another's."""

    def __init__(self, sender: _Sender) -> None:
        self._sender = sender
        self._waiting: queue.Queue[tuple[str, bytes]] = queue.Queue(WAITING_MAX)
        self._thread: threading.Thread | None = None

    def give(self, url: str, body: bytes) -> None:
        if self._thread is None:  # at the first event: an environment is forked before it
            self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait((url, body))
        except queue.Full:
            logger.warning("spans are dropped", extra={"why": "their receiver is slow"})

    def _run(self) -> None:
        while True:
            url, body = self._waiting.get()
            self._sender.post(url, body, timeout_s=TIMEOUT_S)


_SENDER = _Sender()
_THREAD = _Thread(_Sender())


def _encoded(spans: Sequence[Span]) -> bytes:
    """Return an ExportTraceServiceRequest in OTLP's JSON."""
    scope = {"scope": {"name": "backend.tracing"}, "spans": [_span(each) for each in spans]}
    resource = {"attributes": _attributes(_resource())}
    return msgspec.json.encode({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})


def _resource() -> dict[str, str | int]:
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    return {
        "service.name": os.environ.get("OTEL_SERVICE_NAME") or function or "spillway",
        "faas.name": function,
        "faas.instance": os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
    }


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
