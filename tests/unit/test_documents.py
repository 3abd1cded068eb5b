"""The documents: the index names every page, tables are whole, and links lead to files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
HEAD = re.compile(r"\|[ :|-]+\|")


def test_the_index_names_every_page() -> None:
    linked = LINK.findall((DOCS / "README.md").read_text())
    missing = [page.name for page in DOCS.glob("*.md") if page.name not in ["README.md", *linked]]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_to_a_file(page: Path) -> None:
    links = LINK.findall(page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_row_of_a_table_stands_below_its_head(page: Path) -> None:
    lines = page.read_text().splitlines()
    first_rows = [
        number
        for number, line in enumerate(lines)
        if line.startswith("|") and (number == 0 or not lines[number - 1].startswith("|"))
    ]

    assert [lines[each] for each in first_rows if not HEAD.fullmatch(lines[each + 1])] == []
