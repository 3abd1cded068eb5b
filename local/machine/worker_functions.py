"""The functions that workers invoke, as each worker says it once a second in a file of its own.

The console reads them: workers have no port for it, and in containers only this folder in common.
"""

import contextlib
import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.machine.requests_waiting import shared

FRESH_S = 10.0  # a worker that says nothing for so long has no environments any more
VERSION = 1  # of what is said; what an older worker left behind says something else
FILES_MAX = 1_000  # of workers that have been; mappings poll with as many at most


def path_of(state: Path, index: int) -> Path:
    """Return the file of worker `index` on this machine or in this container."""
    return shared(state) / "workers" / f"{socket.gethostname()}-{index}.json"


def say(path: Path, functions: Mapping[str, Mapping[str, Any]]) -> None:
    """Replace what was said before: for each function environments, busy ones and its counts."""
    text = json.dumps(
        {"version": VERSION, "pid": os.getpid(), "at_s": time.time(), "functions": functions}
    )
    unfinished = path.with_suffix(".new")
    with contextlib.suppress(OSError):  # a full disk is no reason to stop working
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text)
        unfinished.replace(path)


def read(state: Path) -> dict[str, dict[str, Any]]:
    """Return what each worker said last, by the name of its file."""
    statements = {}
    for path in sorted((shared(state) / "workers").glob("*.json"))[:FILES_MAX]:
        with contextlib.suppress(OSError, ValueError):  # it ended, or its disk was full
            statement = json.loads(path.read_text())
            if isinstance(statement, dict) and statement.get("version") == VERSION:
                statements[path.stem] = statement
    return statements
