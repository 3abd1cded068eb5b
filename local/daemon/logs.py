"""The processes' logs: kept below a bound, and shown."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

LOG_MAX_BYTES = 50 * 1024 * 1024
TAIL_BYTES = 256 * 1024  # what is read of a log to find its last lines
FOLLOW_PAUSE_S = 0.2
OF_PLATFORM = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
JSON_PLATFORM = '"type":"platform.'


def path_of(state: Path, name: str) -> Path:
    return state / "logs" / f"{name}.log"


def bound(path: Path) -> None:
    """Move what `path` holds to `path`.1 once it is over LOG_MAX_BYTES.

    Copied, then emptied, because the writer goes on appending to the same open file.
    """
    if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        os.truncate(path, 0)


def tail(path: Path, lines: int) -> list[str]:
    """Return the last `lines` lines, or what of them stands in the last TAIL_BYTES."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return _lines(file.read())[-lines:] if lines else []
    except FileNotFoundError:
        return []


def is_of_platform(line: str) -> bool:
    """Return whether Lambda itself says this about one event."""
    return line.startswith(OF_PLATFORM) or (line.startswith('{"time":') and JSON_PLATFORM in line)


def printable(text: str) -> str:
    """Return words of strangers without what would steer a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def follow(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Return each line that is appended to `paths` from now on, with its path, for ever."""
    return _appended({path: _size(path) for path in paths})


def _appended(read_bytes: dict[Path, int]) -> Iterator[tuple[Path, str]]:
    while True:
        for path, position in read_bytes.items():
            size = _size(path)
            start = position if size >= position else 0  # it was emptied by `bound`
            if size == start:
                continue
            with path.open("rb") as file:
                file.seek(start)
                chunk = file.read(TAIL_BYTES)
            # A line that is still being written, or one longer than a chunk.
            end = chunk.rfind(b"\n") + 1 or (len(chunk) if len(chunk) == TAIL_BYTES else 0)
            read_bytes[path] = start + end
            for line in _lines(chunk[:end]):
                yield path, line
        time.sleep(FOLLOW_PAUSE_S)


def _lines(read: bytes) -> list[str]:
    """Split at line feeds alone: a client's name may hold other characters that end a line."""
    text = read.decode(errors="replace").removesuffix("\n")
    return text.split("\n") if text else []


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
