"""The invocations in a function's log: START to REPORT, read from the file's end, with a bound.

Each invocation is written to the log at once, so its lines stand together.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

READ_MAX_BYTES = 512 * 1024
LINES_MAX = 500  # of one invocation; the others are counted
LINE_MAX_CHARS = 8 * 1024
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_START = re.compile(r"START RequestId: (\S+)")
_REPORT = re.compile(
    r"REPORT RequestId: \S+\tDuration: (?P<duration_ms>[\d.]+) ms\t.*"
    r"Memory Size: (?P<memory_mb>\d+) MB\tMax Memory Used: (?P<memory_used_mb>\d+) MB"
    r"(?:\tInit Duration: (?P<init_ms>[\d.]+) ms)?"
)
# As `logging` writes a line in Lambda, and Lambda its own of a time-out.
_TIME = re.compile(r"(?:^|\t)(\d{4}-\d\d-\d\dT[\d:.]+Z)[\t ]")
_LEVEL = re.compile(r"\b(DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b")
# Lambda's words for what a handler did not catch; those of `logging` have a tab after the level.
_FAILED = re.compile(r"^\[ERROR\] |RequestId: \S+ Error: (Task timed out after|Runtime exited)")
_SAME = {"WARN": "WARNING", "CRITICAL": "ERROR", "FATAL": "ERROR"}


@dataclass(slots=True)
class Invocation:
    """One invocation as the log tells of it, or the lines between two of them."""

    request_id: str
    lines: list[dict[str, str]] = field(default_factory=list)
    report: dict[str, float] = field(default_factory=dict)
    status: str = ""  # success, error or timeout, where it is known
    at: str = ""  # of its start, else of the first line that tells a time
    left_out: int = 0  # lines

    def add(self, text: str) -> None:
        """Add a line that the function printed."""
        if len(self.lines) >= LINES_MAX:
            self.left_out += 1
            return
        level, at = _level_and_time(text)
        self.at = self.at or at
        self.lines.append({"level": level, "text": text[:LINE_MAX_CHARS]})

    def as_dict(self) -> dict[str, Any]:
        """Return it as the page shows it."""
        ends = [match[0] for line in self.lines if (match := _FAILED.search(line["text"]))]
        end = "timeout" if any("timed out" in each for each in ends) else "error"
        outcome = end if ends else "success" if self.report else ""
        return {
            "request_id": self.request_id,
            "status": self.status or outcome,
            "at": self.at,
            **self.report,
            "lines": self.lines,
            "left_out": self.left_out,
        }


def read(path: Path, after: int = 0) -> tuple[str, int]:
    """Return what the file holds after a place, READ_MAX_BYTES at most, and the place of its end.

    A file that has become shorter is another one; a beginning that is cut off is left out.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            start = max(after if after <= end else 0, end - READ_MAX_BYTES)
            file.seek(start)
            read = file.read(end - start)
    except FileNotFoundError:
        return "", 0
    if start and start != after:
        read = read[read.find(b"\n") + 1 :]
    return read.decode(errors="replace"), end


def invocations(text: str) -> Iterator[Invocation]:
    """Yield the invocations of a piece of log in its order; a half one at its beginning, too."""
    current = Invocation("")
    for line in text.split("\n"):
        start = _START.match(line)
        kind, record = _of_platform(line)
        if start or kind == "platform.start":
            if current.lines or current.request_id:
                yield current
            current = Invocation(start[1] if start else str(record.get("requestId", "")))
            current.at = str(record.get("time", ""))[:40]
        elif kind == "platform.report":
            current.status = str(record.get("status", ""))
            current.request_id = current.request_id or str(record.get("requestId", ""))
            current.report = _metrics(record.get("metrics", {}))
            yield current
            current = Invocation("")
        elif report := _REPORT.match(line):
            current.report = {
                name: float(value) for name, value in report.groupdict().items() if value
            }
            yield current
            current = Invocation("")
        elif line and not line.startswith("END RequestId: "):
            current.add(line)
    if current.lines or current.request_id:
        yield current


def matching(
    pieces: Iterator[Invocation], *, level: str, text: str, request_id: str
) -> Iterator[dict[str, Any]]:
    """Yield those with a line of at least that level and a line with that text, as dictionaries."""
    least = LEVELS.index(level) if level in LEVELS else 0
    for each in pieces:
        invocation = each.as_dict()
        is_bad = invocation["status"] in ("error", "timeout")
        levels = [LEVELS.index(line["level"]) for line in each.lines if line["level"] in LEVELS]
        has_level = not least or max(levels, default=0) >= least or is_bad
        has_text = text in each.request_id.lower() or any(
            text in line["text"].lower() for line in each.lines
        )
        if has_level and has_text and request_id in ("", each.request_id):
            yield invocation


def _of_platform(line: str) -> tuple[str, dict[str, Any]]:
    if not (line.startswith('{"time":') and '"type":"platform.' in line):
        return "", {}
    try:
        read = orjson.loads(line)
        return str(read["type"]), {"time": read["time"], **read["record"]}
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return "", {}


def _metrics(metrics: dict[str, float]) -> dict[str, float]:
    names = {
        "durationMs": "duration_ms",
        "memorySizeMB": "memory_mb",
        "maxMemoryUsedMB": "memory_used_mb",
        "initDurationMs": "init_ms",
    }
    return {names[name]: value for name, value in metrics.items() if name in names}


def _level_and_time(text: str) -> tuple[str, str]:
    """Return the level and the time of a line; empty where it tells none."""
    if text.startswith("{"):
        try:
            read = orjson.loads(text)
        except orjson.JSONDecodeError:
            read = {}
        level = str(read.get("level", "")).upper()
        at = str(read.get("timestamp") or read.get("time") or "")
    else:
        match = _LEVEL.search(text[:80])
        time = _TIME.search(text[:80])
        level, at = (match[1] if match else ""), (time[1] if time else "")
    return _SAME.get(level, level) if level else "", at[:40]
