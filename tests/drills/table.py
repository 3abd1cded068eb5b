"""The page docs/drills.md: one table with a row a drill, and the sections of some of them."""

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.drills.outcome import Conditions, Drill, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "drills.md"
HEAD = (
    "| drill | fault | it happened | acked | lost | doubled | errors for clients | recovered after"
    " | verdict | seed | load average | on |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
)
ROW = re.compile(r"^\| (\w+) \|.*$", re.MULTILINE)
SECTION = re.compile(r"^## (\w+): .*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def row(name: str, drill: Drill, outcome: Outcome, seed: int) -> str:
    """Return the table's row of a drill that was run just now."""
    recovered = "-" if outcome.recovered_s is None else f"{outcome.recovered_s:.0f} s"
    cells = (
        *(name, drill.sentence, outcome.fault, f"{outcome.acked:,}", count(outcome.lost)),
        *(count(outcome.doubled), outcome.errors, recovered, outcome.verdict, seed),
        *(f"{os.getloadavg()[1]:.0f}", f"{datetime.now(UTC):%Y-%m-%d}"),
    )
    return f"| {' | '.join(str(each).replace('|', '/') for each in cells)} |"


def count(number: int | None) -> str:
    """Say a number, or that nobody counts it."""
    return "-" if number is None else f"{number:,}"


def write(name: str, drills: Mapping[str, Drill], outcome: Outcome, conditions: Conditions) -> str:
    """Write one drill's row and section, and leave the rest as it is; return the row."""
    introduction, _, page = PAGE.read_text().partition(HEAD)
    written = ROW.finditer(page.partition("\n## ")[0])
    rows = {each[1]: each[0] for each in written if each[1] in drills}
    sections = {each[1]: each[0] for each in SECTION.finditer(page) if each[1] in drills}
    rows[name] = row(name, drills[name], outcome, conditions.seed)
    sections.pop(name, None)
    if outcome.details:
        title = f"## {name}: {drills[name].sentence}, {datetime.now(UTC):%Y-%m-%d}"
        sections[name] = "\n".join([title, "", *outcome.details]) + "\n\n"
    table = "".join(f"{rows[each]}\n" for each in drills if each in rows)
    ends = "".join(sections[each] for each in drills if each in sections)
    PAGE.write_text(f"{introduction}{HEAD}{table}\n{ends}".rstrip("\n") + "\n")
    return rows[name]
