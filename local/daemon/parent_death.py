"""Ties processes to those that started them, so that nobody leaves orphans (Linux only)."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36


def signal_on_parent_death(parent_pid: int, signal_number: int = signal.SIGTERM) -> None:
    """Have the kernel send this process `signal_number` when the process `parent_pid` ends.

    Call it in the child right after the fork. Elsewhere than on Linux it does nothing.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal_number))
    # The parent may have ended between the fork and the call above.
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal_number)


def adopt_orphans() -> None:
    """Have the kernel make this process the parent of what its descendants leave behind.

    Elsewhere than on Linux it does nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)
