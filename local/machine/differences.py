"""The differences from AWS, as the table in docs/local-aws.md has them."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).with_name("local-aws.md")
_LINE = re.compile(r"\| *(\d\.\d+b?) *\| *(differs|not emulated) *\| *(\S.*?) *\|")


@dataclass(frozen=True, slots=True)
class Difference:
    """One row of AWS's behaviour; `kind` is differs or not emulated."""

    row: str
    kind: str
    here: str


def differences(page: Path = PAGE) -> list[Difference]:
    """Return the table's lines; none where the page was not installed."""
    if not page.is_file():
        return []
    matches = (_LINE.fullmatch(line.rstrip()) for line in page.read_text().splitlines())
    return [Difference(*match.groups()) for match in matches if match]
