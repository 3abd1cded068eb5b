"""Line charts over the seconds of a run, as inline SVG. Colours are CSS variables of the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 920, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 26
LABELS_MAX = 10  # along either axis
MAX_POINTS = 920  # one a pixel; longer runs show the largest value of each group

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    css: str  # class that gives the colour
    values: Values


def chart(lines: Sequence[Line], *, unit: str, limit: float | None = None) -> str:
    """One chart with a legend; `limit` draws a dashed line that values should stay under."""
    step_s = ceil(max(len(line.values) for line in lines) / MAX_POINTS)
    lines = [Line(line.label, line.css, _thinned(line.values, step_s)) for line in lines]
    count = max(len(line.values) for line in lines)
    top = _ceiling(max((value or 0.0 for line in lines for value in line.values), default=0.0))
    if limit is not None and limit <= 4 * top:
        top = _ceiling(max(top, limit * 1.05))
    drawn = "".join(_polyline(line, count, top) for line in lines)
    marks = _limit(limit, top, unit) if limit is not None and limit <= top else ""
    legend = "".join(
        f'<span><i class="{line.css}"></i>{escape(line.label)}</span>' for line in lines
    )
    return (
        f'<div class="legend">{legend}</div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(", ".join(line.label for line in lines))} over time">'
        f"{_grid(count * step_s, top, unit)}{marks}{drawn}"
        f"{_hover(lines, count, step_s, unit)}</svg>"
    )


def _thinned(values: Values, step: int) -> Values:
    if step == 1:
        return values
    groups = (values[start : start + step] for start in range(0, len(values), step))
    return [max((v for v in group if v is not None), default=None) for group in groups]


def _ceiling(value: float) -> float:
    """The next round number: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= value)


def _x(second: float, count: int) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * second / max(1, count - 1), 1)


def _y(value: float, top: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top), 1)


def _polyline(line: Line, count: int, top: float) -> str:
    pieces: list[list[str]] = [[]]
    for second, value in enumerate(line.values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{_x(second, count)},{_y(value, top)}")
    return "".join(
        f'<polyline class="{line.css}" points="{" ".join(piece)}"/>' for piece in pieces if piece
    )


def _grid(seconds: int, top: float, unit: str) -> str:
    parts = []
    for quarter in range(5):
        value = top * quarter / 4
        y = _y(value, top)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:,g}</text>')
    every = max(1, int(_ceiling(seconds / LABELS_MAX)))
    for second in range(0, seconds, every):
        x = _x(second, seconds)
        parts.append(f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="middle">{second} s</text>')
    parts.append(f'<text x="{LEFT + 6}" y="{TOP + 12}">{escape(unit)}</text>')
    return "".join(parts)


def _limit(limit: float, top: float, unit: str) -> str:
    y = _y(limit, top)
    return (
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text x="{WIDTH - RIGHT}" y="{y - 4}" text-anchor="end">'
        f"{limit:g} {escape(unit)} allowed</text>"
    )


def _hover(lines: Sequence[Line], count: int, step_s: int, unit: str) -> str:
    width = round((WIDTH - LEFT - RIGHT) / max(1, count - 1), 2)
    parts = []
    for at in range(count):
        shown = "\n".join(
            f"{line.label}: {line.values[at]:,g} {unit}"
            for line in lines
            if line.values[at] is not None
        )
        parts.append(
            f'<rect class="hover" x="{_x(at, count) - width / 2:.1f}" y="{TOP}" width="{width}" '
            f'height="{HEIGHT - TOP - BOTTOM}">'
            f"<title>{at * step_s} s\n{escape(shown)}</title></rect>"
        )
    return "".join(parts)
