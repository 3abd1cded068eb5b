"""A command where it cannot work says so in one sentence, ends with status 2 and makes nothing."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Metadata: {Spillway: {Provides: [MONGO_URL, SMTP_URL]}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.13, Handler: app.handler, InlineCode: "def handler(e, c): pass"}
"""
# Root without its privileges, so that permissions count for it as for anybody.
AS_ANYBODY = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


@pytest.fixture
def project() -> Iterator[Path]:
    """A project in a folder with a short path, because sockets are to be made below it."""
    with TemporaryDirectory() as folder:
        path = Path(folder).resolve()
        (path / "template.yaml").write_text(TEMPLATE)
        yield path


def run(
    folder: Path,
    *arguments: str,
    python: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> "subprocess.CompletedProcess[str]":
    ports = {f"{name}_PORT": str(free_port()) for name in ("GATEWAY", "CONSOLE", "INVOKE")}
    return subprocess.run(
        [*AS_ANYBODY, sys.executable, *python, "-m", "local", *arguments],
        cwd=folder,
        env={**os.environ, **ports, "PYTHONPATH": str(ROOT), **(variables or {})},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def assert_refused(ended: "subprocess.CompletedProcess[str]", *words: str) -> None:
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert not [word for word in words if word not in ended.stderr], ended.stderr


@pytest.mark.parametrize(
    "command", ["up", "explain", "down", "status", "logs", "queues", "invoke x", "env", "mailbox"]
)
def test_a_command_outside_of_any_project(tmp_path: Path, command: str):
    assert_refused(run(tmp_path, *command.split()), f"{tmp_path}", "template.yaml")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["up", "status", "queues"])
def test_a_folder_that_is_gone(tmp_path: Path, command: str):
    into_nowhere = "mkdir gone && cd gone && rmdir ../gone && exec"
    ended = subprocess.run(
        ["sh", "-c", f"{into_nowhere} {sys.executable} -m local {command}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert_refused(ended, "the folder of this shell is gone")


@pytest.mark.parametrize("command", ["up", "status", "down", "logs"])
def test_a_state_directory_that_is_a_file(project: Path, command: str):
    refused = run(project, command, "--state", "template.yaml")

    assert_refused(refused, "template.yaml is no folder", "--state")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--python", ""], "--python '' is no Python"),
        (["up", "--port", "many"], "'many' is no whole number from 1 to 65535"),
        (["up", "--prot", "1"], "unrecognized arguments: --prot 1"),
        (["starts"], "invalid choice: 'starts'"),
        ([], "COMMAND"),
    ],
)
def test_an_argument_that_cannot_be_used(project: Path, arguments: list[str], words: str):
    assert_refused(run(project, *arguments), words)
    assert not (project / ".local").exists()


def test_a_folder_that_is_read_only(project: Path):
    project.chmod(0o555)

    assert_refused(run(project, "up"), f"{project}/.local cannot be made", "--state")


@pytest.mark.parametrize("command", ["up", "down", "status", "logs gateway", "queues", "invoke x"])
def test_a_state_directory_of_another_user(project: Path, command: str):
    (project / ".local").mkdir(mode=0o000)

    assert_refused(run(project, *command.split()), f"{project}/.local", "--state")
    (project / ".local").chmod(0o755)
    assert not list((project / ".local").iterdir())


def test_a_state_directory_that_cannot_be_written_to(project: Path):
    (project / ".local").mkdir(mode=0o555)

    assert_refused(run(project, "up"), f"{project}/.local cannot be written to", "--state")


def test_two_checkouts_at_once_name_all_ports_that_are_taken(project: Path):
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [str(each.getsockname()[1]) for each in (one, two)]
        refused = run(project, "up", "--port", ports[0], variables={"CONSOLE_PORT": ports[1]})

    assert_refused(
        refused, f"{ports[0]} (--port)", f"{ports[1]} (--console-port)", "another folder"
    )
    assert not (project / ".local").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "unix:///collector.sock"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ],
)
def test_a_collector_that_spans_cannot_be_sent_to(project: Path, variable: str, value: str):
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:14318"}
    refused = run(project, "up", variables={**endpoint, variable: value})

    assert_refused(refused, value, "OTEL_EXPORTER_OTLP_")
    assert not (project / ".local").exists()


def test_a_port_that_is_asked_for_twice(project: Path):
    port = str(free_port())

    assert_refused(run(project, "up", "--port", port, "--console-port", port), port, "--port and")
    assert not (project / ".local").exists()


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("REDIS_URL", "redis://:secret@127.0.0.1:{port}/0"),
        ("REDIS_URL", "unix:///nowhere/valkey.sock"),
        ("REDIS_URL", "redis://[::1]:{port}/0"),
        ("REDIS_URL", "redis://127.0.0.1:99999/0"),
        ("MONGO_URL", "mongodb://user:secret@127.0.0.1:{port},localhost:{port}/?x=1"),
        ("MONGO_URL", "mongodb://%2Fnowhere%2Fdocuments.sock"),
        ("SMTP_URL", "smtp://localhost:{port}"),
        ("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:{port}"),
        ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:{port}"),
    ],
)
def test_an_address_in_the_shell_where_nothing_answers(project: Path, variable: str, address: str):
    refused = run(project, "up", variables={variable: address.format(port=free_port())})

    assert_refused(refused, f"{variable} in your shell is ", f"`unset {variable}`")
    assert "secret" not in refused.stderr


def test_a_python_without_the_tools_libraries(project: Path):
    refused = run(project, "up", python=("-S",))

    assert_refused(refused, sys.executable, "the library ", ". .venv/bin/activate")


def test_make_refuses_a_python_without_venv_and_installs_nothing(tmp_path: Path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import no_such_ensurepip"\n')
    python.chmod(0o755)
    command = ["make", "up", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"]
    # What runs the tests may be a make, too.
    variables = {name: text for name, text in os.environ.items() if not name.startswith("M")}
    refused = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=30, check=False
    )

    assert refused.returncode == 2
    assert refused.stdout == ""
    assert [line for line in refused.stderr.splitlines() if not line.startswith("make: ")] == [
        "Spillway needs Python 3.11 to 3.13 with its venv module; set PYTHON="
    ]
    assert list(tmp_path.iterdir()) == [python]


@pytest.mark.parametrize("path", ["/health", "hello", "/hello/too/deep", "/sent"])
def test_a_check_of_readiness_that_no_route_answers(project: Path, path: str):
    template = project / "template.yaml"
    events = "Events: {Get: {Type: Api, Properties: {Path: '/hello/{id}', Method: get}},"
    events += " Sent: {Type: Api, Properties: {Path: /sent, Method: post}}}, Handler: app.handler"
    text = TEMPLATE.replace("Handler: app.handler", events)
    template.write_text(text.replace("{Provides: [MONGO_URL, SMTP_URL]}", f"{{Ready: {path}}}"))

    assert_refused(run(project, "up"), f"no route of the template answers GET {path}")
