"""The lines of logs and journals that name an object, as moments."""

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.daemon import logs
from local.daemon.logs import is_of_platform
from local.spillway.story import Moment, Source

LINES_MAX = 1_000  # of one file, the last ones
PLATFORM_REQUEST = re.compile(r"^\S+ RequestId: (\S+)")
DAEMON_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (.*)")
DAEMON_TIME = "%Y-%m-%d %H:%M:%S,%f"
ACCESS_TIME = "%d/%b/%Y:%H:%M:%S %z"
# What a worker says of a message that was moved out of a dead-letter queue.
REDRIVEN = re.compile(r"message (\S+) was moved from a dead-letter queue, where it was (\S+)$")
ROUNDS_MAX = 10  # in which messages are followed from one redrive to the next
XRAY = re.compile(r"(?:Root=)?1-([0-9a-f]{8})-([0-9a-f]{24})\b")
SILENT = ("START RequestId: ", "END RequestId: ")  # REPORT says all that they say
OF_CONSOLE = " local.console."  # what it says of a person who looked is not the object's
REQUEST_ID_FIELDS = ("request_id", "function_request_id")
OBJECTS = ("object_id", "payment_id", "notification_id", "event_id")
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
    trace: str = ""  # 32 hexadecimal digits
    others: frozenset[str] = frozenset()  # ids of messages that its object came by
    is_request: bool = False  # the gateway's line of one

    @property
    def place(self) -> str:
        return self.log.removeprefix("functions/")


@dataclass(frozen=True, slots=True)
class Logs:
    """The moments of an object in the logs, with the ids and the trace that belong to it."""

    moments: tuple[Moment, ...]
    ids: frozenset[str]  # the ones looked for, and those of messages that were found to be its own
    trace: str | None  # of the first line that names one


def of_logs(folder: Path, ids: Collection[str]) -> Logs:
    """Return what the logs say of an object, its messages and the requests that named it.

    Lambda's own lines have no time: they stand at the time of the request's last other line. A line
    of which no time is known stands where its file was last written to, and says so.
    """
    all_ids, lines = set(ids), []
    for _ in range(ROUNDS_MAX):
        lines = [*_lines(folder, all_ids)]
        more = {each for line in lines for each in line.others} - all_ids
        if not more:
            break
        all_ids |= more
    request_ids = {line.request_id for line in lines if line.request_id} - all_ids
    if request_ids:
        lines += [line for line in _lines(folder, request_ids) if line.is_of_request]
    times = _last_times(lines)
    moments = [_moment(folder, line, times) for line in dict.fromkeys(lines)]
    traced = [line for line in lines if line.trace]
    first = min(
        traced, key=lambda line: line.at_ms or times.get(line.request_id) or math.inf, default=None
    )
    return Logs(tuple(moments), frozenset(all_ids), first.trace if first else None)


def _last_times(lines: Iterable[Line]) -> dict[str, float]:
    """Return when the last line of each request that has a time was written."""
    times: dict[str, float] = {}
    for line in lines:
        if line.request_id and line.at_ms is not None:
            times[line.request_id] = max(line.at_ms, times.get(line.request_id, 0.0))
    return times


def _moment(folder: Path, line: Line, times: Mapping[str, float]) -> Moment:
    source: Source = "request" if line.is_request else "log"
    at_ms, text = line.at_ms or times.get(line.request_id), line.text
    if at_ms is None:
        at_ms = logs.path_of(folder.parent, line.log).stat().st_mtime * 1000
        text = f"{text} (its time is not known)"
    return Moment(at_ms, line.place, text, source)


def of_journal(
    path: Path, ids: Collection[str], describe: Callable[[Entry], Moment]
) -> list[Moment]:
    """Return what a simulator's journal says of an object."""
    return [describe(json.loads(line)) for line in lines_with(path, ids)]


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
            if not text.startswith(SILENT) and OF_CONSOLE not in text:
                yield _parsed(log, text, words)


def _parsed(log: str, text: str, ids: Collection[str]) -> Line:
    if is_of_platform(text):
        match = PLATFORM_REQUEST.match(text)
        return Line(log, text, None, match[1] if match else "", True)
    if match := DAEMON_LINE.match(text):
        redriven = REDRIVEN.search(text)
        others = frozenset(redriven.groups()) if redriven else frozenset()
        return Line(log, match[2], _epoch_ms(match[1], DAEMON_TIME), others=others)
    try:
        entry = json.loads(text)
        if "requestTime" in entry:
            return _of_access(log, entry)
        if "timestamp" in entry:
            return _of_function(log, entry, ids)
    except (ValueError, TypeError, KeyError):
        pass  # a line of the function's own making
    return Line(log, text)


def _of_access(log: str, entry: Entry) -> Line:
    text = "{httpMethod} {path} answered {status} in {responseLatency} ms".format(**entry)
    trace = f", trace {entry['xrayTraceId']}" if entry.get("xrayTraceId") else ""
    at_ms = entry.get("requestTimeEpoch") or _epoch_ms(entry["requestTime"], ACCESS_TIME)
    return Line(
        log,
        f"{text}, request {entry['requestId']}{trace}",
        float(at_ms),
        entry["requestId"],
        is_of_request=True,
        trace=_trace(entry.get("xrayTraceId")),
        is_request=True,
    )


def _of_function(log: str, entry: Entry, ids: Collection[str]) -> Line:
    head = " ".join(str(entry[name]) for name in SHOWN if name in entry)
    fields = ", ".join(f"{name} {value}" for name, value in entry.items() if name not in HIDDEN)
    request_id = next((str(entry[name]) for name in REQUEST_ID_FIELDS if entry.get(name)), "")
    is_about = any(entry.get(name) in ids for name in OBJECTS)
    message_id = entry.get("message_id") if is_about else None
    return Line(
        log,
        f"{head}: {fields}" if fields else head,
        datetime.fromisoformat(entry["timestamp"]).timestamp() * 1000,
        request_id,
        trace=_trace(entry.get("trace_id")),
        others=frozenset(filter(None, [message_id])),
    )


def _trace(text: object) -> str:
    """Return an X-Ray trace id as W3C writes it, or nothing."""
    match = XRAY.match(str(text or ""))
    return f"{match[1]}{match[2]}" if match else ""


def _epoch_ms(text: str, form: str) -> float:
    moment = datetime.strptime(text, form)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
