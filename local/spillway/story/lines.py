"""The lines of logs and journals that name an object, as moments."""

import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.daemon import logs
from local.daemon.logs import is_of_platform
from local.spillway.story import Moment

LINES_MAX = 1_000  # of one file, the last ones
PLATFORM_REQUEST = re.compile(r"^\S+ RequestId: (\S+)")
DAEMON_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (.*)")
DAEMON_TIME = "%Y-%m-%d %H:%M:%S,%f"
ACCESS_TIME = "%d/%b/%Y:%H:%M:%S %z"
SILENT = ("START RequestId: ", "END RequestId: ")  # REPORT says all that they say
REQUEST_ID_FIELDS = ("request_id", "function_request_id")
SHOWN = ("level", "message")
HIDDEN = {*SHOWN, *REQUEST_ID_FIELDS, "timestamp", "location", "service", "stack_trace"}
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    log: str  # its name, as `logs` takes it
    text: str
    at_ms: float | None = None  # epoch; None where the line does not tell
    request_id: str = ""
    is_of_request: bool = False  # Lambda or the gateway says it about the request as a whole

    @property
    def place(self) -> str:
        return self.log.removeprefix("functions/")


def of_logs(folder: Path, ids: Collection[str]) -> list[Moment]:
    """Return what the logs say of an object and of the requests that named it.

    Lambda's own lines have no time: they stand at the time of the request's last other line. A line
    of which no time is known stands where its file was last written to, and says so.
    """
    lines = [*_lines(folder, ids)]
    request_ids = {line.request_id for line in lines if line.request_id} - set(ids)
    if request_ids:
        lines += [line for line in _lines(folder, request_ids) if line.is_of_request]
    times = {line.request_id: line.at_ms for line in lines if line.at_ms is not None}
    moments = []
    for line in dict.fromkeys(lines):
        at_ms = line.at_ms or times.get(line.request_id)
        if at_ms is None:
            written_ms = logs.path_of(folder.parent, line.log).stat().st_mtime * 1000
            moments.append(Moment(written_ms, line.place, f"{line.text} (its time is not known)"))
        else:
            moments.append(Moment(at_ms, line.place, line.text))
    return moments


def of_journal(
    path: Path, ids: Collection[str], place: str, describe: Callable[[Entry], str]
) -> list[Moment]:
    """Return what a simulator's journal says of an object."""
    entries = [json.loads(line) for line in lines_with(path, ids)]
    times = [entry.get("created_ms") or entry["received_ms"] for entry in entries]
    return [
        Moment(at_ms, place, describe(entry)) for at_ms, entry in zip(times, entries, strict=True)
    ]


def lines_with(path: Path, words: Collection[str]) -> Iterator[str]:
    """Yield the last whole lines of a file, and of the one before it, that have one of `words`."""
    pattern = re.compile(b"|".join(re.escape(word.encode()) for word in words))
    lines: list[bytes] = []
    for each in (path.with_suffix(f"{path.suffix}.1"), path):
        content = each.read_bytes() if each.exists() else b""
        end = 0
        for match in pattern.finditer(content):
            if match.start() < end:
                continue  # the line has several of them
            start = content.rfind(b"\n", 0, match.start()) + 1
            end = content.find(b"\n", match.end())
            if end < 0:
                break  # the line is just being written
            lines.append(content[start:end])
    for line in lines[-LINES_MAX:]:
        yield line.decode(errors="replace")


def _lines(folder: Path, words: Collection[str]) -> Iterator[Line]:
    for path in sorted(folder.rglob("*.log")):
        log = str(path.relative_to(folder))[: -len(".log")]
        for text in lines_with(path, words):
            if not text.startswith(SILENT):
                yield _parsed(log, text)


def _parsed(log: str, text: str) -> Line:
    if is_of_platform(text):
        match = PLATFORM_REQUEST.match(text)
        return Line(log, text, None, match[1] if match else "", True)
    if match := DAEMON_LINE.match(text):
        return Line(log, match[2], _epoch_ms(match[1], DAEMON_TIME))
    try:
        entry = json.loads(text)
        if "requestTime" in entry:
            return _of_access(log, entry)
        if "timestamp" in entry:
            return _of_function(log, entry)
    except (ValueError, TypeError, KeyError):
        pass  # a line of the function's own making
    return Line(log, text)


def _of_access(log: str, entry: Entry) -> Line:
    text = "{httpMethod} {path} answered {status} in {responseLatency} ms".format(**entry)
    trace = f", trace {entry['xrayTraceId']}" if entry.get("xrayTraceId") else ""
    at_ms = _epoch_ms(entry["requestTime"], ACCESS_TIME)
    return Line(
        log, f"{text}, request {entry['requestId']}{trace}", at_ms, entry["requestId"], True
    )


def _of_function(log: str, entry: Entry) -> Line:
    head = " ".join(str(entry[name]) for name in SHOWN if name in entry)
    fields = ", ".join(f"{name} {value}" for name, value in entry.items() if name not in HIDDEN)
    request_id = next((str(entry[name]) for name in REQUEST_ID_FIELDS if entry.get(name)), "")
    at_ms = datetime.fromisoformat(entry["timestamp"]).timestamp() * 1000
    return Line(log, f"{head}: {fields}" if fields else head, at_ms, request_id)


def _epoch_ms(text: str, form: str) -> float:
    moment = datetime.strptime(text, form)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
