"""The data file on disk: its lock, its connections, and the log that a killed server left."""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO

CACHE_KIB = 64 * 1024  # pages of the indexes that stay in memory
PAGE_BYTES = 4096  # SQLite's own default
KEPT_LOG_BYTES = 16 * 1024 * 1024  # of a longer log, so much is used again: that syncs faster
BUSY_S = 0.5  # somebody who looks into the file with other tools may hold its lock so long


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection that never checkpoints by itself."""
    connection = sqlite3.connect(
        path,
        timeout=BUSY_S,
        isolation_level=None,
        cached_statements=1024,
        check_same_thread=False,  # checkpoints run in threads, one at a time
    )
    for pragma in (
        "journal_mode = WAL",
        # A checkpoint syncs the log before it copies, and the file before the log is used again,
        # whose header is then synced before its first frame; a commit syncs nothing.
        "synchronous = NORMAL",
        "secure_delete = OFF",  # zeroing what is freed costs a page write each
        f"cache_size = -{CACHE_KIB}",
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {KEPT_LOG_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def lock(path: Path) -> IO[bytes]:
    """Hold a lock beside the file: two servers would not see each other's catalogue."""
    file = path.with_name(path.name + ".lock").open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise OSError(error.errno, f"{path} is in use by another documents server") from error
    return file


def log_path(path: Path) -> Path:
    """Return the write-ahead log that SQLite keeps beside the file."""
    return path.with_name(path.name + "-wal")


def write_log_again(path: Path) -> None:
    """Make the log of a killed server durable. Raises OSError.

    After a sync that failed, the kernel takes pages for clean that never reached the disk: another
    sync would do nothing for them. Written again they are.
    """
    try:
        file = log_path(path).open("r+b")
    except FileNotFoundError:
        return
    with file:
        content = file.read()
        file.seek(0)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folders(path: Path) -> None:
    """Make the names of new files durable, and that of their folder."""
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
