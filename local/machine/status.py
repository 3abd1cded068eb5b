"""The state of the running system as a file, and the lock that says whether a supervisor lives."""

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from local.daemon.terminate import is_alive

# Of a process's start time, which psutil adds to the kernel's whole second of the boot: that second
# moves when the clock is set.
START_TOLERANCE_S = 2.0
BLOCK_BYTES = 4096  # a file system's usual one
SPARE_BYTES = 1024  # room for longer numbers and a reason
READ_PAUSES_S = (0.005, 0.05, 0.2)  # a write takes microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One supervised process."""

    name: str
    pid: int  # 0 while it is down
    created_at: float  # s since the epoch, as psutil reads it; tells a reused pid apart
    state: str  # starting, running, restarting or stopped
    restarts: int
    address: str
    started_at: str  # RFC 3339


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The system; `phase` is starting, ready, failed, stopping or stopped."""

    phase: str
    reason: str = ""
    blamed: str = ""  # the process whose log explains `reason`
    template: str = ""
    parameters: dict[str, str] = field(default_factory=dict)  # of the template
    allow_unsupported: bool = False
    url: str = ""
    settings: dict[str, str] = field(default_factory=dict)  # by option or variable
    variables: dict[str, str] = field(default_factory=dict)  # the addresses that functions use
    processes: tuple[ProcessStatus, ...] = ()


class AlreadyRunning(Exception):
    """The refusal while another supervisor holds the state directory."""


def write(state: Path, status: Status) -> None:
    """Replace the file at once, so that a reader sees the old or the new one.

    Where the disk has no room for a second one, the old one is written over: its blocks are there.
    """
    path = state / "status.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(status), indent=1).encode()
    text = text.ljust(-(-(len(text) + SPARE_BYTES) // BLOCK_BYTES) * BLOCK_BYTES)
    unfinished = path.with_suffix(".new")
    try:
        unfinished.write_bytes(text)
        unfinished.replace(path)
    except OSError:
        _write_over(path, text.rstrip())


def _write_over(path: Path, text: bytes) -> None:
    """Write to the blocks that the file has. Raises OSError where they are too few."""
    with path.open("r+b", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if len(text) > size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        file.write(text.ljust(size))


def read(state: Path) -> Status | None:
    """Return what the last supervisor wrote; None where there never was one."""
    for pause_s in READ_PAUSES_S:
        try:
            members: dict[str, Any] = json.loads((state / "status.json").read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            time.sleep(pause_s)  # it is being written over
        else:
            processes = tuple(ProcessStatus(**each) for each in members.pop("processes"))
            return Status(processes=processes, **members)
    return None


@contextmanager
def lock(state: Path) -> Iterator[None]:
    """Hold the state directory for the life of this process; raises AlreadyRunning."""
    path = state / "run" / "supervisor.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"{state} is in use by a running system") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def supervisor_pid(state: Path) -> int | None:
    """Return the pid of the living supervisor of `state`, if there is one."""
    path = state / "run" / "supervisor.lock"
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except BlockingIOError:
        return int(path.read_text() or 0) or None
    return None


def living(each: ProcessStatus) -> psutil.Process | None:
    """Return the process that `each` speaks of, unless it has ended or its pid is another's."""
    if not each.pid:
        return None
    try:
        process = psutil.Process(each.pid)
        is_same = abs(process.create_time() - each.created_at) <= START_TOLERANCE_S
    except psutil.NoSuchProcess:
        return None
    return process if is_same and is_alive(process) else None
