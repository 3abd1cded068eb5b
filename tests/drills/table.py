"""The sections of docs/drills.md, each between two marks and written by the drill that it is of."""

import re
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "drills.md"


def write_section(title: str, note: str, rows: list[str], command: str) -> None:
    """Write a section of the page anew, at its end where it is not there yet."""
    begin, end = f"<!-- {title} -->", f"<!-- end of {title} -->"
    section = (
        f"{begin}\n## {title}\n\nWritten by `{command}` on {datetime.now(UTC):%Y-%m-%d}. {note}\n\n"
        + "\n".join(rows)
        + f"\n{end}\n"
    )
    page = PAGE.read_text()
    old = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}\n", re.DOTALL)
    page = old.sub(lambda _: section, page) if begin in page else f"{page}\n{section}"
    PAGE.write_text(page)


def sections() -> str:
    """Return the sections that other drills wrote, for the page to keep."""
    page = PAGE.read_text() if PAGE.exists() else ""
    written = re.findall(r"<!-- [^>]* -->\n## .*?<!-- end of [^>]* -->\n", page, re.DOTALL)
    return "".join(f"\n{each}" for each in written)
