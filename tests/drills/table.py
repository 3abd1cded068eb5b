"""The sections of docs/drills.md, each between two marks and written by its own drills."""

import re
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "drills.md"
PAYMENTS = "Payments and what surrounds them"
PAYMENTS_HEAD = [
    "| drill | what was done | accepted | 5xx before | verdict | on |",
    "|---|---|---|---|---|---|",
]


def write_section(title: str, note: str, rows: list[str]) -> None:
    """Write a section of the page anew, at its end where it is not there yet."""
    begin, end = _marks(title)
    section = f"{begin}\n## {title}\n\n{note}\n\n" + "\n".join(rows) + f"\n{end}\n"
    page = PAGE.read_text()
    old = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}\n", re.DOTALL)
    page = old.sub(lambda _: section, page) if begin in page else f"{page}\n{section}"
    PAGE.write_text(page)


def write_payments_row(name: str, cells: list[str]) -> None:
    """Write one drill's row of the section of payments; the other rows stay."""
    begin, end = _marks(PAYMENTS)
    before = PAGE.read_text().partition(begin)[2].partition(end)[0]
    lines = re.findall(r"^(\| (F\d+) \|.*)$", before, re.MULTILINE)
    rows = {key: row for row, key in lines}
    rows[name] = f"| {' | '.join([name, *cells, f'{today()}'])} |"
    write_section(
        PAYMENTS,
        "Each on a system of its own; it passes if every payment that was accepted ends with one"
        " charge, nothing is left\nin a queue and the reconciler finds no difference. Written by"
        " `make drills DRILL=` with the name.",
        [*PAYMENTS_HEAD, *(rows[key] for key in sorted(rows))],
    )


def sections() -> str:
    """Return the sections that other drills wrote, for the page to keep."""
    page = PAGE.read_text() if PAGE.exists() else ""
    written = re.findall(r"<!-- [^>]* -->\n## .*?<!-- end of [^>]* -->\n", page, re.DOTALL)
    return "".join(f"\n{each}" for each in written)


def today() -> str:
    """Return the date that stands beside a figure."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _marks(title: str) -> tuple[str, str]:
    return f"<!-- {title} -->", f"<!-- end of {title} -->"
