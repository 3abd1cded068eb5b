"""The end of processes: asked, awaited, killed, with no descendant left behind."""

import contextlib
import time
from collections.abc import Iterable

import psutil

POLL_S = 0.02
KILL_WAIT_S = 1.0  # the kernel's time to take a killed process away


def end(processes: Iterable[psutil.Process], grace_s: float) -> None:
    """Send SIGTERM, wait up to `grace_s`, then SIGKILL what is left of `processes` and below."""
    first = list(processes)
    everyone = [*first, *(below for each in first for below in _descendants(each))]
    for process in first:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _wait(first, grace_s)
    for process in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _wait(everyone, KILL_WAIT_S)


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process runs; one that only waits to be reaped does not.

    The first thread of a killed process is a zombie before the others have let go of its ports.
    """
    try:
        is_zombie = process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
        return process.is_running() and not is_zombie
    except psutil.NoSuchProcess:
        return False


def _wait(processes: Iterable[psutil.Process], timeout_s: float) -> None:
    ends_s = time.monotonic() + timeout_s
    while any(is_alive(process) for process in processes) and time.monotonic() < ends_s:
        time.sleep(POLL_S)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
