"""Settings are true in three places: the code, the table of docs/settings.md and the template."""

import re
from dataclasses import fields
from pathlib import Path

from backend.settings import Settings
from tests.written_template import TEMPLATE

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `([A-Z_]+)` \|", re.MULTILINE)


def test_the_document_lists_every_setting_with_its_default_and_meaning():
    text = DOCUMENT.read_text()

    assert ROW.findall(text) == [each.name.upper() for each in fields(Settings)]
    for each in fields(Settings):
        default = f"`{each.metadata['default']}`" if each.metadata["default"] else "-"
        assert f"| `{each.name.upper()}` | {default} | {each.metadata['doc']} |" in text


def test_the_template_sets_only_variables_that_settings_know():
    set_names = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    for resource in TEMPLATE["Resources"].values():
        environment = resource.get("Properties", {}).get("Environment") or {}
        set_names |= set(environment.get("Variables", {}))

    assert set_names <= {each.name.upper() for each in fields(Settings)}
