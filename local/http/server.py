"""HTTP/1.1 on a bare protocol: parses requests, keeps their order, bounds their size and time.

What a request means is the application's business. Whatever is not HTTP as it should be is
answered with an error and closed (RFC 9112), never interpreted.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nsmallest

import httptools

from local.http.answer import encode_answer
from local.http.head import (
    BODY_MAX_BYTES,
    HEADERS_MAX_BYTES,
    TARGET_MAX_BYTES,
    head_error,
    origin_form,
    read_headers,
)
from local.http.request import Application, Request

# What may come in before the head is complete: both, the request line, and one read too many.
HEAD_MAX_BYTES = HEADERS_MAX_BYTES + TARGET_MAX_BYTES + 4096
CHUNK_MAX_BYTES = 128  # the size, extensions and line ends of a chunk, on average
PIPELINE_MAX = 256  # requests read ahead of the answer in hand
REFUSED_AT_A_TIME_MAX = 128  # clients over the limit that are told so; others are cut
PEER_SHARE = 0.75  # of the connections: what one address leaves is there for the others
CLOSED_AT_ONCE = 64  # idle connections, so that not every new client has all of them looked at
BUFFERED_MAX_BYTES = 256 * 1024 * 1024  # bodies of all connections together

LINGER_S = 1.0  # after a refusal: read on, so that the answer is not lost to a reset

_NEVER_S = float("inf")


class _Refused(Exception):
    """Ends the parsing of a request that is answered with `Connection._refused`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a client may take."""

    head_s: float = 5.0  # from the first byte of a request to the end of its head
    body_s: float = 10.0  # from there to the end of the body
    idle_s: float = 75.0  # longer than clients keep idle connections, so that they close first
    write_s: float = 30.0  # to read its answer


DEADLINES = Deadlines()


class Server:
    """All connections of one application."""

    def __init__(
        self, application: Application, *, connections_max: int, deadlines: Deadlines = DEADLINES
    ) -> None:
        self.application = application
        self.connections_max = connections_max
        self.deadlines = deadlines
        self.connections: set[Connection] = set()
        self._by_peer: Counter[str] = Counter()
        self.buffered_bytes = 0
        self.is_draining = False

    def connection(self) -> "Connection":
        """A protocol for a client that has just connected."""
        return Connection(self)

    def admit(self, connection: "Connection") -> None:
        """Count a connection in, and close idle ones where it is one too many."""
        self.connections.add(connection)
        self._by_peer[connection.peer] += 1
        if self._is_peer_full(connection.peer):
            self._close_idle([each for each in self.connections if each.peer == connection.peer])
        elif self.excess > 0:
            self._close_idle(self.connections)

    def is_full(self, peer: str) -> bool:
        """Return whether there are too many connections, of all or of this peer."""
        return self.excess > 0 or self._is_peer_full(peer)

    @property
    def excess(self) -> int:
        """The connections over the limit."""
        return len(self.connections) - self.connections_max

    def remove(self, connection: "Connection") -> None:
        """Forget a connection that is closed, once."""
        if connection in self.connections:
            self.connections.remove(connection)
            self._by_peer[connection.peer] -= 1
            if not self._by_peer[connection.peer]:
                del self._by_peer[connection.peer]

    def _is_peer_full(self, peer: str) -> bool:
        return self._by_peer[peer] > max(1, self.connections_max * PEER_SHARE)

    def _close_idle(self, connections: Iterable["Connection"]) -> None:
        """Close the connections that have been idle for longest."""
        number = min(CLOSED_AT_ONCE, 1 + self.connections_max // 100)
        idle = [each for each in connections if each.is_idle]
        newest = max(idle, key=_deadline, default=None)  # whoever has just come
        for connection in nsmallest(number, idle, key=_deadline):
            if connection is not newest:
                connection.close_idle()
                self.remove(connection)

    def sweep(self, now_s: float) -> None:
        """End connections that are past their deadline; called several times a second."""
        for connection in tuple(self.connections):
            if now_s > connection.deadline_s:
                connection.overdue()

    def drain(self) -> None:
        """Close what is idle; what is in hand is answered with `Connection: close`."""
        self.is_draining = True
        for connection in tuple(self.connections):
            connection.drain()

    def abort(self) -> None:
        """Cut every connection that is left."""
        for connection in tuple(self.connections):
            connection.abort()


def _deadline(connection: "Connection") -> float:
    return connection.deadline_s


class Connection(asyncio.Protocol):
    """One client. Requests may be pipelined; one is in hand, the others wait in order."""

    def __init__(self, server: Server) -> None:
        self.deadline_s = _NEVER_S
        self.peer = ""
        self._server = server
        self._deadlines = server.deadlines
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._reading: Request | None = None  # whose bytes are coming in
        self._target = b""
        self._wire_bytes = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._is_head_complete = False
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._chunks = 0
        self._ready: deque[Request] = deque()
        self._in_hand: Request | None = None
        self._refused: int | None = None  # the status for what cannot be read any further
        self._is_last = False  # what comes after the requests that are ready is not read
        self._is_paused = False
        self._is_unread = False  # the client does not read its answers
        self._is_advancing = False
        self._is_closing = False

    # uvloop's transports are no subclasses of asyncio.Transport, so nothing can be asserted.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self.deadline_s = time.monotonic() + self._deadlines.idle_s
        self._server.admit(self)
        if self._server.excess > REFUSED_AT_A_TIME_MAX:
            transport.abort()
        elif self._server.is_full(self.peer):
            self._refused = 503
            self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._server.remove(self)
        self._forget_body()
        for request in self._ready:
            self._server.buffered_bytes -= len(request.body)
        self._ready.clear()
        request_in_hand, self._in_hand = self._in_hand, None
        if request_in_hand is not None:
            self._server.buffered_bytes -= len(request_in_hand.body)
            if request_in_hand.dropped is not None:
                request_in_hand.dropped()

    def data_received(self, data: bytes) -> None:
        if self._is_closing or self._is_last or self._refused is not None:
            return
        self._wire_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Answered as HTTP/1.1 all the same; what follows it is in another protocol.
            self._is_last = True
            self._ready[-1].keep_alive = False
        except httptools.HttpParserError:
            if not self._is_last:
                self._refused = self._refused or 400
        if self._reading is not None and self._refused is None and self._is_too_long():
            self._refused = 413
        self._advance()
        self._pause_if_ahead()

    def pause_writing(self) -> None:
        """Nothing is read or begun while answers pile up."""
        self._is_unread = True
        self._pause()

    def resume_writing(self) -> None:
        self._is_unread = False
        if self._in_hand is None and not self._is_closing:
            self._wait_for_client(self._deadlines.idle_s)
            self._read_on()
            self._advance()

    def eof_received(self) -> bool:
        """A client that stops in the middle of a request may still read why it is refused.

        One that has sent everything has gone: nobody would wait for its answer.
        """
        if self._reading is None or self._in_hand is not None or self._is_closing:
            return False
        self._refused = 400
        self._advance()
        return True

    def on_message_begin(self) -> None:
        request = Request(self.peer, time.monotonic())
        self._reading = request
        self._target = b""
        self._headers = []
        self._is_head_complete = False
        if self._in_hand is None:
            self.deadline_s = request.received_s + self._deadlines.head_s

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_head_complete:  # else it is a trailer, which API Gateway drops
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        request = self._reading
        assert request is not None
        self._is_head_complete = True
        request.method = self._parser.get_method().decode("ascii")
        request.protocol = f"HTTP/{self._parser.get_http_version()}"
        request.keep_alive = self._parser.should_keep_alive()
        refused = read_headers(request, self._headers) or head_error(request, self._target)
        if refused:
            self._refuse(refused)
        request.target = origin_form(self._target.decode("ascii", "replace"))
        fields = request.fields
        if "expect" in fields and request.protocol != "HTTP/1.0":
            self._expected(fields["expect"])
        if self._in_hand is None and ("content-length" in fields or "transfer-encoding" in fields):
            self.deadline_s = time.monotonic() + self._deadlines.body_s

    def on_chunk_header(self) -> None:
        self._chunks += 1

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._body_bytes += len(body)
        self._server.buffered_bytes += len(body)
        if self._body_bytes > BODY_MAX_BYTES:
            self._refuse(413)
        if self._server.buffered_bytes > BUFFERED_MAX_BYTES:
            self._refuse(503)

    def on_message_complete(self) -> None:
        request, self._reading = self._reading, None
        assert request is not None
        if self._body:
            request.body = b"".join(self._body)
            self._body.clear()
            self._body_bytes = 0
        self._wire_bytes = self._chunks = 0
        self._is_last = not request.keep_alive
        if len(self._ready) >= PIPELINE_MAX:
            self._refuse(400)
        self._ready.append(request)

    def overdue(self) -> None:
        """The deadline has passed: of a request that comes in too slowly, or of an idle client."""
        transport = self._transport
        if transport is None:
            return
        if self._is_closing or transport.get_write_buffer_size():
            transport.abort()
        elif self._reading is not None:
            self._refused = 408
            self._advance()
        else:
            self._close(transport)

    @property
    def is_idle(self) -> bool:
        """Nothing is in hand, nothing is coming in, and every answer has been read."""
        return (
            self._in_hand is None
            and self._reading is None
            and not (self._ready or self._is_unread or self._is_closing)
        )

    def drain(self) -> None:
        """Close if nothing is in hand and nothing is coming in."""
        is_idle = self._in_hand is None and self._reading is None and not self._is_closing
        if is_idle:
            self.close_idle()

    def close_idle(self) -> None:
        """Close a connection on which nothing is owed."""
        if self._transport is not None:
            self._close(self._transport)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _refuse(self, status: int) -> None:
        self._refused = status
        raise _Refused

    def _expected(self, expectation: str) -> None:
        if expectation.lower() != "100-continue":
            self._refuse(417)
        # With an answer still owed the client has to wait; it sends the body unasked then.
        if self._in_hand is None and not self._ready and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _is_too_long(self) -> bool:
        """Return whether more has come around the body of an incomplete request than it may take.

        The parser keeps a line, such as a trailer, until its end; the body has a limit of its own.
        """
        limit = HEAD_MAX_BYTES + self._body_bytes + self._chunks * CHUNK_MAX_BYTES
        return self._wire_bytes > limit

    def _pause_if_ahead(self) -> None:
        """Read no further while an answer is owed and more requests have come in."""
        if self._in_hand is not None and (self._ready or self._reading is not None):
            self._pause()

    def _pause(self) -> None:
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _read_on(self) -> None:
        """Read again once nothing waits any more."""
        if self._transport is not None and not (self._ready or self._is_unread):
            self._is_paused = False
            self._transport.resume_reading()

    def _advance(self) -> None:
        """Give the requests that are ready to the application, one at a time."""
        if self._is_advancing:
            return
        self._is_advancing = True
        while self._ready and self._in_hand is None and not (self._is_closing or self._is_unread):
            self._hand_over(self._ready.popleft())
        self._is_advancing = False
        is_next = self._in_hand is None and not self._ready
        if is_next and self._refused is not None and not self._is_closing:
            self._answer_refused(self._refused)

    def _hand_over(self, request: Request) -> None:
        self._in_hand = request
        self.deadline_s = _NEVER_S
        request.reply = self._reply
        self._server.application.handle(request)

    def _answer_refused(self, status: int) -> None:
        request = self._reading or Request(self.peer, time.monotonic())
        request.keep_alive = False
        self._in_hand = request
        self._forget_body()
        request.reply = self._reply
        self._server.application.refuse(request, status)

    def _reply(self, status: int, header_lines: str, body: bytes) -> None:
        request, transport = self._in_hand, self._transport
        assert request is not None
        self._in_hand = None
        self._server.buffered_bytes -= len(request.body)
        if transport is None:
            return
        is_last = not request.keep_alive or self._server.is_draining
        transport.write(encode_answer(request, status, header_lines, body, is_last=is_last))
        if is_last:
            self._close(transport)
            return
        is_flushed = not transport.get_write_buffer_size()
        self._wait_for_client(self._deadlines.idle_s if is_flushed else self._deadlines.write_s)
        if self._is_paused:
            self._read_on()
        if self._ready or self._refused is not None:
            self._advance()

    def _wait_for_client(self, allowed_s: float) -> None:
        """Give it that long, or what a request may take whose beginning is there already."""
        if self._reading is not None:
            deadlines = self._deadlines
            allowed_s = deadlines.body_s if self._is_head_complete else deadlines.head_s
        self.deadline_s = time.monotonic() + allowed_s

    def _close(self, transport: asyncio.Transport) -> None:
        """Close after the last answer; a client that was still sending may read it first."""
        self._is_closing = True
        if self._refused is None:
            self.deadline_s = time.monotonic() + self._deadlines.write_s
            transport.close()
            return
        self.deadline_s = time.monotonic() + LINGER_S
        transport.write_eof()
        if self._is_paused:
            self._is_paused = False
            transport.resume_reading()

    def _forget_body(self) -> None:
        self._server.buffered_bytes -= self._body_bytes
        self._body.clear()
        self._body_bytes = 0
