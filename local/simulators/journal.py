"""An append-only file of JSON lines, numbered from 1, that outlives the process writing it.

Group commit, repair at start and reading by number; what a line means its writer knows.
"""

import asyncio
import fcntl
import logging
import os
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path

log = logging.getLogger(__name__)

PAGE_BYTES_MAX = 4 * 1024 * 1024  # a page of a thousand ordinary lines is well below 3 MiB
READ_BYTES = 1024 * 1024  # the chunk in which a torn tail is searched at start


class JournalError(Exception):
    """The journal cannot be opened; the sentence says what to do."""


class Journal:
    """A file of lines, acknowledged once they are written, all lines of one loop turn together.

    With `sync` a line survives a power failure (one fdatasync a turn), without it the death of the
    process. Only the offsets of the lines stay in memory, 8 bytes a line.
    """

    def __init__(self, path: Path, *, sync: bool) -> None:
        self.path = path
        self._sync = sync
        self._file = _open_alone(path)
        self._offsets = array("Q", [0])  # where line n ends is where line n + 1 starts
        self._pending: list[bytes] = []
        self._acknowledge: list[Callable[[], None]] = []
        _cut_torn_line(self._file, path)

    def __len__(self) -> int:
        """Return the number of lines that are written."""
        return len(self._offsets) - 1 - len(self._pending)

    @property
    def next_number(self) -> int:
        """Return the number that the line appended next will have."""
        return len(self._offsets)

    def replay(self) -> Iterator[bytes]:
        """Read every line that an earlier process left, once, before the first `append`."""
        with open(self._file, "rb", buffering=READ_BYTES, closefd=False) as lines:
            for line in lines:
                self._offsets.append(self._offsets[-1] + len(line))
                yield line

    def append(self, line: bytes, acknowledge: Callable[[], None]) -> None:
        """Write `line` and a newline after this loop turn; then call `acknowledge`."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._commit)
        self._pending.append(line + b"\n")
        self._acknowledge.append(acknowledge)
        self._offsets.append(self._offsets[-1] + len(line) + 1)

    def page(self, after: int, limit: int) -> list[bytes]:
        """Return up to `limit` lines after `after`; fewer where they are long, at least one."""
        last = min(after + limit, len(self))
        if after >= last:
            return []
        start = self._offsets[after]
        fits = bisect_right(self._offsets, start + PAGE_BYTES_MAX, after, last + 1) - 1
        last = max(fits, after + 1)
        return os.pread(self._file, self._offsets[last] - start, start).splitlines()

    def line(self, number: int) -> bytes:
        """Return the line with this number; IndexError if there is none."""
        if number < 1:
            raise IndexError(number)
        return self.page(number - 1, 1)[0]

    def close(self) -> None:
        """Write what is pending and give the file free for another process."""
        self._commit()
        os.close(self._file)

    def _commit(self) -> None:
        """Write the pending lines; a failure ends the process, as nobody knows what is on disk.

        The lines were not acknowledged, and the next start repairs the file.
        """
        if not self._pending:
            return
        try:
            _write_all(self._file, b"".join(self._pending))
            if self._sync:
                os.fdatasync(self._file)
        except OSError as error:
            log.critical("journal %s cannot be written: %s; stopping", self.path, error.strerror)
            raise SystemExit(1) from error
        acknowledge = self._acknowledge
        self._pending, self._acknowledge = [], []
        for call in acknowledge:
            call()


def _open_alone(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"journal {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise JournalError(f"journal {path} is in use: stop the process that writes it") from error
    _sync_folder(path.parent)
    return file


def _sync_folder(folder: Path) -> None:
    """Sync a folder: a new file is not on disk before its folder's entry is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cut_torn_line(file: int, path: Path) -> None:
    """Cut what a killed process left without its newline; it had not been acknowledged."""
    size = os.fstat(file).st_size
    end = size
    while end > 0:
        start = max(0, end - READ_BYTES)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        log.warning("journal %s: cut a torn last line of %d bytes", path, size - end)
        os.ftruncate(file, end)


def _write_all(file: int, lines: bytes) -> None:
    rest = memoryview(lines)
    while rest:
        rest = rest[os.write(file, rest) :]
