"""Ties a child process to its parent, so that a killed parent leaves no orphans (Linux only)."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


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
