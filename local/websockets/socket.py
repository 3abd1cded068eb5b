"""One client's connection, once its handshake is accepted: frames in and out, sizes and times.

Messages go to whoever made it; the protocol itself is wsproto's.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from local.http.connections import Connections
from local.http.request import Request as HttpRequest

# API Gateway's quotas:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
FRAME_MAX_BYTES = 32 * 1024
MESSAGE_MAX_BYTES = 128 * 1024
IDLE_S = 600.0
LIFE_S = 7200.0
CLOSES_WITHIN_S = 5.0  # a client may take to answer that the connection ends
IN_HAND_MAX = 32  # messages whose functions have not answered; beyond, nothing is read
UNREAD_MAX_BYTES = 1024 * 1024  # that a client has not read; one that is slower is cut

NORMAL, GOING_AWAY, UNSUPPORTED, ABNORMAL, TOO_BIG = 1000, 1001, 1003, 1006, 1009


class BadHandshake(ValueError):
    """A request that asks for no WebSocket as it should; the message says why."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The receivers of what a client says."""

    message: Callable[[str], None]
    closed: Callable[[int, str], None]  # with the code and the reason


class Socket(asyncio.Protocol):
    """The connection of one client, as a member of its server's."""

    def __init__(self, request: HttpRequest, ends: Ends, connections: Connections) -> None:
        """Take the request of the handshake. Raises BadHandshake."""
        self.peer = request.peer
        self.active_s = time.time()
        self.deadline_s = time.monotonic() + IDLE_S
        self._dies_s = time.monotonic() + LIFE_S
        self._ends = ends
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._in_hand = 0
        self._text: list[str] = []
        self._frame_bytes = self._message_bytes = 0
        self._end: tuple[int, str] | None = None
        self._protocol = WSConnection(ConnectionType.SERVER)
        headers = [(name.encode(), value.encode()) for name, _, value in request.headers]
        try:
            self._protocol.initiate_upgrade_connection(headers, request.target)
            self._handshake = next(each for each in self._protocol.events())
        except (RemoteProtocolError, LocalProtocolError, StopIteration) as error:
            raise BadHandshake(str(error)) from error

    def accepts(self, subprotocol: str | None) -> bytes:
        """Return the answer to the handshake."""
        assert isinstance(self._handshake, Request)
        offered = self._handshake.subprotocols
        choice = subprotocol if subprotocol in offered else None
        return self._protocol.send(AcceptConnection(subprotocol=choice))

    # uvloop's transports are no subclasses of asyncio.Transport, so nothing can be asserted.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        if not self._connections.admit(self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.remove(self)
        self._ends.closed(*(self._end or (ABNORMAL, "")))

    def begin(self, accepted: bytes) -> None:
        """Send the answer to the handshake, after which messages come."""
        if self._transport is not None:
            self._transport.write(accepted)

    def data_received(self, data: bytes) -> None:
        self._alive()
        try:
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                self._take(event)
        except RemoteProtocolError as error:
            hint = error.event_hint
            self.close(hint.code if isinstance(hint, CloseConnection) else 1002, str(error))

    def send(self, text: str) -> bool:
        """Send a message; False where the client has gone, or does not read."""
        transport = self._transport
        if transport is None or self._end is not None:
            return False
        if transport.get_write_buffer_size() > UNREAD_MAX_BYTES:
            transport.abort()
            return False
        self._alive()
        transport.write(self._protocol.send(TextMessage(text)))
        return True

    def close(self, code: int, reason: str = "") -> None:
        """End the connection, which its client is told."""
        if self._transport is None or self._end is not None:
            return
        self._end = (code, reason)
        self.deadline_s = time.monotonic() + CLOSES_WITHIN_S
        self._transport.write(self._protocol.send(CloseConnection(code, reason[:100])))
        self._transport.resume_reading()

    def done(self) -> None:
        """Note that a message is answered: another may be read."""
        self._in_hand -= 1
        if self._in_hand == IN_HAND_MAX - 1 and self._transport is not None:
            self._transport.resume_reading()

    def _take(self, event: object) -> None:
        if isinstance(event, Ping) and self._transport is not None and self._end is None:
            self._transport.write(self._protocol.send(event.response()))
        elif isinstance(event, CloseConnection):
            self._closed_by_client(event)
        elif self._end is not None:
            return
        elif isinstance(event, BytesMessage):
            self.close(UNSUPPORTED, "binary messages are not supported")
        elif isinstance(event, TextMessage):
            self._part(event)

    def _part(self, part: TextMessage) -> None:
        size = len(part.data.encode())
        self._frame_bytes += size
        self._message_bytes += size
        if self._frame_bytes > FRAME_MAX_BYTES or self._message_bytes > MESSAGE_MAX_BYTES:
            self.close(TOO_BIG, "Message too long")
            return
        self._text.append(part.data)
        if part.frame_finished:
            self._frame_bytes = 0
        if part.message_finished:
            text = "".join(self._text)
            self._text.clear()
            self._message_bytes = 0
            self._in_hand += 1
            if self._in_hand >= IN_HAND_MAX and self._transport is not None:
                self._transport.pause_reading()
            self._ends.message(text)

    def _closed_by_client(self, event: CloseConnection) -> None:
        transport = self._transport
        if transport is None:
            return
        if self._end is None:
            self._end = (int(event.code), event.reason or "")
            transport.write(self._protocol.send(event.response()))
        transport.close()

    def _alive(self) -> None:
        if self._end is None:
            self.active_s = time.time()
            self.deadline_s = min(time.monotonic() + IDLE_S, self._dies_s)

    @property
    def is_idle(self) -> bool:
        """Tell that it is never closed to make room for others."""
        return False

    def overdue(self) -> None:
        """End a connection that is idle, too old, or whose client does not answer its end."""
        if self._end is None:
            self.close(GOING_AWAY, "Going away")
        else:
            self.abort()

    def drain(self) -> None:
        """End it, because the server does."""
        self.close(GOING_AWAY, "Going away")

    def close_idle(self) -> None:
        """End it; nobody asks for that, as it is never idle."""
        self.close(GOING_AWAY, "Going away")

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()
