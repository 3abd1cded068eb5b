"""The installed needs of functions: here, what their Makefile builds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.runtime import packages
from local.runtime.handler import import_folders
from local.runtime.interpreter import OWN
from tests.unit.local.template.template_texts import FUNCTION

BUILT = FUNCTION + "    Metadata: {BuildMethod: makefile}\n"
MAKEFILE = "build-Pages:\n\techo 'WORD = 1' > $(ARTIFACTS_DIR)/word.py\n"


def test_a_function_that_make_builds_finds_what_was_built(read: Any, tmp_path: Path):
    (tmp_path / "Makefile").write_text(MAKEFILE)
    template = read(BUILT)
    function, state = template.functions["Pages"], tmp_path / "state"
    assert packages.without_packages(template, state, OWN) == [function]

    packages.install(function, state, OWN)
    assert packages.without_packages(template, state, OWN) == []
    assert [(folder / "word.py").is_file() for folder in import_folders(function, state)] == [
        *(False, True)
    ]

    (tmp_path / "Makefile").write_text(MAKEFILE + "# changed\n")
    assert packages.without_packages(template, state, OWN) == [function]


def test_a_build_that_fails_says_why_and_leaves_what_was_there(read: Any, tmp_path: Path):
    (tmp_path / "Makefile").write_text(MAKEFILE)
    function, state = read(BUILT).functions["Pages"], tmp_path / "state"
    packages.install(function, state, OWN)

    with pytest.raises(packages.NotInstalled, match="No rule to make target 'build-Other'"):
        packages.install(replace(function, logical_id="Other"), state, OWN)
    assert (packages.folder(state, "Pages") / "word.py").is_file()


def test_a_template_that_says_what_it_takes_has_nothing_built(read: Any, tmp_path: Path):
    (tmp_path / "Makefile").write_text(MAKEFILE)
    template = read(BUILT, before="Metadata: {Spillway: {Provides: [REDIS_URL]}}")

    assert packages.without_packages(template, tmp_path / "state", OWN) == []
