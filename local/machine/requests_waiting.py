"""Requests before messages: the gateway says when requests wait, and workers then take no more.

It is said by the modification time of one file in the state directory, so that nobody depends on
anybody: without a gateway, or on another machine, nobody ever waits. The containers of one machine
have state directories of their own, and only `shared` in common.

The time in the file is the machine's monotonic clock, which all its processes share: the time of
day may be set at any moment, and workers must neither stop nor hurry for that.
"""

import contextlib
import os
import time
from pathlib import Path

NEVER_S = float("inf")


def shared(state: Path) -> Path:
    """Return the folder that gateway and workers of one machine share."""
    return state / "shared"


def path_of(state: Path) -> Path:
    """Return the file that the gateway of this state directory touches."""
    return shared(state) / "requests-wait"


def say(path: Path) -> None:
    """Tell the workers that requests wait for an environment now."""
    now_ns = time.monotonic_ns()
    with contextlib.suppress(OSError):  # a full disk is no reason to stop serving
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, ns=(now_ns, now_ns))


def ago_s(path: Path) -> float:
    """Return how long ago requests last waited, in seconds; infinity if they never did.

    A time to come was written before the machine was started anew, and says nothing.
    """
    try:
        waited_ns = path.stat().st_mtime_ns
    except FileNotFoundError:
        return NEVER_S
    past_ns = time.monotonic_ns() - waited_ns
    return past_ns / 1e9 if past_ns >= 0 else NEVER_S
