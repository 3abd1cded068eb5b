"""A function that cannot be imported is named with its error and line; the others run."""

import json
import urllib.request
from collections.abc import Callable

import pytest

from tests.integration.other_templates.conftest import CopiedProject


@pytest.fixture(scope="module")
def system(copied: Callable[[str], CopiedProject]) -> CopiedProject:
    return copied("broken")


def test_a_function_that_cannot_be_imported_is_seen(system: CopiedProject):
    up = system.run("up")
    shown = system.run("status")
    with urllib.request.urlopen(f"http://127.0.0.1:{system.ports['CONSOLE']}/api/functions") as got:
        errors = {each["name"]: each["import_error"] for each in json.load(got)["functions"]}
    sentence = (
        "broken.py:3: Runtime.ImportModuleError: Unable to import module 'broken':"
        " No module named 'what_nobody_has'"
    )

    lines = [f"{name} cannot be imported: {sentence}" for name in ("Broken", "Seldom")]

    assert (up.returncode, up.stderr.splitlines()) == (1, lines)
    assert (shown.returncode, shown.stdout.splitlines()[-2:]) == (1, lines)
    assert errors == {"Whole": None, "Broken": sentence, "Seldom": sentence}
    assert system.request("GET", "/whole") == (200, "whole")
    assert system.request("GET", "/broken")[0] == 502
    assert system.run("up").returncode == 1


def test_one_that_can_be_imported_again_is_forgotten(system: CopiedProject):
    system.run("down")
    (system.folder / "broken.py").write_text((system.folder / "whole.py").read_text())

    assert system.run("up").returncode == 0
    assert system.run("status").returncode == 0
