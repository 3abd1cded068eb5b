"""`python -m loadtest compare A B`: two reports side by side, on the terminal and as a page."""

import argparse
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import orjson

from loadtest.reporting import earlier
from loadtest.reporting.charts import Line, chart
from loadtest.reporting.comparison import Row, conditions, rows
from loadtest.reporting.report_html import STYLE

EPILOG = """A and B are folders of reports, report.json files, or names of folders in REPORTS. What
differs by more than noise is marked better or worse. Exit codes: 0 compared, 2 it could not be."""
LINE = "  {:<26}{:>14}{:>14}{:>9}  {}"


def main(arguments: Sequence[str]) -> int:
    """Print the comparison and write its page; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest compare", epilog=EPILOG)
    parser.add_argument("a", metavar="A", help="the report of before")
    parser.add_argument("b", metavar="B", help="the report of after")
    parser.add_argument("--page", type=Path, metavar="FILE", help="where the page goes")
    parser.add_argument("--json", action="store_true", help="print JSON, and write no page")
    options = parser.parse_args(arguments)
    folder = earlier.folder()
    try:
        a, b = earlier.load(options.a, folder), earlier.load(options.b, folder)
    except earlier.ReportError as error:
        sys.stderr.write(f"compare: {error}\n")
        return 2
    if options.json:
        sys.stdout.buffer.write(orjson.dumps(as_json(a, b)) + b"\n")
        return 0
    page = options.page or folder / f"compare-{_name(a)}-{_name(b)}.html"
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(as_page(a, b), encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"compare: {page}: it cannot be written ({error.strerror})\n")
        return 2
    sys.stdout.write(f"{as_text(a, b)}\npage: {page}\n")
    return 0


def as_text(a: earlier.Report, b: earlier.Report) -> str:
    """Return the comparison as a person reads it on a terminal."""
    lines = [f"{letter}: {_title(report)}" for letter, report in (("A", a), ("B", b))]
    lines += [f"note: {sentence}" for sentence in conditions(a, b)]
    group = ""
    for row in rows(a, b):
        if row.group != group:
            group = row.group
            lines.append(LINE.format(group, "A", "B", "", "").rstrip()[2:])
        cells = (_value(row, row.before), _value(row, row.after), row.change, row.mark)
        lines.append(LINE.format(row.name, *cells).rstrip())
    return "\n".join(lines)


def as_json(a: earlier.Report, b: earlier.Report) -> dict[str, Any]:
    """Return the comparison for programs: its notes, and a row for each figure."""
    return {
        "notes": list(conditions(a, b)),
        "rows": [
            {
                "group": row.group,
                "name": row.name,
                "unit": row.unit,
                "a": row.before,
                "b": row.after,
                "change": row.change,
                "mark": row.mark,
            }
            for row in rows(a, b)
        ],
    }


def as_page(a: earlier.Report, b: earlier.Report) -> str:
    """Return the comparison as a page of its own, which needs no network."""
    lines = [
        Line(f"p99 of {letter}", css, [second.get("p99_ms") for second in report["seconds"]])
        for letter, css, report in (("A", "p50", a), ("B", "p99", b))
    ]
    notes = "".join(f"<li>{escape(sentence)}</li>" for sentence in conditions(a, b))
    head = "".join(f"<th>{cell}</th>" for cell in ("", "", "A", "B", "change", "beyond noise"))
    body = "".join(_html_row(row) for row in rows(a, b))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Two load runs</title><style>{STYLE}</style></head><body><main>"
        f"<header><h1>Two load runs</h1><p>A: {escape(_title(a))}</p>"
        f"<p>B: {escape(_title(b))}</p><ul>{notes}</ul></header>"
        f'<section><div class="table"><table><tr>{head}</tr>{body}</table></div></section>'
        f"<section><h2>Latency by second</h2>{chart(lines, unit='ms')}</section>"
        "</main></body></html>\n"
    )


def _html_row(row: Row) -> str:
    cells = (
        *(row.group, row.name, _value(row, row.before), _value(row, row.after)),
        *(row.change, row.mark),
    )
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _title(report: earlier.Report) -> str:
    return f"{_name(report)} against {report['target']}, {report['verdict']}"


def _name(report: earlier.Report) -> str:
    moment = "".join(each for each in report["started_at"][:19] if each.isalnum())
    profile = "".join(each for each in report["profile"] if each.isalnum() or each == "-")
    return f"{moment}Z-{profile}"


def _value(row: Row, value: float | None) -> str:
    if value is None:
        return "-"
    number = f"{value:,.0f}" if row.unit in ("", "µs") else f"{value:,.1f}"
    return f"{number} {row.unit}".strip()
