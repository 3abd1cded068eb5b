"""The lines of Lambda itself around an event in its function's log (row 2.23), as text or JSON."""

import math
import time
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from local.template import Function


class Report(NamedTuple):
    """The report of one event."""

    request_id: str
    duration_ms: float
    max_memory_mb: int
    init_ms: float | None  # told with the first event of an environment
    status: str  # success, error or timeout


def block(function: Function, text: str, report: Report) -> bytes:
    """Return what stands in the log of one event, of which `text` was printed."""
    if not function.logging.is_json:
        return _as_text(function, text, report).encode("utf-8", "replace")
    start = _start(report) if function.logging.says_all else b""
    end = b""
    if function.logging.says_all or report.status != "success":
        end = _report(function, report)
    return start + text.encode("utf-8", "replace") + end


def _as_text(function: Function, text: str, report: Report) -> str:
    request_id = report.request_id
    init = "" if report.init_ms is None else f"Init Duration: {report.init_ms:.2f} ms\t"
    return (
        f"START RequestId: {request_id} Version: $LATEST\n{text}END RequestId: {request_id}\n"
        f"REPORT RequestId: {request_id}\tDuration: {report.duration_ms:.2f} ms\t"
        f"Billed Duration: {math.ceil(report.duration_ms)} ms\t"
        f"Memory Size: {function.memory_mb} MB\t"
        f"Max Memory Used: {report.max_memory_mb} MB\t{init}\n"
    )


def _start(report: Report) -> bytes:
    return _line("start", {"requestId": report.request_id, "version": "$LATEST"})


def _report(function: Function, report: Report) -> bytes:
    metrics: dict[str, float] = {
        "durationMs": round(report.duration_ms, 3),
        "billedDurationMs": math.ceil(report.duration_ms),
        "memorySizeMB": function.memory_mb,
        "maxMemoryUsedMB": report.max_memory_mb,
    }
    if report.init_ms is not None:
        metrics["initDurationMs"] = round(report.init_ms, 3)
    record = {"requestId": report.request_id, "metrics": metrics, "status": report.status}
    return _line("report", record)


def _line(kind: str, record: Mapping[str, object]) -> bytes:
    now_s = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
    line = {
        "time": f"{stamp}.{int(now_s * 1000) % 1000:03d}Z",
        "type": f"platform.{kind}",
        "record": record,
    }
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
