"""Connections and the group commit: one fsync for all writes of a few milliseconds."""

import asyncio
import logging
import sqlite3
import time

from local.documents import wire
from local.documents.commands import Commands
from local.documents.errors import DocumentsError
from local.documents.store import Store

CONNECTIONS_MAX = 1_000  # one more, and the one that was silent for longest is closed
FRAME_S = 30  # how long a frame may take to arrive
UNFINISHED_SMALL_BYTES = 64 * 1024  # a frame so small is never one too many
UNFINISHED_BYTES_MAX = 4 * wire.MESSAGE_BYTES_MAX  # of all frames that are still arriving
SWEEP_S = 60  # how often TTL indexes are swept, as MongoDB does
CHECKPOINT_S = 5  # how long the write-ahead log may grow between checkpoints
# Commits are at least this far apart: one costs 200 us of CPU and an fsync, whatever is in it.
# After a pause the first write is committed at once.
COMMIT_EVERY_S = 0.003

log = logging.getLogger(__name__)


class Server:
    """Answers requests from a store; a write is answered when its transaction is durable."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.commands = Commands(store)
        self.connections: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Connection, wire.Request, wire.Body]] = []
        self._commit_is_due = False
        self._next_commit_s = 0.0  # by the loop's clock
        self._written = False  # since the last checkpoint

    def answer(self, connection: "Connection", frame: bytes) -> None:
        request = wire.parse(frame)
        body: wire.Body
        try:
            body = self.commands.run(request.body)
        except DocumentsError as error:
            body = error.as_reply()
        except RecursionError:  # MongoDB allows a hundred levels, Python several hundred
            body = DocumentsError(15, "the command is nested too deeply").as_reply()
        except sqlite3.Error as error:
            body = self._abandon(error)
        if not self.store.writing:
            connection.reply(request, body)
            return
        self._waiting.append((connection, request, body))
        if not self._commit_is_due:
            self._commit_is_due = True
            self._loop.call_at(self._next_commit_s, self.commit)

    def commit(self) -> None:
        """Make every write of this turn durable, then answer all who wait for it."""
        self._commit_is_due = False
        self._next_commit_s = self._loop.time() + COMMIT_EVERY_S
        try:
            if self.store.writing:
                self.store.commit()
                self._written = True
        except sqlite3.Error as error:
            self._abandon(error)
        waiting, self._waiting = self._waiting, []
        for connection, request, body in waiting:
            connection.reply(request, body)

    def _abandon(self, error: sqlite3.Error) -> dict[str, object]:
        """Nothing of this turn is stored: say so to everybody who waits."""
        log.error("the transaction was rolled back: %s", error)
        self.store.rollback()
        self.commands.cursors.close()
        body = DocumentsError(14031, f"nothing was stored: {error}").as_reply()
        self._waiting = [(connection, request, body) for connection, request, _ in self._waiting]
        return body

    def make_room(self) -> None:
        """Close the connection that was silent for longest."""
        idlest = min(self.connections, key=lambda connection: connection.active_at_s)
        log.warning("the idlest of %d connections is closed", len(self.connections))
        self.connections.discard(idlest)
        idlest.close()

    def bound_unfinished(self, connection: "Connection") -> None:
        """Close a connection whose frame is one too many to hold with the others."""
        if len(connection.buffer) <= UNFINISHED_SMALL_BYTES:
            return
        if sum(len(other.buffer) for other in self.connections) > UNFINISHED_BYTES_MAX:
            log.warning("connection closed: unfinished frames hold %d bytes", UNFINISHED_BYTES_MAX)
            connection.drop()

    def close_late(self, now_s: float) -> None:
        """Close connections whose frame began more than FRAME_S ago and is not there yet."""
        for connection in list(self.connections):
            if connection.buffer and now_s - connection.frame_since_s > FRAME_S:
                log.warning("connection closed: a frame took more than %d s", FRAME_S)
                connection.drop()

    async def close(self, timeout_s: float) -> None:
        """Close every connection behind the answers that are on their way."""
        for connection in list(self.connections):
            connection.close()
        deadline_s = time.monotonic() + timeout_s
        while self.connections and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)

    async def keep_house(self) -> None:
        """Keep the write-ahead log short, close idle cursors, delete what has expired."""
        next_sweep_s = time.monotonic() + SWEEP_S
        while True:
            await asyncio.sleep(CHECKPOINT_S)
            try:
                await self._checkpoint()
                self.close_late(time.monotonic())
                self.commands.cursors.expire(time.monotonic())
                if time.monotonic() >= next_sweep_s:
                    await self._sweep()
                    next_sweep_s = time.monotonic() + SWEEP_S
            except sqlite3.Error as error:
                self._abandon(error)
            except Exception:  # one bad duty must not end the others for good
                log.exception("housekeeping failed, it goes on in %d s", CHECKPOINT_S)

    async def _checkpoint(self) -> None:
        """Copy the bulk of the log in a thread; the few pages added meanwhile between two turns."""
        if self._written:
            self._written = False
            await asyncio.to_thread(self.store.checkpoint_beside)
            self.commit()
            self.store.checkpoint()

    async def _sweep(self) -> None:
        while self.store.expire(time.time_ns() // 1_000_000):
            self.commit()
            await asyncio.sleep(0)


class Connection(asyncio.Protocol):
    """Cuts a client's bytes into frames; a client that does not read its answers is not read."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport
        self.buffer = bytearray()
        self.frame_since_s = self.active_at_s = time.monotonic()

    # uvloop's transport has asyncio.Transport's methods, but not its type.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._server.connections.add(self)
        if len(self._server.connections) > CONNECTIONS_MAX:
            self._server.make_room()

    def connection_lost(self, _: Exception | None) -> None:
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self.active_at_s = time.monotonic()
        if not self.buffer:
            self.frame_since_s = self.active_at_s
        try:
            if not self.buffer and len(data) == wire.frame_length(data):
                self._server.answer(self, data)
                return
            self.buffer += data
            while 0 < (length := wire.frame_length(self.buffer)) <= len(self.buffer):
                frame = bytes(self.buffer[:length])
                del self.buffer[:length]
                self._server.answer(self, frame)
                self.frame_since_s = self.active_at_s
            self._server.bound_unfinished(self)
        except DocumentsError as error:
            log.warning("connection closed: %s", error)
            self._transport.close()

    def reply(self, request: wire.Request, body: wire.Body) -> None:
        if request.wants_reply and not self._transport.is_closing():
            self._transport.write(wire.reply(request.id, request.operation, body))

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def drop(self) -> None:
        """Give up what arrived of a frame, and the connection with it."""
        self.buffer = bytearray()
        self._transport.close()

    def close(self) -> None:
        self._transport.close()
