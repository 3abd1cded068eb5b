"""The words about a template before and while it is started: `explain`, refusals, warnings."""

import json
import sys
from collections.abc import Callable

import pytest

from tests.integration.other_templates.conftest import CopiedProject

NODE = """
  Painter:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: ./
      Handler: index.paint
      Runtime: nodejs22.x
      Events:
        Paint: {Type: Api, Properties: {Path: /paintings, Method: POST}}
  Pictures:
    Type: AWS::CloudFormation::Stack
"""


@pytest.fixture(scope="module")
def orders(copied: Callable[[str], CopiedProject]) -> CopiedProject:
    return copied("orders")


@pytest.fixture(scope="module")
def painted(copied: Callable[[str], CopiedProject]) -> CopiedProject:
    """A template with a function that cannot run here, and an API that is not emulated."""
    painted = copied("pets")
    template = painted.folder / "template.yaml"
    template.write_text(template.read_text().replace("\nOutputs:", f"{NODE}\nOutputs:"))
    return painted


def test_explain_says_what_was_understood_with_the_parameters_given(orders: CopiedProject):
    shown = orders.run("explain", "--json", "--parameter", "Folder=/x", "--parameter", "Stage=live")
    understood = json.loads(shown.stdout)

    assert shown.returncode == 0, shown.stderr
    assert [(route["method"], route["path"]) for route in understood["routes"]] == [
        ("POST", "/orders"),
        ("GET", "/orders/{id}"),
    ]
    keeper = next(each for each in understood["functions"] if each["function"] == "Keeper")
    assert (keeper["handler"], keeper["timeout"]) == ("orders.keep", "2 s")
    assert keeper["variables"] == ["FOLDER", "STAGE"]
    assert [(queue["queue"], queue["dead letters"]) for queue in understood["queues"]] == [
        ("orders-live", "OrdersDead"),
        ("OrdersDead", None),
        ("steps-live.fifo", None),
    ]
    assert [(each["queue"], each["batch"]) for each in understood["mappings"]] == [
        ("orders-live", 5),
        ("steps-live.fifo", 10),
    ]
    here = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    otherwise = understood["otherwise than on AWS"]
    assert (keeper["runtime"] == here) or otherwise[0]["here"].endswith(f"python3.12 run on {here}")


def test_explain_shows_tables_of_what_there_is(orders: CopiedProject):
    shown = orders.run("explain", "--parameter", "Folder=/x").stdout
    lines = shown.splitlines()

    assert lines[0] == str(orders.folder / "template.yaml")
    assert "  POST    /orders       Taker" in lines
    assert "schedules" not in lines
    assert lines[-1].endswith(" documented differences are about what it has; --all lists them")
    assert "  here" not in lines
    assert not [line for line in lines if line.startswith("  3.23")]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Keeper: Environment.Variables.FOLDER: has no value here, left out"),
        (["--parameter", "Folder=/x", "--parameter", "Batch=11"], "'11' is above MaxValue 10"),
        (["--parameter", "Folder="], "'' is below MinLength 1"),
        (["--parameter", "Colour=red"], "Colour: is not declared; there are: Stage, Folder, Batch"),
        (["--parameter", "Colour"], "'Colour' is no KEY=VALUE"),
    ],
)
def test_parameters_that_are_missing_or_wrong_are_named(
    orders: CopiedProject, options: list[str], sentence: str
):
    shown = orders.run("explain", *options)

    assert sentence in shown.stdout + shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_broken_template_is_named_with_its_line(copied: Callable[[str], CopiedProject]):
    broken = copied("orders")
    template = broken.folder / "template.yaml"
    template.write_text(template.read_text().replace("Globals:\n", "Globals:\n\tTimeout: 3\n"))
    up = broken.run("up")

    line = template.read_text().splitlines().index("\tTimeout: 3") + 1
    assert up.returncode == 2
    assert up.stderr.startswith(f"{template}:{line}: ")
    assert up.stderr.count("\n") == 1


def test_a_setting_that_this_machine_does_not_provide_is_named(
    copied: Callable[[str], CopiedProject],
):
    asking = copied("pets")
    template = asking.folder / "template.yaml"
    text = template.read_text()
    template.write_text(f"Metadata: {{Spillway: {{Provides: [POSTGRES_URL]}}}}\n{text}")
    up = asking.run("up")

    assert up.returncode == 2
    assert "Provides: POSTGRES_URL is nothing that this machine provides; it has REDIS" in up.stderr


def test_what_cannot_run_here_is_refused_with_file_line_resource_and_property(
    painted: CopiedProject,
):
    up = painted.run("up")

    template = painted.folder / "template.yaml"
    line = template.read_text().splitlines().index("    Type: AWS::CloudFormation::Stack") + 1
    assert up.returncode == 2
    assert up.stderr.startswith(
        f"{template}:{line}: Pictures: Type: AWS::CloudFormation::Stack is n"
    )


def test_explain_lists_all_that_cannot_run_here(painted: CopiedProject):
    understood = json.loads(painted.run("explain", "--json").stdout)

    named = [each["what"].split(": ", 3)[1:3] for each in understood["not here"]]
    assert named == [["Pictures", "Type"], ["Painter", "Runtime"]]
    assert [each["function"] for each in understood["functions"]] == ["PetsFunction"]


def test_what_cannot_run_here_can_be_left_out_and_the_rest_runs(painted: CopiedProject):
    up = painted.run("up", "--allow-unsupported")

    assert up.returncode == 0, up.stderr
    assert ": Pictures: Type: " in up.stderr
    assert ": Painter: Runtime: nodejs22.x is not emulated" in up.stderr
    assert painted.request("GET", "/pets/1") == (200, {"name": "Rex"})
    assert painted.request("POST", "/paintings")[0] == 403
