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


@dataclass(frozen=True, slots=True)
class Mark:
    """A span of seconds that stands out in every chart."""

    label: str
    from_s: float
    to_s: float


def chart(
    lines: Sequence[Line],
    *,
    unit: str,
    limit: float | None = None,
    length_s: int = 0,
    height: int = HEIGHT,
    marks: Sequence[Mark] = (),
) -> str:
    """Return one chart with a legend over `length_s` seconds, or as many as there are values.

    `limit` draws a dashed line that values should stay under, `marks` shade seconds.
    """
    lines = [Line(line.label, line.css, _padded(line.values, length_s)) for line in lines]
    step_s = ceil(max(len(line.values) for line in lines) / MAX_POINTS)
    lines = [Line(line.label, line.css, _thinned(line.values, step_s)) for line in lines]
    count = max(len(line.values) for line in lines)
    top = _ceiling(max((value or 0.0 for line in lines for value in line.values), default=0.0))
    if limit is not None and limit <= 4 * top:
        top = _ceiling(max(top, limit * 1.05))
    frame = _Frame(count, top, height)
    drawn = "".join(_polyline(line, frame) for line in lines)
    bound = _limit(limit, frame, unit) if limit is not None and limit <= top else ""
    shades = "".join(_mark(mark, frame, step_s) for mark in marks)
    legend = "".join(
        f'<span><i class="{line.css}"></i>{escape(line.label)}</span>' for line in lines
    )
    return (
        f'<div class="legend">{legend}</div>'
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(", ".join(line.label for line in lines))} over time">'
        f"{shades}{_grid(frame, step_s, unit)}{bound}{drawn}"
        f"{_hover(lines, frame, step_s, unit)}</svg>"
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """The scale of one chart: points along it, its greatest value, its height in pixels."""

    count: int
    top: float
    height: int

    def x(self, point: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * point / max(1, self.count - 1), 1)

    def y(self, value: float) -> float:
        return round(TOP + (self.height - TOP - BOTTOM) * (1 - value / self.top), 1)


def _padded(values: Values, length_s: int) -> Values:
    return [*values, *[None] * (length_s - len(values))]


def _thinned(values: Values, step: int) -> Values:
    if step == 1:
        return values
    groups = (values[start : start + step] for start in range(0, len(values), step))
    return [max((v for v in group if v is not None), default=None) for group in groups]


def _ceiling(value: float) -> float:
    """Return the next round number: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= value)


def _polyline(line: Line, frame: _Frame) -> str:
    pieces: list[list[str]] = [[]]
    for second, value in enumerate(line.values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{frame.x(second)},{frame.y(value)}")
    return "".join(
        f'<polyline class="{line.css}" points="{" ".join(piece)}"/>' for piece in pieces if piece
    )


def _grid(frame: _Frame, step_s: int, unit: str) -> str:
    parts = []
    quarters = 4 if frame.height == HEIGHT else 2
    for quarter in range(quarters + 1):
        value = frame.top * quarter / quarters
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:,g}</text>')
    every = max(1, int(_ceiling(frame.count * step_s / LABELS_MAX)))
    for second in range(0, frame.count * step_s, every):
        x, y = frame.x(second / step_s), frame.height - 8
        parts.append(f'<text x="{x}" y="{y}" text-anchor="middle">{second} s</text>')
    parts.append(f'<text x="{LEFT + 6}" y="{TOP + 12}">{escape(unit)}</text>')
    return "".join(parts)


def _mark(mark: Mark, frame: _Frame, step_s: int) -> str:
    last = float(frame.count - 1)
    x = frame.x(min(last, mark.from_s / step_s))
    width = max(2.0, round(frame.x(min(last, mark.to_s / step_s)) - x, 1))
    return (
        f'<rect class="mark" x="{x}" y="{TOP}" width="{width}" '
        f'height="{frame.height - TOP - BOTTOM}"/>'
        f'<text x="{x + 3}" y="{TOP + 26}">{escape(mark.label)}</text>'
    )


def _limit(limit: float, frame: _Frame, unit: str) -> str:
    y = frame.y(limit)
    return (
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        f'<text x="{WIDTH - RIGHT}" y="{y - 4}" text-anchor="end">'
        f"{limit:g} {escape(unit)} allowed</text>"
    )


def _hover(lines: Sequence[Line], frame: _Frame, step_s: int, unit: str) -> str:
    width = round((WIDTH - LEFT - RIGHT) / max(1, frame.count - 1), 2)
    parts = []
    for at in range(frame.count):
        shown = "\n".join(
            f"{line.label}: {line.values[at]:,g} {unit}"
            for line in lines
            if line.values[at] is not None
        )
        parts.append(
            f'<rect class="hover" x="{frame.x(at) - width / 2:.1f}" y="{TOP}" width="{width}" '
            f'height="{frame.height - TOP - BOTTOM}">'
            f"<title>{at * step_s} s\n{escape(shown)}</title></rect>"
        )
    return "".join(parts)
