"""The limits of one environment, as on Lambda: files, memory, processes.

The kernel keeps the limits it knows; the others a host looks at from outside.
"""

import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from local.template import Function

MB = 1 << 20
OPEN_FILES_MAX = 1024  # Lambda's limit on file descriptors
TASKS_MAX = 1024  # Lambda's limit on processes and threads
STORED_FILES_MAX = 2_000  # of more, the others are not counted: these take 4 ms
FIRST_OUT_OF_MEMORY = "1000"  # proc(5): the kernel's first choice where the machine has none left


def limit(storage_mb: int) -> None:
    """Set what the kernel limits for this process and all that it starts.

    No file is larger than all of its storage, also no log that it floods behind Python's back.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_MAX, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (storage_mb * MB, storage_mb * MB))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash would write it beside the code
    with suppress(OSError):  # this is no Linux
        Path("/proc/self/oom_score_adj").write_text(FIRST_OUT_OF_MEMORY)


def family(pid: int) -> list[int]:
    """Return the environment `pid` and the processes that it has started, each by its threads.

    Beyond TASKS_MAX there may be more.
    """
    members: list[int] = []
    waiting = [pid]
    while waiting and len(members) <= TASKS_MAX:
        member = waiting.pop()
        for task in _tasks(member):
            members.append(member)
            waiting += _children_of_task(member, task)
    return members


def excess(threads: Sequence[int], function: Function, directory: Path | None) -> str:
    """Return what a family has too much of for its function, or nothing.

    Its temporary files are in `directory`, where it has one of its own.
    """
    if len(threads) > TASKS_MAX:
        return f"has over {TASKS_MAX} processes and threads"
    members = set(threads)
    used = sum(map(_private_bytes if len(members) == 1 else _proportional_bytes, members))
    if used > function.memory_mb * MB:
        return f"is out of memory: {used // MB} MB of {function.memory_mb}"
    if directory and is_overfull(directory, function):
        return f"has over {function.storage_mb} MB of temporary files"
    return ""


def is_overfull(directory: Path, function: Function) -> bool:
    """Return whether the temporary files are more than the function may store."""
    return _stored_bytes(directory) > function.storage_mb * MB


def has_children() -> bool:
    """Return whether this process has children that it has not waited for, in a microsecond."""
    if sys.platform != "linux":
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # which takes nothing
    except ChildProcessError:
        return False
    return True


def signal_descendants(pid: int, signal_number: signal.Signals) -> None:
    """Send a signal to all that a process has started."""
    for each in {*family(pid)} - {pid}:
        with suppress(OSError):  # it has just ended
            os.kill(each, signal_number)


def children(pid: int) -> list[int]:
    """Return the children of a process, those it has adopted included, where Linux tells."""
    return [child for each in _tasks(pid) for child in _children_of_task(pid, each)]


def _stored_bytes(directory: Path) -> int:
    """Return what the files below `directory` take, or the first STORED_FILES_MAX of them."""
    total = count = 0
    for folder, _, names in os.walk(directory):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            with suppress(OSError):  # it has just been deleted
                total += os.lstat(path).st_size
            count += 1
            if count == STORED_FILES_MAX:
                return total
    return total


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:  # it has just ended, or this is no Linux
        return []


def _children_of_task(pid: int, task: str) -> list[int]:
    try:
        return [int(each) for each in _read(f"/proc/{pid}/task/{task}/children").split()]
    except OSError:  # it has just ended, or the kernel is built without
        return []


def _private_bytes(pid: int) -> int:
    """Return the memory of a process that is its own, or was before it wrote to it."""
    try:
        _, resident, shared, *_ = _read(f"/proc/{pid}/statm").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * resource.getpagesize()


def _proportional_bytes(pid: int) -> int:
    """Return the same where each page that processes share counts once among them."""
    try:
        lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(b"Pss_Anon:"))


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # Path and buffers would cost twice as much
        return file.read()
