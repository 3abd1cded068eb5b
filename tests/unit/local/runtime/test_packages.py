"""The installed needs of functions: here, what their Makefile builds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.runtime import packages
from local.runtime.handler import import_folders
from local.runtime.interpreter import OWN, Interpreter
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


@pytest.mark.parametrize(
    ("requirements", "is_lacking"),
    [
        ("pytest\nboto3>=1.26 # with a comment\n", False),
        ("pytest ; python_version < '3'\nnone-such ; python_version < '3'\n", False),
        ("pytest==0.1", True),
        ("none-such-package", True),
        ("-r others.txt", True),
    ],
)
def test_requirements_that_the_python_of_functions_fulfils_are_not_lacking(
    read: Any, tmp_path: Path, requirements: str, is_lacking: bool
):
    (tmp_path / "requirements.txt").write_text(requirements)
    functions = [read(FUNCTION).functions["Pages"]]

    assert packages.lacked_by(OWN, functions) == (functions if is_lacking else [])


def test_a_template_that_says_what_it_takes_has_nothing_built(read: Any, tmp_path: Path):
    (tmp_path / "Makefile").write_text(MAKEFILE)
    template = read(BUILT, before="Metadata: {Spillway: {Provides: [REDIS_URL]}}")

    assert packages.without_packages(template, tmp_path / "state", OWN) == []


LAYERED = FUNCTION.replace("CodeUri: .", "CodeUri: .\n      Layers: [!Ref Shared]") + (
    "  Shared:\n    Type: AWS::Serverless::LayerVersion\n    Properties: {ContentUri: shared}\n"
    "    Metadata: {BuildMethod: makefile}\n"
)
OF_LAYER = (
    "build-Shared:\n\tmkdir -p $(ARTIFACTS_DIR)/python\n\tcp word.py $(ARTIFACTS_DIR)/python\n"
)


def test_a_layer_that_make_builds_is_found_by_its_functions(read: Any, tmp_path: Path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "Makefile").write_text(OF_LAYER)
    (tmp_path / "shared" / "word.py").write_text("WORD = 1\n")
    template, state = read(LAYERED), tmp_path / "state"
    function = template.functions["Pages"]
    assert packages.without_packages(template, state, OWN) == [function]

    packages.install(function, state, OWN)
    assert packages.without_packages(template, state, OWN) == []
    assert [(folder / "word.py").is_file() for folder in import_folders(function, state)] == [
        *(False, True)
    ]


def test_a_python_without_powertools_lacks_what_their_layer_has(read: Any, tmp_path: Path):
    arn = "arn:aws:lambda:eu-west-1:017000801446:layer:AWSLambdaPowertoolsPythonV2:9"
    template = read(FUNCTION.replace("CodeUri: .", f"CodeUri: .\n      Layers: ['{arn}']"))
    other = Interpreter(OWN.path, (3, 99))

    assert packages.without_packages(template, tmp_path, OWN) == []
    assert packages.without_packages(template, tmp_path, other) == [template.functions["Pages"]]
    assert template.functions["Pages"].requirements == ("aws-lambda-powertools[all]>=2,<3",)


def test_functions_with_the_same_list_share_what_is_installed(read: Any, tmp_path: Path):
    (tmp_path / "requirements.txt").write_text("# nothing at all\n")
    functions = read(FUNCTION + FUNCTION.replace("Pages:", "Other:")).functions
    state = tmp_path / "state"
    packages.install(functions["Pages"], state, OWN)
    (packages.folder(state, "Pages") / "word.py").write_text("WORD = 1")
    packages.install(functions["Other"], state, OWN)

    assert (packages.folder(state, "Other") / "word.py").read_text() == "WORD = 1"
