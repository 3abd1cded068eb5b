"""An append-only file of JSON lines, numbered from 1, that outlives the process writing it.

Group commit, repair at start and reading by number; what a line means its writer knows. A file that
has grown long becomes the file before (`.1`), and the one that was that is dropped with its lines.
"""

import asyncio
import fcntl
import logging
import os
import re
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

PAGE_BYTES_MAX = 4 * 1024 * 1024  # a page of a thousand ordinary lines is well below 3 MiB
READ_BYTES = 1024 * 1024  # the chunk in which a torn tail is searched at start
NUMBER = re.compile(rb'"sequence":([1-9][0-9]{0,15})\b')


class JournalError(Exception):
    """The journal cannot be opened; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Retention:
    """The bound of a journal: two files, of which the older one is dropped by a third."""

    file_bytes: int  # of one file, and one commit
    least_s: float  # for which a line is kept though the file after it is long


class _File:
    """One file of a journal, and where each of its lines ends."""

    def __init__(self, path: Path, first: int) -> None:
        self.handle = _open_alone(path)
        self.first = first  # number of its first line
        self.ends = array("Q", [0])  # where line n ends is where line n + 1 starts
        _cut_torn_line(self.handle, path)

    @property
    def last(self) -> int:
        """Return the number of its last line, that before its first where it is empty."""
        return self.first + len(self.ends) - 2

    def replay(self) -> Iterator[bytes]:
        with open(self.handle, "rb", buffering=READ_BYTES, closefd=False) as lines:
            for line in lines:
                self.add(len(line))
                yield line

    def add(self, length: int) -> None:
        self.ends.append(self.ends[-1] + length)

    def page(self, after: int, last: int) -> list[bytes]:
        """Return the lines behind `after` to `last`; fewer where they are long, at least one."""
        low, high = after - self.first + 1, last - self.first + 1
        start = self.ends[low]
        fits = bisect_right(self.ends, start + PAGE_BYTES_MAX, low, high + 1) - 1
        end = self.ends[max(fits, low + 1)]
        return os.pread(self.handle, end - start, start).splitlines()


class Journal:
    """A file of lines, acknowledged once they are written, all lines of one loop turn together.

    With `sync` a line survives a power failure (one fdatasync a turn), without it the death of the
    process. Only the offsets of the lines stay in memory, 8 bytes a line.
    """

    def __init__(self, path: Path, retention: Retention, *, sync: bool) -> None:
        self.path = path
        self._retention = retention
        self._sync = sync
        self._pending: list[bytes] = []
        self._acknowledge: list[Callable[[], None]] = []
        self._file = _File(path, 1)
        self._path_before = path.with_suffix(f"{path.suffix}.1")
        self._before: _File | None = None
        if self._path_before.exists():
            self._before = _File(self._path_before, _first_number(self._path_before))

    def __len__(self) -> int:
        """Return the number of the last line that is written."""
        return self._file.last - len(self._pending)

    @property
    def next_number(self) -> int:
        """Return the number that the line appended next will have."""
        return self._file.last + 1

    @property
    def first(self) -> int:
        """Return the number of the oldest line that is kept."""
        return self._before.first if self._before else self._file.first

    def replay(self) -> Iterator[bytes]:
        """Read every line that an earlier process left, once, before the first `append`."""
        if self._before:
            yield from self._before.replay()
            self._file.first = self._before.last + 1
        yield from self._file.replay()

    def append(self, line: bytes, acknowledge: Callable[[], None]) -> None:
        """Write `line` and a newline after this loop turn; then call `acknowledge`."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._commit)
        self._pending.append(line + b"\n")
        self._acknowledge.append(acknowledge)
        self._file.add(len(line) + 1)

    def when_written(self, call: Callable[[], None]) -> None:
        """Call `call` once all lines that were appended so far are written."""
        if self._pending:
            self._acknowledge.append(call)
        else:
            call()

    def page(self, after: int, limit: int) -> tuple[list[bytes], int]:
        """Return up to `limit` kept lines after `after`, and the number of the last of them.

        They are fewer where they are long, or where a file ends.
        """
        after = max(after, self.first - 1)
        is_before = self._before is not None and after < self._before.last
        file = self._before if self._before and is_before else self._file
        last = min(after + limit, file.last if is_before else len(self))
        lines = file.page(after, last) if after < last else []
        return lines, after + len(lines)

    def line(self, number: int) -> bytes:
        """Return the line with this number; IndexError if there is none, or none any more."""
        if not self.first <= number <= len(self):
            raise IndexError(number)
        lines, _ = self.page(number - 1, 1)
        return lines[0]

    def close(self) -> None:
        """Write what is pending and give the file free for another process."""
        self._commit()
        for file in (self._before, self._file):
            if file:
                os.close(file.handle)

    def _commit(self) -> None:
        """Write the pending lines; a failure ends the process, as nobody knows what is on disk.

        The lines were not acknowledged, and the next start repairs the file.
        """
        if not self._pending:
            return
        try:
            _write_all(self._file.handle, b"".join(self._pending))
            if self._sync:
                os.fdatasync(self._file.handle)
            self._pending = []
            if self._file.ends[-1] >= self._retention.file_bytes and self._may_drop():
                self._begin_file()
        except OSError as error:
            log.critical("journal %s cannot be written: %s; stopping", self.path, error.strerror)
            raise SystemExit(1) from error
        acknowledge, self._acknowledge = self._acknowledge, []
        for call in acknowledge:
            call()

    def _may_drop(self) -> bool:
        """Return whether the file before is old enough to go, or not there."""
        if self._before is None:
            return True
        written_s = os.fstat(self._before.handle).st_mtime
        return time.time() - written_s >= self._retention.least_s

    def _begin_file(self) -> None:
        """Make the file the one before; a kill at any line leaves a journal without a gap."""
        os.replace(self.path, self._path_before)
        if self._before:
            os.close(self._before.handle)
        self._before = self._file
        self._file = _File(self.path, self._before.last + 1)
        log.info("journal %s begins anew, lines from %d on are kept", self.path, self.first)


def _first_number(path: Path) -> int:
    """Return the number of a file's first line, as its writer has put it there."""
    with path.open("rb") as lines:
        match = NUMBER.search(lines.readline())
    if match is None:
        raise JournalError(f"journal {path} does not begin with a numbered line; move it away")
    return int(match[1])


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
