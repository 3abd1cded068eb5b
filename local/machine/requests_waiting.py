"""Requests before messages: the gateway says when requests wait, and workers then take no more.

It is said by the modification time of one file in the state directory, so that nobody depends on
anybody: without a gateway, or on another machine, nobody ever waits. The containers of one machine
have state directories of their own, and only `shared` in common.
"""

import contextlib
from pathlib import Path


def shared(state: Path) -> Path:
    """Return the folder that gateway and workers of one machine share."""
    return state / "shared"


def path_of(state: Path) -> Path:
    """Return the file that the gateway of this state directory touches."""
    return shared(state) / "requests-wait"


def say(path: Path) -> None:
    """Tell the workers that requests wait for an environment now."""
    with contextlib.suppress(OSError):  # a full disk is no reason to stop serving
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def last_s(path: Path) -> float:
    """Return when requests last waited, in seconds since the epoch; 0.0 if they never did."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
