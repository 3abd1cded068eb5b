"""The debugger in an environment: debugpy, which an editor attaches to by its protocol."""

import os
import sys
from importlib.util import find_spec
from typing import Any

from local.runtime.launch import DEBUGGER

HOST = "127.0.0.1"


def is_installed() -> bool:
    """Tell whether the tool has the debugger."""
    return find_spec(DEBUGGER) is not None


def load() -> Any:
    """Import the debugger, before the handler's surroundings hide what is the tool's."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # warnings in each log
    import debugpy  # noqa: PLC0415 - for one function at most

    return debugpy


def listen(debugger: Any, port: int, *, waits: bool) -> None:
    """Let an editor attach to this process from now on; with `waits`, return once one has."""
    # What a handler starts is not followed: it would wait for an editor of its own.
    debugger.configure(subProcess=False, python=sys.executable)
    debugger.listen((HOST, port))
    if waits:
        debugger.wait_for_client()
