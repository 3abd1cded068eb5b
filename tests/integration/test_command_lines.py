"""Every program says what it cannot use in one sentence and ends with status 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOST = ["local.runtime.host", "--function", "PaymentsFunction"]
PROGRAMS = [
    "local",
    "local up",
    "local.server",
    "local.runtime.host",
    "local.documents",
    "local.simulators.provider",
    "local.simulators.mailbox",
    "queue_workers",
    "loadtest",
]


def run(*arguments: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{ROOT}:{ROOT / 'functions'}:{ROOT / 'layers/backend/python'}"
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_explains_itself(program: str) -> None:
    shown = run(*program.split(), "--help")

    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: python -m {program}")
    assert shown.stderr == ""


def test_in_another_project_no_command_is_listed_that_only_this_one_has(tmp_path: Path) -> None:
    here, elsewhere = run("local", "--help").stdout, run("local", "--help", cwd=tmp_path).stdout
    up_elsewhere = run("local", "up", "--help", cwd=tmp_path).stdout

    assert "reconcile" in here
    assert "invoke" in elsewhere
    assert not [name for name in ("reconcile", "story", "mailbox") if name in elsewhere]
    assert "--smtp-port" not in up_elsewhere


def test_a_sample_event_is_printed_outside_of_any_project(tmp_path: Path) -> None:
    shown, unknown = run("local", "event", "sqs", cwd=tmp_path), run("local", "event", "tea")

    assert json.loads(shown.stdout)["Records"][0]["eventSource"] == "aws:sqs"
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("there is no event 'tea'; there are: api, http-api, ")


def test_each_step_of_a_state_says_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text("Resources: {}\n")
    steps = ("list", "save first", "list", "load first", "reset", "delete first")

    lines = [run("local", "state", *each.split(), cwd=tmp_path).stdout for each in steps]

    assert lines[0].startswith("nothing is saved; ")
    assert lines[1].startswith("saved as first; ")
    assert lines[2].startswith("first ")
    assert lines[3:] == [
        "the data is now that of first\n",
        "the data is deleted; what was saved is kept\n",
        "deleted first\n",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["local", "event", "sqs", "--state", "x"], "unrecognized arguments: --state x"),
        (["local", "up", "--port", "99999"], "'99999' is no whole number from 1 to 65535"),
        (["local", "up", "--template", "none.yaml"], "none.yaml: cannot read the template"),
        (["local", "up", "--state", "/dev/null/x"], "/dev/null/x cannot be made"),
        (["local", "logs", "--state", "/nowhere"], "there is no /nowhere/logs"),
        (["local", "logs", "-n", "-3"], "'-3' is no whole number from 0"),
        (["local", "queues", "--state", "/nowhere"], "the system is not running"),
        (["local", "invoke", "ApiFunction", "--state", "/nowhere"], "the system is not running"),
        (["local", "mailbox", "--state", "/nowhere"], "the system is not running"),
        (["local", "mailbox", "--template=x"], "unrecognized arguments: --template=x"),
        (["local", "state", "load"], "`state load` needs a name"),
        (["local", "up", "--debug", "Other"], "there is no function Other; there are: "),
        (["local", "mailbox", "0"], "'0' is no whole number from 1"),
        (["local.server", "--port", "many"], "'many' is no whole number from 1 to 65535"),
        (["local.server", "--state", "/dev/null/x"], "/dev/null/x cannot be made"),
        (["local.server", "--queue-deadline-ms", "0"], "'0' is no whole number from 1"),
        ([*HOST, "--connect", "tcp:localhost:70000"], "is no address"),
        ([*HOST, "--connect", "unix:/x", "--environments", "0"], "'0' is no whole number from 1"),
        (["local.documents", "--data", "x", "--port", "99999"], "'99999' is no whole number"),
        (["local.simulators.provider", "--journal", "/dev/null/x"], "cannot be opened"),
        (["queue_workers", "--index", "-1"], "'-1' is no whole number from 0"),
        (["queue_workers", "--metrics-port", "99999"], "'99999' is no whole number"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_used_is_one_sentence_and_status_2(
    arguments: list[str], sentence: str
) -> None:
    refused = run(*arguments)

    assert refused.returncode == 2
    assert sentence in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr


def test_a_function_that_is_not_there_is_answered_with_those_that_are() -> None:
    refused = run("local.runtime.host", "--function", "Nobody", "--connect", "unix:/nowhere")

    assert refused.returncode == 2
    assert "has no function Nobody; it has Access" in refused.stderr
