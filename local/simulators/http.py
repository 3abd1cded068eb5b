"""A small HTTP/1.1 server on httptools: a connection's requests one by one, answered when ready.

It knows limits and deadlines, not routes: each request goes to one function as an Exchange.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qsl

import httptools
import msgspec

from local.simulators.serving import Connections

BODY_BYTES_MAX = 64 * 1024  # a charge is below 1 KiB
REQUEST_BYTES_MAX = BODY_BYTES_MAX + 32 * 1024  # with request line and headers
QUERY_FIELDS_MAX = 16
REQUEST_DEADLINE_S = 10.0  # first to last byte of a request, and the reading of its answer
IDLE_DEADLINE_S = 75.0  # longer than the pools of usual clients keep a connection

JSON = {"content-type": "application/json"}
PROBLEM = {"content-type": "application/problem+json"}
STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


class Exchange:
    """One request and, once, its answer."""

    __slots__ = (
        *("_connection", "_keep_alive", "body", "headers"),
        *("is_lost", "method", "path", "query"),
    )

    def __init__(
        self, connection: "HttpConnection", target: bytes, headers: dict[bytes, bytes], body: bytes
    ) -> None:
        self._connection = connection
        self._keep_alive = connection.parser.should_keep_alive()
        self.method = connection.parser.get_method().decode("ascii")
        path, _, query = target.partition(b"?")
        self.path = path.decode("latin-1")
        self.query = query
        self.headers = headers
        self.body = body
        self.is_lost = False  # the connection is closed instead of the answer

    def header(self, name: bytes) -> str:
        """The value of a header (name in lower case), empty where it is missing."""
        return self.headers.get(name, b"").decode("latin-1")

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] = JSON) -> None:
        """Send the answer; the connection's next request comes up after it."""
        if self.is_lost:
            self._connection.abort()
            return
        self._connection.send(status, body, headers, self._keep_alive)


class Refusal(Exception):
    """Raised by a route instead of an answer; becomes an RFC 9457 problem with a stable `code`."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] = PROBLEM
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = {**headers, **PROBLEM}

    def body(self) -> bytes:
        """The problem as JSON."""
        return msgspec.json.encode(
            {
                "type": "about:blank",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "detail": str(self),
                "code": self.code,
            }
        )


def no_route(exchange: Exchange, allowed: Mapping[str, str]) -> Refusal:
    """404 or 405 for a request that no route took; `allowed` gives the methods of each path."""
    if methods := allowed.get(exchange.path):
        detail = f"{exchange.path} takes {methods}"
        return Refusal(405, "method_not_allowed", detail, {"allow": methods})
    return Refusal(404, "not_found", f"there are {', '.join(allowed)}")


def query_fields(query: bytes, allowed: frozenset[str]) -> dict[str, str]:
    """The fields of a query string; refuses unknown and repeated ones."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=QUERY_FIELDS_MAX,
        )
    except ValueError as error:
        raise Refusal(400, "invalid_query", "the query string is malformed") from error
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Refusal(400, "invalid_query", "a query field stands twice")
    if unknown := fields.keys() - allowed:
        raise Refusal(
            400,
            "invalid_query",
            f"unknown query field {min(unknown)}; known are {', '.join(sorted(allowed))}",
        )
    return fields


