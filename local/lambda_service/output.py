"""The output of functions: embedded metrics go to Prometheus, the rest to the function's log.

Each event stands there between the lines that Lambda itself writes (2.23).
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from local.lambda_service.buffered_log import BufferedLog
from local.lambda_service.emf import EMBEDDED, EmbeddedMetrics
from local.lambda_service.platform_lines import Report, block
from local.lambda_service.tallies import Tally
from local.template import Function

# Of one event; more stand in the log. A function prints one or two, and a loop of metrics must not
# keep the gateway from its clients: each costs it 15 us and more.
METRIC_LINES_MAX = 100


class FunctionOutput:
    """The standard output and the errors of every function."""

    def __init__(
        self, folder: Path, functions: Mapping[str, Function], metrics: EmbeddedMetrics
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._metrics = metrics
        self._logs = {name: BufferedLog(folder / f"{name}.log") for name in functions}
        self.tallies = {name: Tally() for name in functions}

    def ended(
        self, function: Function, request_id: str, answer: Mapping[str, Any], init_ms: float | None
    ) -> bytes:
        """Log an event by the frame that answered it, and return what was logged.

        `init_ms` is told with the first event of an environment.
        """
        printed = answer.get("stdout")
        text = self._without_metrics(printed) if printed else ""
        report = Report(
            request_id=request_id,
            duration_ms=answer.get("duration_ms", 0.0),
            max_memory_mb=answer.get("max_memory_mb", 0),
            init_ms=init_ms,
            status="error" if "error" in answer else "success",
        )
        error = answer.get("error")
        self.tallies[function.logical_id].add(
            report.duration_ms,
            memory_mb=report.max_memory_mb,
            is_cold=init_ms is not None,
            error_type=None if error is None else _type_of(error),
        )
        return self._append(function, text, report)

    def died(
        self, function: Function, request_id: str, error: Mapping[str, Any], duration_s: float
    ) -> bytes:
        """Log an event whose environment did not answer, and return what was logged."""
        is_late = error["errorType"] == "Sandbox.Timedout"
        tally = self.tallies[function.logical_id]
        tally.timeouts += is_late
        tally.add(duration_s * 1000, memory_mb=0, is_cold=False, error_type=str(error["errorType"]))
        report = Report(
            request_id=request_id,
            duration_ms=duration_s * 1000,
            max_memory_mb=0,
            init_ms=None,
            status="timeout" if is_late else "error",
        )
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        sentence = "" if function.logging.is_json else f"{now} {error['errorMessage']}\n"
        return self._append(function, sentence, report)

    def _append(self, function: Function, text: str, report: Report) -> bytes:
        logged = block(function, text, report)
        self._logs[function.logical_id].append(logged)
        return logged

    def failed(self, function: str, request_id: str, error: Any) -> None:
        """Note what is wrong with an answer, which the function knows nothing of."""
        entry = {"level": "ERROR", "requestId": request_id, "error": error}
        self._logs[function].append(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))

    def flush(self) -> None:
        """Write what has come since the last time."""
        for function_log in self._logs.values():
            function_log.flush()

    def _without_metrics(self, printed: str) -> str:
        pieces, start = [], 0
        for _ in range(METRIC_LINES_MAX):
            marker = printed.find(EMBEDDED, start)
            if marker < 0:
                break
            line_start = printed.rfind("\n", start, marker) + 1 or start
            line_end = printed.find("\n", marker) + 1 or len(printed)
            is_metric = self._metrics.take(printed[line_start:line_end])
            pieces.append(printed[start : line_start if is_metric else line_end])
            start = line_end
        pieces.append(printed[start:])
        text = "".join(pieces)
        return text if text.endswith("\n") or not text else f"{text}\n"


def _type_of(error: object) -> str:
    """Return the type of an error as a runtime tells it, which may be anything."""
    return str(error.get("errorType", "Error") if isinstance(error, dict) else "Error")
