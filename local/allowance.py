"""What one environment may use of its machine, as on Lambda: files, memory, processes.

The kernel keeps the limits it knows; the others a host looks at from outside.
"""

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MB = 1 << 20
OPEN_FILES_MAX = 1024  # Lambda's limit on file descriptors
# All that /tmp holds on Lambda; also bounds the log that a handler floods behind Python's back.
FILE_MAX_BYTES = 512 * MB
TASKS_MAX = 1024  # Lambda's limit on processes and threads
STORED_FILES_MAX = 2_000  # of more, the others are not counted: these take 4 ms
FIRST_OUT_OF_MEMORY = "1000"  # proc(5): the kernel's first choice where the machine has none left


def limit() -> None:
    """Set what the kernel limits for this process and all that it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_MAX, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX_BYTES, FILE_MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash would write it beside the code
    with suppress(OSError):  # this is no Linux
        Path("/proc/self/oom_score_adj").write_text(FIRST_OUT_OF_MEMORY)


def excess(pid: int, memory_mb: int) -> str:
    """Return what the environment `pid` has too much of, with all it has started, or nothing."""
    family = []
    tasks = 0
    for member, threads in _family(pid):
        family.append(member)
        tasks += threads
        if tasks > TASKS_MAX:
            return f"has over {TASKS_MAX} processes and threads"
    used = _private_bytes(pid) if len(family) == 1 else sum(map(_proportional_bytes, family))
    if used > memory_mb * MB:
        return f"is out of memory: {used // MB} MB of {memory_mb}"
    return ""


def stored_bytes(directory: Path) -> int:
    """Return what the files below `directory` take, or the first STORED_FILES_MAX of them."""
    total = count = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):  # it has just been deleted
                total += os.lstat(os.path.join(folder, name)).st_size
            count += 1
            if count == STORED_FILES_MAX:
                return total
    return total


def children(pid: int) -> list[int]:
    """Return the children of a process, those it has adopted included, where Linux tells."""
    return [child for each in _tasks(pid) for child in _children_of_task(pid, each)]


def _family(pid: int) -> Iterator[tuple[int, int]]:
    """A process and all below it, each with the number of its threads."""
    waiting = [pid]
    while waiting:
        member = waiting.pop()
        tasks = _tasks(member)
        yield member, len(tasks)
        for each in tasks:
            waiting += _children_of_task(member, each)


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:  # it has just ended, or this is no Linux
        return []


def _children_of_task(pid: int, task: str) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    except OSError:  # it has just ended, or the kernel is built without
        return []


def _private_bytes(pid: int) -> int:
    """Return the memory of a process that is its own, or was before it wrote to it."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * resource.getpagesize()


def _proportional_bytes(pid: int) -> int:
    """Return the same where each page that processes share counts once among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss_Anon:"))
