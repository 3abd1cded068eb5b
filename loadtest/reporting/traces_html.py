"""The waterfalls of the slowest traced arrivals, one row a span, on the arrival's own time axis."""

from collections.abc import Mapping
from html import escape
from typing import Any

from loadtest.generator.tracing import EVERY

WIDTH, ROW, NAMES = 920, 18, 380  # pixels: of all, of a span's height, of the names before the bars
BAR_MIN = 1.5  # what is over at once can still be seen
INDENT = 10
COLOURS = 6  # of report.css, by service
NAME_CHARS = 44

Row = Mapping[str, Any]


def waterfalls(traces: Row) -> str:
    """Return what a report shows of its traces: waterfalls, and what could not be had."""
    parts = [f"<p>{escape(_note(traces))}</p>", *map(_waterfall, traces["slowest"])]
    return "".join(parts)


def _note(traces: Row) -> str:
    note = f" {traces['note'][0].upper()}{traces['note'][1:]}." if traces["note"] else ""
    return f"One arrival in {EVERY:,} asked for its trace: {traces['traced']:,} in all.{note}"


def _waterfall(arrival: Row) -> str:
    title = (
        f"{arrival['scenario']} at {arrival['due_s']:.1f} s: {arrival['latency_ms']:,.1f} ms"
        f" from the scheduled start, trace {arrival['trace']}"
    )
    if not arrival["spans"]:
        return f"<h3>{escape(title)}</h3><p>Its trace is not there.</p>"
    end_ms = max(start + duration for _, _, _, start, duration, _ in arrival["spans"]) or 1.0
    services = {name: at for at, name in enumerate(dict.fromkeys(s[2] for s in arrival["spans"]))}
    rows = "".join(
        _row(at, span, end_ms, f"c{services[span[2]] % COLOURS}")
        for at, span in enumerate(arrival["spans"])
    )
    height = ROW * len(arrival["spans"])
    return (
        f'<h3>{escape(title)}</h3><svg viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{escape(title)}">{rows}</svg>'
    )


def _row(at: int, span: list[Any], end_ms: float, colour: str) -> str:
    depth, name, service, start_ms, duration_ms, is_error = span
    scale = (WIDTH - NAMES) / end_ms
    x, width = NAMES + start_ms * scale, max(BAR_MIN, duration_ms * scale)
    label = f"{service}: {name}"
    label = label if len(label) <= NAME_CHARS else f"{label[: NAME_CHARS - 1]}…"
    times = f"{label}\nfrom {start_ms:,.2f} ms, {duration_ms:,.2f} ms long"
    css = "bar failed" if is_error else f"bar {colour}"
    return (
        f'<g><title>{escape(times)}</title><rect class="hover" x="0" y="{at * ROW}"'
        f' width="{WIDTH}" height="{ROW}"/>'
        f'<text x="{depth * INDENT}" y="{at * ROW + 13}">{escape(label)}</text>'
        f'<text x="{NAMES - 8}" y="{at * ROW + 13}" text-anchor="end">{duration_ms:,.1f} ms</text>'
        f'<rect class="{css}" x="{x:.1f}" y="{at * ROW + 4}" width="{width:.1f}"'
        f' height="{ROW - 8}"/></g>'
    )
