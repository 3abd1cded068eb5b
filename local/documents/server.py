"""The group commit: writes of a few milliseconds are committed together, and synced in a thread.

Reads are answered at once, from what is written, durable or not: MongoDB's read concern "local".
A write, and a read with the concern "majority", is answered when everything before it is durable.
"""

import asyncio
import logging
import sqlite3
import time

from local.documents import metrics, wire
from local.documents.commands import Commands, is_durable, is_long, is_write
from local.documents.connections import Connection, Connections
from local.documents.errors import DocumentsError
from local.documents.store import Store
from local.documents.turns import turns
from local.documents.write_ahead_log import Syncs, Unsynced, WriteAheadLog

SWEEP_S = 60  # how often TTL indexes are swept, as MongoDB does
HOUSE_S = 5  # between two looks at what else there is to keep in order
COPY_BYTES = 16 * 1024 * 1024  # a log so long is copied into the data file
LOG_BYTES_MAX = 64 * 1024 * 1024  # writes wait until one so long has been copied
# Commits are at least this far apart: one costs 200 us of CPU and a sync, whatever is in it.
# After a pause the first write is committed at once.
COMMIT_EVERY_S = 0.003

log = logging.getLogger(__name__)


class Server:
    """The server of one store; one group of writes becomes durable while the next is built."""

    def __init__(self, store: Store, wal: WriteAheadLog) -> None:
        self.commands = Commands(store)
        self.connections = Connections()
        self._store = store
        self._wal = wal
        self._loop = asyncio.get_running_loop()
        self._syncs = Syncs(wal, self._loop)
        self._group: list[tuple[Connection, wire.Request, wire.Body]] = []  # not committed yet
        self._is_syncing = False
        self._due = asyncio.Event()  # there is something to commit, or to do behind a commit
        self._may_write = asyncio.Event()  # cleared while the log begins anew
        self._may_write.set()
        self._held_back: set[Connection] = set()  # their next frame writes, and may not yet
        self._restart_is_due = False
        self._restart_not_before_s = 0.0
        self._is_stopping = False
        turns.is_stopping = False
        turns.may_write = self._may_write.is_set
        turns.begin_writing = self._begin_again
        metrics.connections.set_function(lambda: len(self.connections))
        metrics.log_bytes.set_function(wal.bytes)

    def answer(self, connection: Connection, frame: bytes) -> bool:
        """Run the command in a frame; False if it has to wait until writes are allowed."""
        request = wire.parse(frame)
        if (self._is_stopping or not self._may_write.is_set()) and is_write(request.body):
            self._held_back.add(connection)
            return False
        if is_long(request.body):
            turns.take(lambda: self._answer(connection, request))
        else:
            self._answer(connection, request)
        return True

    def _answer(self, connection: Connection, request: wire.Request) -> None:
        body = self._run(request)
        if (self._store.writing or self._is_syncing) and is_durable(request.body):
            self._group.append((connection, request, body))
            self._due.set()
        else:
            connection.reply(request, body)

    def _begin_again(self) -> None:
        """Begin the next part of a write that stood back; what it wrote before is committed."""
        self._store.begin()
        self._due.set()

    def _run(self, request: wire.Request) -> wire.Body:
        try:
            return self.commands.run(request.body)
        except DocumentsError as error:
            return error.as_reply()
        except RecursionError:  # MongoDB allows a hundred levels, Python several hundred
            return DocumentsError(15, "the command is nested too deeply").as_reply()
        except sqlite3.Error as error:
            return self._abandon(error)

    async def write(self) -> None:
        """Write group after group until `stop`. Raises Unsynced: then nothing more is durable."""
        next_commit_s = 0.0
        while not self._is_stopping or self._group:
            await self._due.wait()
            self._due.clear()
            await asyncio.sleep(next_commit_s - self._loop.time())
            next_commit_s = self._loop.time() + COMMIT_EVERY_S
            await self._write_group()

    def stop(self) -> None:
        """Have `write` return behind what is there to write, and no client write any more."""
        self._is_stopping = turns.is_stopping = True
        self._due.set()

    async def _write_group(self) -> None:
        writing = self._store.writing
        group = self._commit()
        restarting = self._takes_restart()
        if restarting:  # no transaction is open just now, and none begins before the end
            self._may_write.clear()
        if writing or group:
            self._is_syncing = True
            await self._syncs.sync()
            self._is_syncing = False
        for connection, request, body in group:
            connection.reply(request, body)
        if restarting:
            await self._restart_log()

    def _commit(self) -> list[tuple[Connection, wire.Request, wire.Body]]:
        """Commit what is written; return who is to be answered when it is durable."""
        try:
            if self._store.writing:
                with metrics.commits.time():
                    self._store.commit()
        except sqlite3.Error as error:
            self._abandon(error)
        group, self._group = self._group, []
        return group

    def _abandon(self, error: sqlite3.Error) -> dict[str, object]:
        """Roll back, and say so to everybody who waits for the commit."""
        log.error("the transaction was rolled back: %s", error)
        self._store.rollback()
        self.commands.cursors.close()
        refusal = DocumentsError(14031, f"nothing was stored: {error}").as_reply()
        for connection, request, _ in self._group:
            connection.reply(request, refusal)
        self._group = []
        return refusal

    def _takes_restart(self) -> bool:
        """Tell whether the log is to begin anew now."""
        due = self._restart_is_due or self._wal.bytes() > LOG_BYTES_MAX
        return due and self._loop.time() >= self._restart_not_before_s

    async def _restart_log(self) -> None:
        """Begin the log anew, then answer the writes that waited for it."""
        self._restart_is_due = False
        self._restart_not_before_s = self._loop.time() + HOUSE_S
        try:
            if await asyncio.to_thread(self._wal.restart):
                self._restart_not_before_s = 0.0
            else:
                log.warning("somebody else reads the data file, the log grows until they end")
        except sqlite3.Error as error:
            log.error("the log was not copied, it grows until that works: %s", error)
        self._may_write.set()
        waiting, self._held_back = self._held_back, set()
        for connection in waiting:
            connection.resume()
        turns.resume()

    async def keep_house(self) -> None:
        """Keep the log short, close idle cursors and late frames, delete what has expired."""
        next_sweep_s = time.monotonic() + SWEEP_S
        while True:
            await asyncio.sleep(HOUSE_S)
            try:
                self.connections.close_late(time.monotonic())
                self.commands.cursors.expire(time.monotonic())
                await self._copy_log()
                if time.monotonic() >= next_sweep_s:
                    next_sweep_s = time.monotonic() + SWEEP_S
                    await self._sweep()
            except Unsynced:
                raise
            except sqlite3.Error as error:
                self._abandon(error)
            except Exception:  # edge: one round of the process; a bad duty must not end the rest
                log.exception("housekeeping failed, it goes on in %d s", HOUSE_S)

    async def _copy_log(self) -> None:
        """Copy the bulk of a long log; the few pages added meanwhile are copied behind a commit."""
        if self._wal.bytes() < COPY_BYTES:
            return
        try:
            await asyncio.to_thread(self._wal.copy)
        except sqlite3.Error as error:
            log.error("the log was not copied, it grows until that works: %s", error)
        else:
            self._restart_is_due = True
            self._due.set()

    async def _sweep(self) -> None:
        while await self._may_write.wait() and self._store.expire(time.time_ns() // 1_000_000):
            self._due.set()
            await asyncio.sleep(0)
