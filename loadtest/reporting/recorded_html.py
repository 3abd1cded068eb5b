"""The charts of what was recorded beside the arrivals, on the time axis of the latency chart."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

from loadtest.reporting.charts import Line, Mark, chart

HEIGHT = 130
LINES_MAX = 6  # of one chart: as many as there are colours

Row = Mapping[str, Any]
Series = Mapping[str, Sequence[float | None]]


def length_s(report: Row) -> int:
    """Return the seconds that every chart of this report shows."""
    rows = _rows(report)
    ends = (int(row["at_s"]) + 1 for row in rows)
    return max([len(report["seconds"]), *ends])


def marks(report: Row) -> list[Mark]:
    """Return the spans of the run's faults, for every chart."""
    return [
        Mark(row["fault"].rpartition(" at ")[0], row["began_s"], row["ended_s"])
        for row in report.get("faults", ())
        if row["happened"]
    ]


def recorded(report: Row) -> str:
    """Return the charts, or nothing for a report that recorded nothing."""
    rows = _rows(report)
    if not rows:
        return ""
    count = length_s(report)
    shown = partial(_chart, shades=marks(report))
    parts = [
        shown("Processors", _processors(rows, count, report["machine"]["cpus"]), "% of all"),
        shown("Processes", _largest(_named(rows, count, "processes", _percent)), "% of one"),
        shown("Tasks that wanted to run", _column(rows, count, {"runnable": "tasks"}), "tasks"),
        shown("Waits for the disk", _disk(rows, count), "ms"),
        shown(
            "Longest waits for an environment",
            _largest(_named(rows, count, "pools", lambda pool: pool["longest_wait_ms"])),
            "ms",
        ),
        shown(
            "Oldest message",
            _largest(_named(rows, count, "queues", lambda queue: queue["age_s"])),
            "s",
        ),
        shown("Slow commands of Valkey", _slow(rows, count), "ms"),
    ]
    notes = "".join(f"<li>{escape(note)}</li>" for note in _notes(report["recorded"]))
    return "".join(parts) + (f"<ul>{notes}</ul>" if notes else "")


def _notes(record: Row) -> list[str]:
    return [*record["machine"], *record["notes"]]


def _rows(report: Row) -> list[Row]:
    return [row for row in report.get("recorded", {}).get("seconds", []) if row["at_s"] >= 0]


def _chart(title: str, series: Series, unit: str, *, shades: Sequence[Mark]) -> str:
    lines = [
        Line(name, f"c{number}", values)
        for number, (name, values) in enumerate(series.items())
        if any(values)
    ]
    if not lines:
        return ""
    return f"<h3>{escape(title)}</h3>{chart(lines, unit=unit, height=HEIGHT, marks=shades)}"


def _processors(rows: Iterable[Row], count: int, processors: int) -> Series:
    names = {
        "cpu": "busy",
        "others": "busy with other programs",
        "stolen": "stolen by neighbours",
        "disk_wait": "idle, waiting for the disk",
    }
    shares = [{**row, "others": _others(row, processors)} for row in rows]
    columns = _column(shares, count, names)
    return {name: [_percent(value) for value in values] for name, values in columns.items()}


def _others(row: Row, processors: int) -> float | None:
    if row["cpu"] is None or len(row["processes"]) < 2:
        return None
    ours = sum(row["processes"].values()) / processors
    return max(0.0, float(row["cpu"] - ours))


def _disk(rows: Iterable[Row], count: int) -> Series:
    rows = list(rows)
    source = next((row["syncs_of"] for row in rows if row["syncs_of"]), "the machine")
    names = {
        "longest_sync_ms": f"longest sync of {source}",
        "sync_ms": "all its syncs in the second",
        "disk_stop_ms": "everything waited for the disk",
    }
    return _column(rows, count, names)


def _column(rows: Iterable[Row], count: int, names: Mapping[str, str]) -> Series:
    series: dict[str, list[float | None]] = {name: [None] * count for name in names.values()}
    for row in rows:
        for key, name in names.items():
            series[name][row["at_s"]] = row[key]
    return series


def _named(rows: Iterable[Row], count: int, key: str, value: Callable[[Any], Any]) -> Series:
    """Return a series for each name below `key`; a name that a row lacks was at rest then."""
    rows = list(rows)
    series: dict[str, list[float | None]] = defaultdict(lambda: [None] * count)
    for name in dict.fromkeys(name for row in rows for name in row[key]):
        for row in rows:
            series[name][row["at_s"]] = value(row[key][name]) if name in row[key] else 0
    return series


def _largest(series: Series) -> Series:
    totals = {name: sum(value or 0 for value in values) for name, values in series.items()}
    names = sorted(totals, key=lambda name: -totals[name])[:LINES_MAX]
    return {name: series[name] for name in names}


def _slow(rows: Iterable[Row], count: int) -> Series:
    values: list[float | None] = [0.0] * count
    for row in rows:
        values[row["at_s"]] = max((each["ms"] for each in row["slow_commands"]), default=0.0)
    return {"slowest": values}


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)
