"""Log files that cost the hot path an append to a list: lines are kept and written together.

`flush` is called once a second; each file has one older generation beside it.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import orjson

from local.gateway.events import Context, request_time
from local.gateway.request import Request

log = logging.getLogger(__name__)

# Two generations of an access log hold about half a million requests.
FILE_MAX_BYTES = 64 * 1024 * 1024
# Entries between two flushes: four times the highest rate that one process answers.
PENDING_MAX = 20_000

T = TypeVar("T")


class BufferedLog(Generic[T]):
    """Entries on their way to one file; `line` makes bytes of an entry at the flush."""

    def __init__(
        self, path: Path, line: Callable[[T], bytes], *, max_bytes: int = FILE_MAX_BYTES
    ) -> None:
        self._path = path
        self._line = line
        self._max_bytes = max_bytes
        self._pending: list[T] = []
        self.dropped = 0

    def append(self, entry: T) -> None:
        """Keep an entry for the next flush; beyond PENDING_MAX it is dropped and counted."""
        if len(self._pending) < PENDING_MAX:
            self._pending.append(entry)
        else:
            self.dropped += 1

    def flush(self) -> None:
        """Write what is pending, and begin a new file where this one is full."""
        if not self._pending:
            return
        entries, self._pending = self._pending, []
        try:
            with self._path.open("ab") as file:
                file.write(b"".join([self._line(entry) for entry in entries]))
                is_full = file.tell() > self._max_bytes
            if is_full:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        except OSError as error:
            self.dropped += len(entries)
            log.warning("cannot write %s: %s", self._path, error)


AccessEntry = tuple[Request, Context, str, int, int, float, float]


def access_line(entry: AccessEntry) -> bytes:
    """A request as the JSON line of row 1.39."""
    request, context, resource, status, length, latency_s, integration_s = entry
    return orjson.dumps(
        {
            "requestId": context.request_id,
            "extendedRequestId": context.extended_request_id,
            "ip": request.peer,
            "requestTime": request_time(context.epoch_s),
            "httpMethod": request.method,
            "resourcePath": resource,
            "path": request.target.partition("?")[0],
            "status": status,
            "protocol": request.protocol,
            "responseLength": length,
            "responseLatency": round(latency_s * 1000, 2),
            "integrationLatency": round(integration_s * 1000, 2),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def text_line(text: str) -> bytes:
    """A line that a function printed, as it is."""
    return text.encode("utf-8", "replace") + b"\n"
