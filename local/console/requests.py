"""The last requests as the access log has them."""

from pathlib import Path
from typing import Any

import orjson

from local.console.answers import in_thread
from local.console.pages import Console
from local.console.parts import Parts
from local.daemon import logs

REQUESTS_SHOWN = 50


def add(console: Console, parts: Parts) -> None:
    """Serve the last lines of the access log; they are read in a thread."""
    console.add_view("/api/requests", in_thread(lambda _: requests(parts.state)))


def requests(state: Path) -> list[Any]:
    """Return the last lines of the access log, the newest first.

    Each as it was read; a line whose form the template has chosen may be no JSON.
    """
    lines = logs.tail(logs.path_of(state, "access"), REQUESTS_SHOWN)
    return [_fields(line) for line in reversed(lines)]


def _fields(line: str) -> dict[str, Any] | str:
    try:
        read = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    return read if isinstance(read, dict) else line
