"""The output of a handler: bounded, and readable by its host after the process has died."""

import io
import mmap
from ctypes import c_size_t, sizeof
from typing import Any

STDOUT_MAX_BYTES = 256 * 1024  # Lambda's line limit; fits a frame even when each byte is escaped
_Counts = c_size_t * 2  # bytes kept, bytes cut


class KeptBytes(io.BufferedIOBase):
    """A buffer of the first STDOUT_MAX_BYTES written, and a count of the rest.

    Processes that are forked from this one keep what they write in the same memory.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, sizeof(_Counts) + STDOUT_MAX_BYTES)
        self._counts = _Counts.from_buffer(self._memory)

    def share(self, other: "KeptBytes") -> None:
        """Keep in the memory of another from now on."""
        self._memory, self._counts = other._memory, other._counts

    @property
    def name(self) -> str:
        return "<printed>"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """Return where a program writes that a handler starts: the log of the host."""
        return 1

    def write(self, chunk: Any) -> int:
        start, size = self._counts[0], len(chunk)
        part = min(size, STDOUT_MAX_BYTES - start)
        begin = sizeof(_Counts) + start
        self._memory[begin : begin + part] = chunk[:part]
        self._counts[0] = start + part
        if part < size:
            self._counts[1] += size - part
        return size

    def take(self) -> str:
        """Return what was written since the last call."""
        if not self._counts[0]:
            return ""
        (size, cut), begin = self._counts, sizeof(_Counts)
        printed = self._memory[begin : begin + size].decode(errors="replace")
        if cut:
            printed += f"\n[{cut} more bytes of output were cut]\n"
        self._counts[:] = [0, 0]
        return printed


class CapturedOutput(io.TextIOWrapper):
    """The stand-in for standard output and error."""

    def __init__(self) -> None:
        self.captured = KeptBytes()
        super().__init__(
            self.captured,
            encoding="utf-8",
            errors="backslashreplace",
            newline="\n",
            write_through=True,  # what waits here is lost with the process
        )

    def take(self) -> str:
        """Return what was printed since the last call."""
        return self.captured.take()
