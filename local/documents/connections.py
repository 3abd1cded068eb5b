"""The connections of clients: frames cut out of bytes, and bounds on their number and memory."""

import asyncio
import logging
import time
from collections.abc import Callable

from local.documents import wire
from local.documents.errors import DocumentsError

CONNECTIONS_MAX = 1_000  # one more, and the one that was silent for longest is closed
FRAME_S = 30  # how long a frame may take to arrive
SMALL_BYTES = 64 * 1024  # a frame so small is never one too many
BUFFERED_BYTES_MAX = 4 * wire.MESSAGE_BYTES_MAX  # of all frames that still arrive or wait

log = logging.getLogger(__name__)


class Connections:
    """All open connections, with the bounds on what they hold together."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: "Connection") -> None:
        """Count a new connection; one too many closes the one that was silent for longest."""
        self._open.add(connection)
        if len(self._open) > CONNECTIONS_MAX:
            idlest = min(self._open, key=lambda each: each.active_at_s)
            log.warning("the idlest of %d connections is closed", len(self._open))
            self._open.discard(idlest)
            idlest.close()

    def discard(self, connection: "Connection") -> None:
        self._open.discard(connection)

    def bound_buffers(self, connection: "Connection") -> None:
        """Close a connection whose frame is one too many to hold with the others."""
        if len(connection.buffer) <= SMALL_BYTES:
            return
        if sum(len(each.buffer) for each in self._open) > BUFFERED_BYTES_MAX:
            log.warning("connection closed: unfinished frames hold %d bytes", BUFFERED_BYTES_MAX)
            connection.drop()

    def close_late(self, now_s: float) -> None:
        """Close connections whose frame began more than FRAME_S ago and is not there yet."""
        for connection in list(self._open):
            if connection.is_late(now_s):
                log.warning("connection closed: a frame took more than %d s", FRAME_S)
                connection.drop()

    async def close(self, timeout_s: float) -> None:
        """Close every connection behind the answers that are on their way."""
        for connection in list(self._open):
            connection.close()
        deadline_s = time.monotonic() + timeout_s
        while self._open and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)


class Connection(asyncio.Protocol):
    """One client, whose bytes are cut into frames; nothing is read while it reads no answers.

    `answer` takes a frame, or returns False: the frame then waits here, and nothing more is read,
    until somebody calls `resume`.
    """

    def __init__(
        self, connections: Connections, answer: Callable[["Connection", bytes], bool]
    ) -> None:
        self._connections = connections
        self._answer = answer
        self._transport: asyncio.Transport
        self._is_waiting = False  # a frame is, until somebody calls `resume`
        self._is_full = False  # with answers that the client does not read
        self.buffer = bytearray()
        self._frame_since_s = self.active_at_s = time.monotonic()

    # uvloop's transport has asyncio.Transport's methods, but not its type.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self.active_at_s = time.monotonic()
        if not self.buffer:
            self._frame_since_s = self.active_at_s
            try:
                if len(data) == wire.frame_length(data) and self._answer(self, data):
                    return
            except DocumentsError as error:
                self._refuse(error)
                return
        self.buffer += data
        self._cut()
        self._connections.bound_buffers(self)

    def _cut(self) -> None:
        """Give away the frames that are whole, up to one that has to wait."""
        self._is_waiting = False
        try:
            while 0 < (length := wire.frame_length(self.buffer)) <= len(self.buffer):
                if not self._answer(self, bytes(self.buffer[:length])):
                    self._is_waiting = True
                    self._transport.pause_reading()
                    return
                del self.buffer[:length]
                self._frame_since_s = self.active_at_s
        except DocumentsError as error:
            self._refuse(error)

    def resume(self) -> None:
        """Offer the frame that waited again, and those behind it."""
        self._frame_since_s = self.active_at_s = time.monotonic()
        self._cut()
        self._read_on()

    def reply(self, request: wire.Request, body: wire.Body) -> None:
        if request.wants_reply and not self._transport.is_closing():
            self._transport.write(wire.reply(request.id, request.operation, body))

    def is_late(self, now_s: float) -> bool:
        """Tell whether a frame began more than FRAME_S ago and is not there yet."""
        unfinished = bool(self.buffer) and not self._is_waiting
        return unfinished and now_s - self._frame_since_s > FRAME_S

    def pause_writing(self) -> None:
        self._is_full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_full = False
        self._read_on()

    def _read_on(self) -> None:
        if not (self._is_waiting or self._is_full):
            self._transport.resume_reading()

    def _refuse(self, error: DocumentsError) -> None:
        log.warning("connection closed: %s", error)
        self._transport.close()

    def drop(self) -> None:
        """Give up what arrived of a frame, and the connection with it."""
        self.buffer = bytearray()
        self._transport.close()

    def close(self) -> None:
        self._transport.close()
