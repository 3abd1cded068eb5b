"""One client of an HTTP/1.1 server on a bare protocol: reading, order of answers, sizes and times.

The application knows the meaning of a request. Whatever is not HTTP as it should be is answered
with an error and closed (RFC 9112), never interpreted.
"""

import asyncio
import time
from collections import deque

import httptools

from local.http.answer import encode_answer
from local.http.connections import Connections
from local.http.head import head_error, origin_form, read_headers
from local.http.limits import (
    CHUNK_MAX_BYTES,
    HEAD_MAX_BYTES,
    LINGER_S,
    Limits,
)
from local.http.request import Application, Request, no_reply

_NEVER_S = float("inf")


class _Refused(Exception):
    """The end of the parsing of a request that is answered with `Connection._refused`."""


class Connection(asyncio.Protocol):
    """One client. Requests may be pipelined; one is in hand, the others wait in order."""

    def __init__(self, application: Application, connections: Connections, limits: Limits) -> None:
        self.deadline_s = _NEVER_S
        self.peer = ""
        self._application = application
        self._connections = connections
        self._limits = limits
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
        self.deadline_s = time.monotonic() + self._limits.idle_s
        if self._connections.admit(self):
            return
        if self._connections.refuse(self):
            self._refused = 503
            self._advance()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._reading = None
        self._forget_parser()
        self._connections.remove(self)
        self._forget_body()
        for request in self._ready:
            self._connections.buffered_bytes -= len(request.body)
        self._ready.clear()
        request_in_hand, self._in_hand = self._in_hand, None
        if request_in_hand is not None:
            self._connections.buffered_bytes -= len(request_in_hand.body)
            request_in_hand.reply = no_reply
            if request_in_hand.dropped is not None:
                request_in_hand.dropped()

    def data_received(self, data: bytes) -> None:
        if self._is_closing or self._is_last or self._refused is not None:
            return
        self._wire_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Answered as HTTP/1.1 unless the application switches; what follows is in another.
            self._is_last = True
            self._ready[-1].keep_alive = False
            self._ready[-1].switch = self._switch
        except httptools.HttpParserError:
            if not self._is_last:
                self._refused = self._refused or 400
        if self._reading is not None and self._refused is None and self._is_too_long():
            self._refused = 413
        self._advance()
        self._pause_if_ahead()

    def pause_writing(self) -> None:
        """Read and begin nothing while answers pile up."""
        self._is_unread = True
        self._pause()

    def resume_writing(self) -> None:
        self._is_unread = False
        if self._in_hand is None and not self._is_closing:
            self._wait_for_client(self._limits.idle_s)
            self._read_on()
            self._advance()

    def eof_received(self) -> bool:
        """Let a client that stops in the middle of a request read why it is refused.

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
            self.deadline_s = request.received_s + self._limits.head_s

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
        refused = read_headers(request, self._headers) or head_error(
            request, self._target, self._limits.body_max_bytes
        )
        if refused:
            self._refuse(refused)
        request.target = origin_form(self._target.decode("ascii", "replace"))
        fields = request.fields
        if "expect" in fields and request.protocol != "HTTP/1.0":
            self._expected(fields["expect"])
        if self._in_hand is None and ("content-length" in fields or "transfer-encoding" in fields):
            self.deadline_s = time.monotonic() + self._limits.body_s

    def on_chunk_header(self) -> None:
        self._chunks += 1

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._body_bytes += len(body)
        self._connections.buffered_bytes += len(body)
        if self._body_bytes > self._limits.body_max_bytes:
            self._refuse(413)
        if self._connections.buffered_bytes > self._limits.buffered_max_bytes:
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
        if len(self._ready) >= self._limits.pipeline_max:
            self._refuse(400)
        self._ready.append(request)

    def overdue(self) -> None:
        """Act on a passed deadline: of a request that comes too slowly, or of an idle client."""
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
        """Return whether nothing is in hand or coming in, and every answer has been read."""
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

    def _switch(self, protocol: asyncio.Protocol) -> bool:
        """Give the connection to a protocol that is a member of the same connections."""
        transport, self._transport = self._transport, None
        request, self._in_hand = self._in_hand, None
        if transport is None or request is None:
            return False
        self._forget_parser()
        self._connections.buffered_bytes -= len(request.body)
        self._connections.remove(self)
        transport.set_protocol(protocol)
        transport.resume_reading()
        protocol.connection_made(transport)
        return True

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
        request.cut = self.abort
        self._application.handle(request)

    def _answer_refused(self, status: int) -> None:
        request = self._reading or Request(self.peer, time.monotonic())
        request.keep_alive = False
        self._in_hand = request
        self._forget_body()
        request.reply = self._reply
        self._application.refuse(request, status)

    def _reply(self, status: int, header_lines: str, body: bytes) -> None:
        request, transport = self._in_hand, self._transport
        assert request is not None
        self._in_hand = None
        self._connections.buffered_bytes -= len(request.body)
        if transport is None:
            return
        is_last = not request.keep_alive or self._connections.is_draining
        transport.write(encode_answer(request, status, header_lines, body, is_last=is_last))
        if is_last:
            self._close(transport)
            return
        is_flushed = not transport.get_write_buffer_size()
        self._wait_for_client(self._limits.idle_s if is_flushed else self._limits.write_s)
        if self._is_paused:
            self._read_on()
        if self._ready or self._refused is not None:
            self._advance()

    def _wait_for_client(self, allowed_s: float) -> None:
        """Give it that long, or what a request may take whose beginning is there already."""
        if self._reading is not None:
            limits = self._limits
            allowed_s = limits.body_s if self._is_head_complete else limits.head_s
        self.deadline_s = time.monotonic() + allowed_s

    def _close(self, transport: asyncio.Transport) -> None:
        """Close after the last answer; a client that was still sending may read it first."""
        self._is_closing = True
        if self._refused is None:
            self.deadline_s = time.monotonic() + self._limits.write_s
            transport.close()
            return
        self.deadline_s = time.monotonic() + LINGER_S
        transport.write_eof()
        if self._is_paused:
            self._is_paused = False
            transport.resume_reading()

    def _forget_parser(self) -> None:
        """Break the cycle with the parser, which holds this connection's methods.

        Left to the garbage collector, a thousand connections a second made it stop the loop for up
        to 0.1 s every three seconds.
        """
        del self._parser

    def _forget_body(self) -> None:
        self._connections.buffered_bytes -= self._body_bytes
        self._body.clear()
        self._body_bytes = 0
