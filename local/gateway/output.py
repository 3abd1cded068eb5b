"""What functions print: embedded metrics go to Prometheus, other lines to the function's log."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from local.gateway.emf import EmbeddedMetrics
from local.gateway.logs import BufferedLog


class FunctionOutput:
    """The standard output and the errors of every function."""

    def __init__(self, folder: Path, functions: Iterable[str], metrics: EmbeddedMetrics) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._metrics = metrics
        self._logs = {name: BufferedLog(folder / f"{name}.log") for name in functions}

    def printed(self, function: str, text: str) -> None:
        """Take what a handler wrote to its standard output during one event."""
        for line in text.splitlines():
            if line and not self._metrics.take(line):
                self._logs[function].append(line.encode("utf-8", "replace") + b"\n")

    def failed(self, function: str, request_id: str, error: Any) -> None:
        """Note how an event failed, with Lambda's error object."""
        entry = {"level": "ERROR", "requestId": request_id, "error": error}
        self._logs[function].append(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))

    def flush(self) -> None:
        """Write what has come since the last time."""
        for function_log in self._logs.values():
            function_log.flush()
