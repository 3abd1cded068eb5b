"""The write-ahead log: made durable, copied into the data file and begun anew, all in threads.

A COMMIT appends frames and waits for nothing. `sync` then makes them durable. A power
cut loses no synced frame, and of the others whole commits from some point on: the checksum of each
frame covers all frames before it.
"""

import os
import queue
import sqlite3
import struct
import threading
from asyncio import AbstractEventLoop, Future
from contextlib import ExitStack
from pathlib import Path

from local.documents import metrics
from local.documents.data_file import PAGE_BYTES, connect, log_path, sync_folders, write_log_again

_FRAMES = struct.Struct("=16xI")  # where the wal-index says how many frames the log has


class Unsynced(Exception):
    """The disk refused a sync: its contents are unknown from now on."""


class Syncs:
    """The thread that syncs the log, on one queue: an executor's thread would cost more a call."""

    def __init__(self, wal: "WriteAheadLog", loop: AbstractEventLoop) -> None:
        self._wal = wal
        self._loop = loop
        self._requests: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="syncs", daemon=True).start()

    def sync(self) -> Future[None]:
        """Return a future that ends when all commits until now are durable, or raises Unsynced."""
        future: Future[None] = self._loop.create_future()
        self._requests.put(future)
        return future

    def _run(self) -> None:
        while True:
            future = self._requests.get()
            try:
                self._wal.sync()
            except Unsynced as error:
                self._loop.call_soon_threadsafe(future.set_exception, error)
            else:
                self._loop.call_soon_threadsafe(future.set_result, None)


class WriteAheadLog:
    """The log of one data file, and the connection that copies it; opened first, closed last."""

    def __init__(self, path: Path) -> None:
        write_log_again(path)
        self._connection = connect(path)
        self._checkpoints = threading.Lock()  # one at a time
        with ExitStack() as undone:
            undone.callback(self._connection.close)
            self.restart()
            sync_folders(path)
            self._log = os.open(log_path(path), os.O_RDONLY)
            # Never closed: that would drop every lock that SQLite holds on this file.
            self._index = os.open(path.with_name(path.name + "-shm"), os.O_RDONLY)
            undone.pop_all()  # it is open

    def bytes(self) -> int:
        """Return how long the log is, without what is left of an earlier, longer one."""
        (frames,) = _FRAMES.unpack(os.pread(self._index, _FRAMES.size, 0))
        return int(frames) * PAGE_BYTES

    def sync(self) -> None:
        """Make all commits until now durable. Raises Unsynced, after which nothing is sure."""
        try:
            with metrics.syncs.time():
                os.fdatasync(self._log)
        except OSError as error:
            raise Unsynced(f"the write-ahead log was not synced: {error}") from error

    def copy(self) -> None:
        """Sync the log and copy it into the data file, while others read and write."""
        self._checkpoint("copy", "PRAGMA wal_checkpoint(PASSIVE)")

    def restart(self) -> bool:
        """Copy the rest and begin the log anew, unless a reader needs it; nobody may write then.

        The first frame of the new log is written here, because its header must be durable before
        any other frame: behind the old header a part of the old frames would count again.
        """
        (busy, _, _) = self._checkpoint("restart", "PRAGMA wal_checkpoint(RESTART)")
        if busy:
            return False
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        self._checkpoint("header", f"PRAGMA user_version = {1 - version}")
        return True

    def _checkpoint(self, step: str, statement: str) -> tuple[int, int, int]:
        try:
            with self._checkpoints, metrics.checkpoints.labels(step).time():
                return self._connection.execute(statement).fetchone()  # type: ignore[no-any-return]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.endswith("FSYNC"):
                raise Unsynced(f"the data file was not synced: {error}") from error
            raise

    def close(self) -> None:
        """Copy everything into the data file and delete the log."""
        with self._checkpoints:
            self._connection.close()
        os.close(self._log)
