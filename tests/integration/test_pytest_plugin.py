"""The pytest plugin, by the example of its document and by what goes wrong."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]
FILE = re.compile(r"^`(\S+)`:\n\n((?:    .*\n|\n)+)", re.MULTILINE)
PATHS = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "backend" / "python")))
MORE = """
import json
import os
import time
from pathlib import Path

import pytest


def test_a_reset_takes_no_time_and_leaves_nothing(aws):
    aws.queue("Placed").send({"id": "7"}, delay_s=600)
    aws.client("dynamodb").put_item(TableName="Orders", Item={"id": {"S": "8"}})
    aws.client("s3").create_bucket(
        Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    aws.invoke("Show", {"pathParameters": {"id": "9"}})
    started_s = time.monotonic()
    aws.reset()
    Path(os.environ["TOOK"]).write_text(str(time.monotonic() - started_s))

    assert aws.queue("placed").messages == []
    assert aws.client("dynamodb").scan(TableName="Orders")["Count"] == 0
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert aws.logs() == ""


def test_what_is_not_idle_is_named(aws):
    aws.queue("placed").send({"id": "7"}, delay_s=600)

    with pytest.raises(AssertionError, match="within 0.1 s: the queue placed: 1 message delayed"):
        aws.wait_idle(0.1)


def test_an_answer_has_the_log_and_an_error_the_trace(aws):
    answer = aws.invoke("Show", {"pathParameters": {"id": "9"}})
    assert (answer.result["statusCode"], answer.error) == (404, None)
    assert "asked for 9" in answer.log

    error = aws.invoke("Show", {}).error
    assert (error.type, error.message) == ("KeyError", "'pathParameters'")
    assert "orders.py" in error.trace[-1]
    with pytest.raises(type(error), match="KeyError"):
        aws.invoke("Show", {}).result
    with pytest.raises(LookupError, match="no function 'Other'; there are: Show, Keep"):
        aws.invoke("Other")
    with pytest.raises(LookupError, match="no queue 'other'; there are: dead, placed"):
        aws.queue("other")


def test_that_fails(aws):
    aws.invoke("Show", {"pathParameters": {"id": "10"}})
    assert False


@pytest.mark.spillway(template="broken.yaml")
def test_of_a_template_that_is_broken(aws):
    pass


@pytest.mark.spillway(template="nowhere.yaml")
def test_of_a_template_that_is_not_there(aws):
    pass


@pytest.mark.spillway(templates="template.yaml")
def test_with_a_wrong_mark(aws):
    pass
"""
PLAIN = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Plain:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.13, Handler: index.handler, InlineCode: "def handler(e, c): pass"}
"""
KILLED = """
import os
import signal
from pathlib import Path

import pytest


@pytest.mark.spillway(template="plain.yaml")
def test_that_is_killed(aws):
    Path(os.environ["STARTED"]).write_text(str(aws._status.processes[0].pid))
    os.kill(os.getppid(), 9)
    signal.pause()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document's example in a folder of its own."""
    folder = tmp_path_factory.mktemp("example")
    for name, block in FILE.findall((ROOT / "docs" / "testing.md").read_text()):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(re.sub("^    ", "", block, flags=re.MULTILINE))
    (folder / "broken.yaml").write_text("Resources:\n  F: {Type: AWS::Serverless::Function}\n")
    (folder / "plain.yaml").write_text(PLAIN)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    return folder


def run(project: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pytest_spillway", "-q", *arguments],
        cwd=project,
        env={**inherited, "PYTHONPATH": PATHS, **variables},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_the_documented_example_passes_and_what_is_wrong_is_said_in_a_sentence(
    project: Path, tmp_path: Path
):
    (project / "tests" / "test_more.py").write_text(MORE)
    took = tmp_path / "took"
    ended = run(project, "-n", "1", TOOK=str(took))

    assert "1 failed, 6 passed, 3 errors" in ended.stdout
    assert f"{project}/broken.yaml:2: F: Runtime: is missing" in ended.stdout
    assert f"there is no nowhere.yaml in {project}/tests and up to {project}" in ended.stdout
    assert "@pytest.mark.spillway got an unexpected keyword argument 'templates'" in ended.stdout
    assert "logs of the functions" in ended.stdout
    assert "asked for 10" in ended.stdout
    assert "pytest_spillway/" not in ended.stdout
    assert float(took.read_text()) < 0.5  # 0.1 on a machine that does nothing else


def test_a_system_ends_with_tests_that_are_killed_also_while_one_runs(
    project: Path, tmp_path: Path
):
    (project / "test_killed.py").write_text(KILLED)
    started = tmp_path / "started"
    ended = run(project, "test_killed.py", "-n", "1", STARTED=str(started))

    assert ended.returncode == -signal.SIGKILL
    wait_until(lambda: not psutil.pid_exists(int(started.read_text())))


def test_a_project_that_does_not_use_it_imports_nothing_of_the_tool(tmp_path: Path):
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "__init__.py").write_text("NAME = 'theirs'\n")
    (tmp_path / "test_theirs.py").write_text(
        "import sys\nimport local\n\ndef test_it():\n"
        "    assert local.NAME == 'theirs'\n"
        "    assert not {'yaml', 'boto3', 'redis', 'psutil'} & sys.modules.keys()\n\n"
        "def test_aws(aws):\n    pass\n"
    )
    ended = run(tmp_path)

    assert "1 passed, 1 error" in ended.stdout
    assert "a package `local` of this project hides Spillway's; rename it" in ended.stdout
