"""The tool as `pip install .` gives it: the command `spillway` in a stranger's folder."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
PORTS = ("GATEWAY", "CONSOLE", "INVOKE", "VALKEY", *(f"WORKER_{index}" for index in range(5)))
TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: src
      Events:
        Get: {Type: Api, Properties: {Path: /hello, Method: get}}
        Sent: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn}}
  Jobs:
    Type: AWS::SQS::Queue
"""
HANDLER = """\
import json
import local
from backend import queue

def handler(event, context):
    return {"statusCode": 200, "body": json.dumps([local.NAME, queue.NAME])}
"""


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment that has the wheel, and libraries but no checkout."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = folder / "source"  # a build leaves its folders where it builds
    python = folder / "venv" / "bin" / "python"
    names = ("pyproject.toml", "local", "queue_workers", "layers", "docs", "redis.conf")
    source.mkdir()
    _run("cp", "-a", *(ROOT / name for name in names), source)
    build = ("wheel", "--no-deps", "--no-build-isolation")
    _run(*pip, *build, "--wheel-dir", folder / "wheels", source)
    _run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    (wheel,) = (folder / "wheels").iterdir()
    _run(*pip, "--python", python, "install", "--no-deps", wheel)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "venv" / "bin" / "spillway"


def _run(*command: str | Path) -> None:
    """Run a command that sees nothing of the checkout."""
    variables = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, env=variables, check=True, capture_output=True, timeout=100)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A stranger's project, with packages that are called as ours are."""
    source = tmp_path / "src"
    (source / "backend").mkdir(parents=True)
    (tmp_path / "local").mkdir()
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "local" / "__init__.py").write_text("raise SystemExit('nobody imports this')")
    (source / "app.py").write_text(HANDLER)
    (source / "local.py").write_text("NAME = 'their local'")
    (source / "backend" / "__init__.py").write_text("")
    (source / "backend" / "queue.py").write_text("NAME = 'their backend'")
    return tmp_path


@pytest.fixture
def environment(tool: Path, project: Path) -> Iterator[dict[str, str]]:
    """A shell's environment with variables that only our backend would read."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    ports = {f"{name}_PORT": str(free_port()) for name in PORTS}
    ours = {"PUBLIC_URL": "example.com", "TOKEN_LIFETIME_S": "soon", "MAIL_FROM": "nobody"}
    variables = {"PATH": f"{tool.parent}:/usr/bin:/bin", **kept, **ports, **ours}
    yield variables
    subprocess.run([tool, "down"], cwd=project, env=variables, check=True, capture_output=True)


def test_a_strangers_project_runs_by_the_installed_command(
    tool: Path, project: Path, environment: dict[str, str]
):
    def spillway(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [tool, *arguments],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    started = spillway("up")
    answer = spillway("invoke", "Hello")

    assert started.returncode == 0, started.stderr
    assert "`spillway explain`" in started.stdout
    assert answer.returncode == 0, answer.stderr
    assert json.loads(json.loads(answer.stdout)["body"]) == ["their local", "their backend"]
    with urlopen(f"http://127.0.0.1:{environment['CONSOLE_PORT']}/api/queues", timeout=5) as page:
        assert [each["visible"] for each in json.load(page)["queues"]] == [0]
    assert spillway("status").returncode == 0
    assert spillway("down").stdout == "stopped\n"


@pytest.mark.parametrize("command", ["up", "explain"])
def test_a_folder_without_a_template_is_refused_in_a_sentence(
    tool: Path, tmp_path: Path, command: str
):
    refused = subprocess.run(
        [tool, command], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "template.yaml" in refused.stderr
    assert not list(tmp_path.iterdir())
