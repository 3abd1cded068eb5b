"""Traces as the console and the terminal show them: rows that fit, and one trace as a tree."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from local.traces.context import TraceContext, trace_id_of
from local.traces.store import Trace, TraceStore

LIMIT = 100
LIMIT_MAX = 500
TEXT_MAX_CHARS = 200
MIN_MS_MAX = 86_400_000  # a day; no request takes longer
Row = dict[str, Any]


class BadQuery(ValueError):
    """A parameter that cannot be used; the message says which and why."""


def rows(store: TraceStore, query: Mapping[str, str]) -> Row:
    """Return the newest traces that fit the query, and how much is kept. Raises BadQuery."""
    route, text = query.get("route", ""), query.get("text", "").lower()
    status = query.get("status", "")
    if status and not (status == "error" or _is_status(status)):
        raise BadQuery(f"status must be such as 201, 5xx or error, not {status[:40]!r}")
    schedules = query.get("schedules", "")
    if schedules not in ("", "no"):
        raise BadQuery(f"schedules is 'no' or left out, not {schedules[:40]!r}")
    if len(text) > TEXT_MAX_CHARS or len(route) > TEXT_MAX_CHARS:
        raise BadQuery(f"text and route have at most {TEXT_MAX_CHARS} characters")
    min_ms = _number(query, "min_ms", 0, MIN_MS_MAX)
    limit = max(1, _number(query, "limit", LIMIT, LIMIT_MAX))

    def fits(trace: Trace) -> bool:
        return (
            (not status or _has_status(trace, status))
            and (not schedules or not trace.is_scheduled or trace.is_error)
            and (not min_ms or trace.end_ns - trace.start_ns >= min_ms * 1e6)
            and (not route or route in (trace.route or trace.name))
            and (not text or text in _words(trace))
        )

    newest = sorted(islice(store.newest(fits), limit), key=_began, reverse=True)
    return {
        "traces": [trace.row() for trace in newest],
        "kept": {
            "traces": len(store),
            "bytes": store.size,
            "evicted": store.evicted,
            "refused_spans": store.refused,
        },
    }


def detail(store: TraceStore, text: str) -> Row | None:
    """Return a trace with its spans, by any form of its id or a request's; None where unknown."""
    trace = store.find(trace_id_of(text) or text)
    if trace is None:
        return None
    return {
        **trace.row(),
        "xray_id": TraceContext(trace.id).root,
        "linked": [*trace.linked],
        "trace_spans": [
            _shown(span, depth, trace.start_ns) for span, depth in _tree(trace.decoded())
        ],
    }


def _shown(span: Row, depth: int, start_ns: int) -> Row:
    return {
        "id": span["span_id"],
        "parent_id": span["parent_id"],
        "depth": depth,
        "name": span["name"],
        "service": span["service"],
        "kind": span["kind"],
        "start_ms": _ms(span["start_ns"] - start_ns),
        "duration_ms": _ms(span["end_ns"] - span["start_ns"]),
        "error": span["is_error"],
        "message": span["message"],
        "attributes": span["attributes"],
        "events": [
            {
                "name": event["name"],
                "at_ms": _ms(event["at_ns"] - start_ns),
                "attributes": event["attributes"],
            }
            for event in span["events"]
        ],
        "links": span["links"],
        "resource": span["resource"],
        "scope": span["scope"],
    }


def _tree(spans: list[Row]) -> Iterator[tuple[Row, int]]:
    """Yield each span with its depth, parents before their children, siblings by their start.

    A span whose parent is not here is a root, and so is the first of spans that go in a circle.
    """
    by_id = {span["span_id"]: span for span in spans}
    children = defaultdict(list)
    for span in sorted(spans, key=_start, reverse=True):
        children[span["parent_id"] if span["parent_id"] in by_id else ""].append(span)
    waiting = [(span, 0) for span in children[""]]
    while by_id:
        if not waiting:
            waiting.append((min(by_id.values(), key=_start), 0))
        span, depth = waiting.pop()
        if by_id.pop(span["span_id"], None) is not None:
            yield span, depth
            waiting += [(child, depth + 1) for child in children[span["span_id"]]]


def _is_status(text: str) -> bool:
    return len(text) == 3 and text[0] in "12345" and (text[1:] == "xx" or text[1:].isdecimal())


def _has_status(trace: Trace, status: str) -> bool:
    if status == "error":
        return trace.is_error
    shown = str(trace.status or "")
    return shown == status or (status.endswith("xx") and shown[:1] == status[0])


def _words(trace: Trace) -> str:
    return " ".join((trace.id, trace.name, *trace.services, *trace.request_ids)).lower()


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
        raise BadQuery(f"{name} must be a whole number from 0 to {most}, not {text[:40]!r}")
    return int(text)


def _ms(duration_ns: int) -> float:
    return round(duration_ns / 1e6, 3)


def _start(span: Row) -> int:
    start_ns: int = span["start_ns"]
    return start_ns


def _began(trace: Trace) -> int:
    return trace.start_ns
