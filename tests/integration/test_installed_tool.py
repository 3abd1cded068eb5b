"""The tool as `pip install .` gives it: the command `spillway` in a stranger's folder."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.conftest import free_port

Spillway = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).parents[2]
PORTS = (
    "GATEWAY",
    "CONSOLE",
    "INVOKE",
    "VALKEY",
    "OTLP",
    *(f"WORKER_{index}" for index in range(5)),
)
TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: src
      FunctionUrlConfig: {AuthType: NONE}
      Events:
        Get: {Type: Api, Properties: {Path: /hello, Method: get}}
        Sent: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn}}
  Jobs:
    Type: AWS::SQS::Queue
"""
OWN_PYTHON = """\
import importlib
import sys
import greeting, local, yaml
from backend import queue

def is_missing(name):
    try:
        return not importlib.import_module(name)
    except ImportError:
        return True

def handler(event, context):
    found = [local.NAME, queue.NAME, greeting.WORD, yaml.WORD]
    missing = [name for name in ("orjson", "boto3", "redis", "queue_workers") if is_missing(name)]
    return {"prefix": sys.prefix, "found": found, "missing": missing}
"""
HANDLER = """\
import json
import local, yaml
from backend import queue

def handler(event, context):
    return {"statusCode": 200, "body": json.dumps([local.NAME, queue.NAME, yaml.NAME])}
"""


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command in an environment that has the wheel, and libraries but no checkout."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = folder / "source"  # a build leaves its folders where it builds
    python = folder / "venv" / "bin" / "python"
    folders = ("local", "pytest_spillway", "queue_workers", "layers", "docs")
    source.mkdir()
    _run("cp", "-a", *(ROOT / name for name in (*folders, "pyproject.toml", "redis.conf")), source)
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
    names = ("HOME", "LANG", "TMPDIR")
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    ports = {f"{name}_PORT": str(free_port()) for name in PORTS}
    ours = {"PUBLIC_URL": "example.com", "TOKEN_LIFETIME_S": "soon", "MAIL_FROM": "nobody"}
    variables = {"PATH": f"{tool.parent}:/usr/bin:/bin", **inherited, **ports, **ours}
    yield variables
    subprocess.run([tool, "down"], cwd=project, env=variables, check=True, capture_output=True)


@pytest.fixture
def spillway(tool: Path, project: Path, environment: dict[str, str]) -> Spillway:
    """The command in the project's folder."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [tool, *arguments],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_strangers_project_runs_by_the_installed_command(
    spillway: Spillway, project: Path, environment: dict[str, str]
):
    (project / "src" / "yaml.py").write_text("NAME = 'their yaml'")
    started = spillway("up")
    answer = spillway("invoke", "Hello")

    assert started.returncode == 0, started.stderr
    assert "`spillway explain`" in started.stdout
    assert answer.returncode == 0, answer.stderr
    names = json.loads(json.loads(answer.stdout)["body"])
    assert names == ["their local", "their backend", "their yaml"]
    addresses = dict(line.split() for line in started.stdout.splitlines() if "http://" in line)
    for address in (f"{addresses['API']}/hello", f"{addresses['HelloUrlApi']}/any"):
        with urlopen(address, timeout=5) as page:
            assert json.load(page) == names
    console = f"http://127.0.0.1:{environment['CONSOLE_PORT']}"
    with urlopen(f"{console}/api/queues", timeout=5) as page:
        assert [each["visible"] for each in json.load(page)["queues"]] == [0]
    pages = ROOT / "local" / "console" / "page"
    for file in (path for path in pages.rglob("*.*") if path.name != "index.html"):
        with urlopen(f"{console}/{file.relative_to(pages)}", timeout=5) as page:
            assert page.read() == file.read_bytes()
    assert spillway("status").returncode == 0
    assert spillway("down").stdout == "stopped\n"


def test_functions_run_in_the_active_virtual_environment_and_see_no_library_of_the_tool(
    spillway: Spillway, project: Path, environment: dict[str, str]
):
    theirs = project / "env"
    _run(sys.executable, "-m", "venv", "--without-pip", theirs)
    (packages,) = (theirs / "lib").glob("python*/site-packages")
    (packages / "greeting.py").write_text("WORD = 'their library'")
    (packages / "yaml.py").write_text("WORD = 'their yaml'")
    (project / "src" / "app.py").write_text(OWN_PYTHON)
    environment["VIRTUAL_ENV"] = str(theirs)

    started = spillway("up")
    answer = spillway("invoke", "Hello")

    assert started.returncode == 0, started.stderr
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == {
        "prefix": str(theirs),
        "found": ["their local", "their backend", "their library", "their yaml"],
        "missing": ["orjson", "boto3", "redis", "queue_workers"],
    }
    other = spillway("up", "--python", sys.executable)
    assert other.returncode == 2
    assert f"--python {theirs}" in other.stderr


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        ("nowhere/python", "is no Python: there is no "),
        ("template.yaml", "is no Python: "),
        ("/bin/true", "is no Python: it does not tell its version"),
        ("old-python", "is Python 3.9; functions need 3.11 or newer"),
    ],
)
def test_a_python_that_functions_cannot_run_on_is_refused_before_anything_is_made(
    spillway: Spillway, project: Path, environment: dict[str, str], python: str, reason: str
):
    old = project / "old-python"
    version = "import sys; sys.version_info = (3, 9, 1, 'final', 0); exec(sys.argv[1])"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{version}" "$2"\n')
    old.chmod(0o755)
    by_option = spillway("up", "--python", str(project / python))
    environment["VIRTUAL_ENV"] = str(project / python)
    by_variable = spillway("up")

    assert by_option.returncode == by_variable.returncode == 2
    assert reason in by_option.stderr
    assert by_option.stderr.count("\n") == by_variable.stderr.count("\n") == 1
    assert not (project / ".local").exists()


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
