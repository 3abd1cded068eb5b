"""Ends processes: asks, waits, kills, and leaves no descendant behind."""

import contextlib
from collections.abc import Iterable

import psutil

KILL_WAIT_S = 1.0  # the kernel's time to take a killed process away


def end(processes: Iterable[psutil.Process], grace_s: float) -> None:
    """Send SIGTERM, wait up to `grace_s`, then SIGKILL what is left of `processes` and below."""
    asked = list(processes)
    everyone = [*asked, *(below for each in asked for below in _descendants(each))]
    for process in asked:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    psutil.wait_procs(asked, timeout=grace_s)
    for process in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(everyone, timeout=KILL_WAIT_S)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
