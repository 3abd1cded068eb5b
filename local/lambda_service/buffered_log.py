"""Log files that cost the hot path no system call: lines are kept and written together.

`flush` is called once a second; each file has one older generation beside it.
"""

import logging
from pathlib import Path

log = logging.getLogger(__name__)

# Two generations of an access log hold about half a million requests.
FILE_MAX_BYTES = 64 * 1024 * 1024
# Between two flushes: ten times what the access log of 5,000 requests a second takes.
PENDING_MAX_BYTES = 16 * 1024 * 1024


class BufferedLog:
    """Lines on their way to one file."""

    def __init__(self, path: Path, *, max_bytes: int = FILE_MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self.dropped = 0

    def append(self, line: bytes) -> None:
        """Keep a line, which ends in a line feed, for the next flush.

        Beyond PENDING_MAX_BYTES it is dropped and counted.
        """
        self._pending_bytes += len(line)
        if self._pending_bytes <= PENDING_MAX_BYTES:
            self._pending.append(line)
        else:
            self._pending_bytes -= len(line)
            self.dropped += 1

    def flush(self) -> None:
        """Write what is pending, and begin a new file where this one is full."""
        if not self._pending:
            return
        lines, self._pending = self._pending, []
        self._pending_bytes = 0
        try:
            with self._path.open("ab") as file:
                file.write(b"".join(lines))
                is_full = file.tell() > self._max_bytes
            if is_full:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        except OSError as error:
            self.dropped += len(lines)
            log.warning("cannot write %s: %s", self._path, error)
