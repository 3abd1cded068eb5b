"""capacity.html: the curve of a search for a person, self-contained, made of its record alone."""

from collections.abc import Sequence
from html import escape
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

STYLE = (Path(__file__).parents[1] / "reporting" / "report.css").read_text(encoding="utf-8")
WIDTH, HEIGHT = 920, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 14, 28
PARTS = 4  # of either axis
Trials = Sequence[dict[str, Any]]


class Line(NamedTuple):
    """One measure of the trials: its field, its label and the class that gives the colour."""

    field: str
    label: str
    css: str
    factor: float = 1.0


def page(record: dict[str, Any]) -> str:
    """Return the whole page."""
    trials, terms = record["trials"], record["terms"]
    latency = [Line("p50_ms", "p50", "p50"), Line("p99_ms", "p99", "p99")]
    busy = [
        Line("machine_busy", "the generator's machine", "p99", 100),
        Line("generator_cpu", "the generator, of a core", "p50", 100),
    ]
    ages = [Line("age_max_s", "the oldest message", "p99")]
    cost = [Line("cpu_us_per_arrival", "the system's processes", "ok")]
    sections = (
        _head(record),
        _section("Latency from the scheduled start", curve(trials, latency, "ms", terms["p99_ms"])),
        _section("Age of the oldest message", curve(trials, ages, "s", terms["age_max_s"])),
        _section("CPU busy", curve(trials, busy, "%", 100)),
        _section("CPU an arrival", curve(trials, cost, "us")),
        _section("Trials", _table(trials)),
    )
    title = f"Capacity of {terms['target']}, {record['started_at']}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}circle {{ fill: var(--card); "
        "stroke-width: 2; }</style></head><body><main>"
        f"{''.join(sections)}</main></body></html>\n"
    )


def curve(trials: Trials, lines: Sequence[Line], unit: str, limit: float | None = None) -> str:
    """Return one chart over the rate; a trial that did not hold is drawn in red."""
    values = [trial[line.field] * line.factor for line in lines for trial in _with(trials, line)]
    if not values:
        return "<p>Not seen: the target shows no console.</p>"
    top = _round_up(max([*values, limit or 0.0]))
    right = _round_up(max(trial["rate_per_s"] for trial in trials))
    legend = "".join(
        f'<span><i class="{line.css}"></i>{escape(line.label)}</span>' for line in lines
    )
    drawn = "".join(_drawn(_with(trials, line), line, right, top, unit) for line in lines)
    if limit is not None:
        y = _y(limit, top)
        drawn += (
            f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text x="{WIDTH - RIGHT}" y="{y - 4}" text-anchor="end">at most {limit:g}</text>'
        )
    return (
        f'<div class="legend">{legend}</div><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(", ".join(line.label for line in lines))} over the rate">'
        f"{_grid(right, top, unit)}{drawn}</svg>"
    )


def _with(trials: Trials, line: Line) -> list[dict[str, Any]]:
    present = [trial for trial in trials if trial[line.field] is not None]
    return sorted(present, key=lambda trial: float(trial["rate_per_s"]))


def _drawn(trials: Trials, line: Line, right: float, top: float, unit: str) -> str:
    places = [
        (_x(trial["rate_per_s"], right), _y(trial[line.field] * line.factor, top))
        for trial in trials
    ]
    points = " ".join(f"{x},{y}" for x, y in places)
    marks = []
    for trial, (x, y) in zip(trials, places, strict=True):
        colour = "" if not trial["reasons"] else ' style="stroke: var(--failed)"'
        value = trial[line.field] * line.factor
        shown = f"{trial['rate_per_s']:,}/s\n{line.label}: {value:,.1f} {unit}"
        marks.append(
            f'<circle class="{line.css}" cx="{x}" cy="{y}" r="4"{colour}>'
            f"<title>{escape(shown)}</title></circle>"
        )
    return f'<polyline class="{line.css}" points="{points}"/>{"".join(marks)}'


def _grid(right: float, top: float, unit: str) -> str:
    parts = [f'<text x="{LEFT + 6}" y="{TOP + 12}">{escape(unit)}</text>']
    for part in range(PARTS + 1):
        rate, value = right * part / PARTS, top * part / PARTS
        x, y = _x(rate, right), _y(value, top)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:,g}</text>'
            f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="middle">{rate:,g}/s</text>'
        )
    return "".join(parts)


def _head(record: dict[str, Any]) -> str:
    result, terms = record["result"], record["terms"]
    rate = result["rate_per_s"]
    css = "passed" if result["is_confirmed"] else "failed"
    sentences = [*record.get("summary", []), *record["notes"]]
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return (
        f'<header class="{css}"><h1>{rate:,} arrivals a second</h1>'
        f"<p>{escape(terms['target'])}, {record['started_at']}, steps of {terms['step_s']} s, "
        f"confirmed for {terms['confirm_s']} s</p><ul>{lines}</ul></header>"
    )


def _table(trials: Trials) -> str:
    names = ("rate", "seconds", "p50 ms", "p99 ms", "oldest s", "us an arrival", "failed", "held")
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(trial)) + "</tr>"
        for trial in trials
    )
    head = "".join(f"<th>{name}</th>" for name in names)
    return f'<div class="table"><table><tr>{head}</tr>{rows}</table></div>'


def _cells(trial: dict[str, Any]) -> tuple[str, ...]:
    age_s, cost_us = trial["age_max_s"], trial["cpu_us_per_arrival"]
    return (
        f"{trial['rate_per_s']:,}/s",
        f"{trial['seconds']}",
        f"{trial['p50_ms']:.1f}",
        f"{trial['p99_ms']:.1f}",
        "-" if age_s is None else f"{age_s:.1f}",
        "-" if cost_us is None else f"{cost_us:,.0f}",
        f"{trial['failed']:,}",
        "; ".join(trial["reasons"]) or "yes",
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def _round_up(value: float) -> float:
    """Return the next value with one digit that is a multiple of the axis' parts."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value > 0:
        power /= 10
    return ceil(value / power / PARTS * 10) * PARTS * power / 10 or float(PARTS)


def _x(rate: float, right: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * rate / right, 1)


def _y(value: float, top: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top), 1)
