"""One trace as a waterfall of lines: a bar for each span, where and how long it was."""

from collections.abc import Iterator, Mapping
from typing import Any

NAME_SHARE = 0.45  # of a line's width, for the names
WIDTH_MIN = 60
BAR, ERROR_BAR, POINT = "█", "▓", "▏"
DEPTH_MAX = 12  # deeper spans stand below one another
# Attributes that say what a name leaves out, shown in this order.
SHOWN = (
    "http.response.status_code",
    "error.type",
    "faas.coldstart",
    "messaging.aws_sqs.receive_count",
    "messaging.batch.message_count",
)
Row = Mapping[str, Any]


def lines(trace: Row, width: int) -> Iterator[str]:
    """Yield the lines of a trace as the console's API tells it."""
    width = max(width, WIDTH_MIN)
    names = int(width * NAME_SHARE)
    yield f"{_printable(trace['name'])}  {_duration(trace['duration_ms'])}  {_summary(trace)}"
    yield f"trace {trace['id']} ({trace['xray_id']})"
    yield ""
    bars = width - names - 12
    for span in trace["trace_spans"]:
        yield _line(span, trace["duration_ms"], names, bars)
        if span["error"] and span["message"]:
            indent = "  " * min(span["depth"] + 1, DEPTH_MAX)
            yield f"{indent}! {_printable(span['message'])}"[:width]
    for linked in trace["linked"]:
        yield f"linked with trace {linked}"


def _line(span: Row, total_ms: float, names: int, bars: int) -> str:
    name = f"{'  ' * min(span['depth'], DEPTH_MAX)}{_printable(_label(span))}"
    shown = name if len(name) <= names - 1 else f"{name[: names - 2]}…"
    scale = bars / total_ms if total_ms else 0.0
    start = min(int(span["start_ms"] * scale), bars - 1)
    length = min(round(span["duration_ms"] * scale), bars - start)
    bar = (ERROR_BAR if span["error"] else BAR) * length or POINT
    return f"{shown:<{names}}{_duration(span['duration_ms']):>10}  {' ' * start}{bar}".rstrip()


def _label(span: Row) -> str:
    attributes = span["attributes"]
    facts = [
        f"{name.rpartition('.')[2]}={attributes[name]}" for name in SHOWN if attributes.get(name)
    ]
    name = span["name"] if span["name"] == span["service"] else f"{span['service']}: {span['name']}"
    return " ".join((name, *facts))


def _summary(trace: Row) -> str:
    words = [f"status {trace['status']}"] if trace["status"] else []
    words += [word for word, is_so in (("error", trace["error"]), ("slow", trace["slow"])) if is_so]
    return ", ".join([*words, f"{len(trace['trace_spans'])} spans"])


def _duration(duration_ms: float) -> str:
    return f"{duration_ms / 1000:,.2f} s" if duration_ms >= 1_000 else f"{duration_ms:.1f} ms"


def _printable(text: str) -> str:
    """Return a stranger's words without what would steer a terminal."""
    return "".join(each if each.isprintable() else " " for each in text)