def query_number(fields: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    """The whole number `name` between `low` and `high`."""
    text = fields.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
        raise Refusal(400, "invalid_query", f"{name} must be a whole number from {low} to {high}")
    return int(text)


class HttpConnection(asyncio.Protocol):
    """Parses requests, hands them to `dispatch` one at a time, writes the answers in order."""

    def __init__(self, dispatch: Callable[[Exchange], None], connections: Connections) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self._dispatch = dispatch
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._waiting: deque[Exchange] = deque()
        self._rejection: Refusal | None = None
        self._is_dispatching = False
        self._is_answering = False
        self._is_writable = True
        self._is_closing = False
        self._since = self._loop.time()
        self._forget_request()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._connections.admit(self):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._connections.remove(self)

    def data_received(self, data: bytes) -> None:
        if self._is_closing or self._rejection:
            return
        if not self._received_bytes:
            self._since = self._loop.time()
        self._received_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._reject(400, "upgrade_refused", "this server speaks plain HTTP/1.1 only")
        except httptools.HttpParserError as error:
            self._reject(400, "malformed_request", f"not an HTTP/1.1 request: {error}")
        if self._received_bytes > REQUEST_BYTES_MAX:
            self._reject_size()
        self._next()

    def on_url(self, url: bytes) -> None:
        """Called by the parser, as are the next three."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        earlier = self._headers.get(name)
        self._headers[name] = value if earlier is None else earlier + b", " + value

    def on_body(self, body: bytes) -> None:
        if len(self._body) + len(body) > BODY_BYTES_MAX:
            self._reject_size()
        else:
            self._body += body

    def on_message_complete(self) -> None:
        if self._rejection is None:
            self._waiting.append(Exchange(self, self._target, self._headers, self._body))
        self._forget_request()

    def pause_writing(self) -> None:
        self._is_writable = False
        self._since = self._loop.time()

    def resume_writing(self) -> None:
        self._is_writable = True
        self._next()

    def send(self, status: int, body: bytes, headers: Mapping[str, str], keep_alive: bool) -> None:
        """Write the answer to the request that was dispatched last."""
        self._is_answering = False
        if self._is_closing:
            return
        keep_alive = keep_alive and not self._connections.is_draining
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        if not keep_alive:
            lines.append("connection: close\r\n")
        head = f"content-length: {len(body)}\r\n{''.join(lines)}\r\n"
        self._transport.write(STATUS_LINES[status] + head.encode("latin-1") + body)
        self._since = self._loop.time()
        if keep_alive:
            self._next()
        else:
            self._finish()

    def sweep(self, now: float) -> None:
        """Close an idle connection, refuse a request that never ends, drop who does not read."""
        waited = now - self._since
        if self._is_closing or not self._is_writable:
            if waited > REQUEST_DEADLINE_S:
                self.abort()
        elif self._is_answering or self._waiting:
            return
        elif self._received_bytes and waited > REQUEST_DEADLINE_S:
            self._reject(408, "request_timeout", f"no whole request in {REQUEST_DEADLINE_S:.0f} s")
            self._next()
        elif waited > IDLE_DEADLINE_S:
            self.abort()

    def drain(self) -> None:
        """Close with the answer that is being made, at once if there is none."""
        if self._is_closing or not self._is_answering:
            self._is_closing = True
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = True
        self._transport.abort()

    def _next(self) -> None:
        """Hand on waiting requests; answers given at once do not recurse."""
        if self._is_dispatching:
            return
        self._is_dispatching = True
        while self._waiting and self._is_writable and not (self._is_answering or self._is_closing):
            self._is_answering = True
            self._answer(self._waiting.popleft())
        self._is_dispatching = False
        if self._is_closing:
            return
        if self._rejection and not (self._waiting or self._is_answering):
            refusal = self._rejection
            self.send(refusal.status, refusal.body(), refusal.headers, keep_alive=False)
        elif self._waiting:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _answer(self, exchange: Exchange) -> None:
        try:
            self._dispatch(exchange)
        except Refusal as refusal:
            exchange.answer(refusal.status, refusal.body(), refusal.headers)

    def _reject(self, status: int, code: str, detail: str) -> None:
        """Read no further requests; the refusal follows the answers that come before it."""
        self._rejection = self._rejection or Refusal(status, code, detail)

    def _reject_size(self) -> None:
        self._reject(413, "request_too_large", f"a body has at most {BODY_BYTES_MAX} bytes")

    def _finish(self) -> None:
        """End our side and ignore what still arrives: closing over unread bytes would reset the
        connection, and the client might lose the answer. The sweep ends a client that stays.
        """
        self._is_closing = True
        if self._connections.is_draining:
            self._transport.close()
        else:
            self._transport.write_eof()

    def _forget_request(self) -> None:
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._received_bytes = 0
