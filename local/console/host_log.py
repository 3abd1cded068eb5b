"""The log of a function's hosts: what an environment had printed when it ended, and how it ended.

A host tells of one function; a worker's log has the hosts of several, and the worker's own lines.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.console import secrets
from local.daemon import logs

LINES_MAX = 400  # of each file that is read
SHOWN_MAX = 200
LINE_MAX_CHARS = 8 * 1024
_OF_HOST = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (\w+): ")
_OF_WORKER = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ ")


def last_lines(state: Path, name: str) -> list[str]:
    """Return the last lines about a function, of its hosts and of those that workers have."""
    own = logs.path_of(state, name)
    paths = [own, *sorted(own.parent.glob("worker-*.log"))]
    lines = [
        line
        for path in paths
        for line in _about(name, logs.tail(path, LINES_MAX), is_own=path == own)
    ]
    # All at once: a private key has several lines.
    shown = secrets.without("\n".join(lines)).split("\n")
    return [line[:LINE_MAX_CHARS] for line in shown[-SHOWN_MAX:] if line]


def _about(name: str, lines: Iterable[str], *, is_own: bool) -> Iterator[str]:
    """Yield a host's lines about a function, and what it quotes behind each."""
    is_about = is_own
    for line in lines:
        if match := _OF_HOST.match(line):
            is_about = match[1] == name
        elif _OF_WORKER.match(line):
            is_about = False
        if is_about:
            yield line
