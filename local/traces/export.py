"""Spans on their way to a collector: from a worker to the gateway, and from there to any other.

`add` never waits: what the collector does not take in time is dropped and counted.
"""

import http.client
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from types import ModuleType
from urllib.parse import unquote, urlsplit

from local.traces import otlp_json, otlp_protobuf
from local.traces.span import Span

log = logging.getLogger(__name__)

URL = "SPILLWAY_OTLP_URL"  # the variable by which this machine's processes know its own port
QUEUE_MAX = 8_192  # spans that wait, some 10 MB
BATCH_MAX = 512  # spans in one request, OpenTelemetry's own default
EVERY_S = 0.25  # how long a span waits for others: it is seen so much later
POST_S = 5.0  # for one request
PAUSE_FIRST_S = 0.5
PAUSE_LONGEST_S = 30.0
TRIED_FOR_S = 120.0  # a batch; then it is dropped, so that newer ones are seen
LAST_S = 1.0  # for what is left at the end
RETRYABLE = {429, 502, 503, 504}  # OTLP's


class BadEndpoint(ValueError):
    """A collector's address that cannot be used; the message says what to give."""


class Exporter:
    """A bounded queue of spans, and the thread that posts them."""

    def __init__(
        self,
        url: str,
        format_: ModuleType = otlp_json,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        self._connect = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        self._address = (parts.hostname or "", parts.port or (443 if is_tls else 80))
        self._path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        self._format = format_
        self._headers = {**(headers or {}), "Content-Type": format_.CONTENT_TYPE}
        self._queue: deque[Span] = deque()
        self._has_spans = threading.Event()
        self._is_stopping = threading.Event()
        self.sent = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def add(self, spans: Iterable[Span]) -> None:
        """Have spans sent soon; those that find no room are dropped."""
        for span in spans:
            if len(self._queue) >= QUEUE_MAX:
                self.dropped += 1
            else:
                self._queue.append(span)
        self._has_spans.set()

    def stop(self) -> None:
        """Send what is left, if that takes no longer than LAST_S."""
        self._is_stopping.set()
        self._has_spans.set()
        self._thread.join(LAST_S)

    def _run(self) -> None:
        while not (self._is_stopping.is_set() and not self._queue):
            self._has_spans.wait()
            self._is_stopping.wait(EVERY_S)
            self._has_spans.clear()
            while self._queue:
                self._send([self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))])

    def _send(self, batch: list[Span]) -> None:
        body = self._format.encode(batch)
        pause_s = PAUSE_FIRST_S
        gives_up_s = time.monotonic() + TRIED_FOR_S
        while True:
            fault, may_retry = self._post(body)
            if not fault:
                self.sent += len(batch)
                return
            if not may_retry or self._is_stopping.is_set() or time.monotonic() > gives_up_s:
                break
            self._is_stopping.wait(pause_s * random.uniform(0.5, 1))
            pause_s = min(2 * pause_s, PAUSE_LONGEST_S)
        self.dropped += len(batch)
        host, port = self._address
        log.warning("%d spans are dropped: the collector %s:%d %s", len(batch), host, port, fault)

    def _post(self, body: bytes) -> tuple[str, bool]:
        """Return what is wrong, or nothing, and whether to try again."""
        connection = self._connect(*self._address, timeout=POST_S)
        try:
            connection.request("POST", self._path, body, self._headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return f"does not answer ({error or type(error).__name__})", True
        finally:
            connection.close()
        return ("" if status < 300 else f"answers {status}"), status in RETRYABLE


def exporter_to_collector(environ: Mapping[str, str], own_port: int) -> Exporter | None:
    """Return the way to the collector that OpenTelemetry's variables name, None without one.

    One that is this process's own port is none. Raises BadEndpoint.
    """
    url = collector_url(environ)
    if not url or _is_own(url, own_port):
        return None
    protocol = _either(environ, "PROTOCOL") or "http/protobuf"
    headers = dict(_headers(_either(environ, "HEADERS")))
    return Exporter(url, otlp_json if protocol == "http/json" else otlp_protobuf, headers)


def collector_url(environ: Mapping[str, str]) -> str:
    """Return the address that traces are sent to, or nothing. Raises BadEndpoint."""
    of_traces = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    of_all = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    url = of_traces or (f"{of_all.rstrip('/')}/v1/traces" if of_all else "")
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise BadEndpoint(
            f"OTEL_EXPORTER_OTLP_ENDPOINT={of_traces or of_all!r} is no http or https address"
            " of a collector, such as http://127.0.0.1:4318"
        )
    protocol = _either(environ, "PROTOCOL") or "http/protobuf"
    if protocol not in ("http/protobuf", "http/json"):
        raise BadEndpoint(
            f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol!r} is not spoken here; give http/protobuf,"
            " and the collector's port for HTTP, which is usually 4318"
        )
    return url


def _either(environ: Mapping[str, str], name: str) -> str:
    of_all = environ.get(f"OTEL_EXPORTER_OTLP_{name}", "")
    return environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}", of_all).strip()


def _headers(text: str) -> Iterable[tuple[str, str]]:
    """Yield the headers of `a=1,b=2`, values decoded as in a URL."""
    for each in text.split(","):
        name, equals, value = each.partition("=")
        if equals and name.strip():
            yield name.strip(), unquote(value.strip())


def _is_own(url: str, own_port: int) -> bool:
    parts = urlsplit(url)
    return parts.port == own_port and (parts.hostname or "") in ("127.0.0.1", "localhost", "::1")
