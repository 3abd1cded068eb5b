"""`python -m local`: up, status, logs, queues and down of a small system on free ports."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from local.machine import status
from local.machine.status import ProcessStatus
from tests.conftest import free_port, wait_until
from tests.integration.counter_system import HANDLER, PROJECT, TEMPLATE, System

SCHEDULED = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Clock:
    Type: AWS::Serverless::Function
    Metadata: {Spillway: {EverySeconds: 1}}
    Properties:
      Handler: clock.handler
      Runtime: python3.13
      CodeUri: code/
      Environment: {Variables: {RUNS: ""}}
      Events: {Often: {Type: Schedule, Properties: {Schedule: rate(1 minute), Input: '"due"'}}}
"""

SECOND_API = """
  Second: {Type: AWS::Serverless::HttpApi}
  Other:
    Type: AWS::Serverless::Function
    Properties:
      Handler: counter.handler
      Runtime: python3.13
      CodeUri: code/
      Events: {A: {Type: HttpApi, Properties: {ApiId: !Ref Second, Path: /a, Method: GET}}}
"""

CLOCK = """
import os
from pathlib import Path

def handler(event, context):
    Path(os.environ["RUNS"]).write_text(event)
"""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "counter.py").write_text(HANDLER)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    port = free_port()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"REDIS_URL", "MONGO_URL", "TOKEN_PRIVATE_KEY"}
    }
    system = System(
        tmp_path,
        port,
        {
            **inherited,
            "PYTHONPATH": str(PROJECT),
            "GATEWAY_PORT": str(port),
            "CONSOLE_PORT": str(free_port()),
            "INVOKE_PORT": str(free_port()),
            "VALKEY_PORT": str(free_port()),
            "OTLP_PORT": str(free_port()),
        },
    )
    yield system
    down = system.run("down")
    assert down.returncode == 0, down.stderr


@pytest.fixture
def running(system: System) -> System:
    up = system.run("up")
    assert up.returncode == 0, up.stderr
    return system


def are_gone(pids: list[int]) -> bool:
    return not any(is_running(pid) for pid in pids)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_up_starts_what_the_template_needs_and_a_second_one_starts_nothing(running: System):
    shown, again = running.run("status"), running.run("up")

    assert running.count() == 1
    assert shown.returncode == 0
    assert [line.split()[0] for line in shown.stdout.splitlines()[1:]] == [
        "valkey",
        "Counter",
        "gateway",
    ]
    assert again.returncode == 0
    assert again.stdout.startswith("already running")
    assert f"http://127.0.0.1:{running.port}" in again.stdout


def test_up_while_it_runs_otherwise_says_how_it_runs(running: System):
    other = replace(running, variables={**running.variables, "CONSOLE_PORT": "5"})
    answers = {
        f"--port {running.port}": running.run("up", "--port", "5"),
        f"--console-port {running.variables['CONSOLE_PORT']}": other.run("up"),
        "no --reload": running.run("up", "--reload"),
    }
    (running.folder / "code" / "requirements.txt").write_text("six\n")
    answers["requirements that are not installed"] = running.run("up", "--install")

    for setting, again in answers.items():
        assert again.returncode == 2
        assert again.stderr.startswith(f"it runs with {setting}; stop it with ")
    assert running.run("up", "--port", str(running.port)).returncode == 0
    assert running.count() == 1


def test_a_schedule_runs_in_a_template_without_a_queue(system: System, tmp_path: Path):
    (tmp_path / "template.yaml").write_text(SCHEDULED)
    (tmp_path / "code" / "clock.py").write_text(CLOCK)
    system.variables["WORKER_0_PORT"] = str(free_port())
    system.variables["RUNS"] = str(tmp_path / "runs")

    up = system.run("up")

    assert up.returncode == 0, up.stderr
    wait_until((tmp_path / "runs").exists)


def test_down_leaves_no_process_and_no_port_and_the_next_up_finds_its_data(running: System):
    running.count()
    pids = running.pids()
    down = running.run("down")

    assert down.stdout == "stopped\n"
    assert are_gone(pids)
    assert is_free(running.port)
    assert running.run("status").returncode == 3

    assert running.run("up").returncode == 0
    assert running.count() == 2


@pytest.mark.parametrize("name", ["valkey", "Counter", "gateway"])
def test_a_process_that_is_killed_is_started_again_and_counted(running: System, name: str):
    os.kill(running.process(name).pid, signal.SIGKILL)

    wait_until(lambda: running.process(name).restarts == 1)
    wait_until(lambda: running.process(name).state == "running")
    wait_until(lambda: answers(running))
    assert running.run("status").returncode == 0


def test_the_status_is_true_where_the_disk_has_no_room_for_a_new_one(running: System):
    (running.state / "status.new").mkdir()
    before = running.process("Counter").pid

    os.kill(before, signal.SIGKILL)

    wait_until(lambda: running.process("Counter").restarts == 1)
    wait_until(lambda: running.process("Counter").state == "running")
    shown = running.run("status")
    row = next(line.split() for line in shown.stdout.splitlines() if line.startswith("Counter"))
    assert row[1] == str(running.process("Counter").pid) != str(before)
    assert row[3] == "1"


def answers(system: System) -> bool:
    try:
        return system.count() > 0
    except (OSError, urllib.error.URLError):
        return False


def test_a_killed_supervisor_takes_its_processes_along_and_down_cleans_up(running: System):
    pids = running.pids()
    os.kill(pids[0], signal.SIGKILL)
    wait_until(lambda: are_gone(pids))

    assert running.run("status").returncode == 3
    assert running.run("down").returncode == 0
    assert {running.process(name).state for name in ("valkey", "Counter")} == {"stopped"}


def test_up_after_a_killed_supervisor_first_ends_what_is_left_of_it(running: System):
    os.kill(running.process("gateway").pid, signal.SIGSTOP)
    os.kill(running.pids()[0], signal.SIGKILL)
    up = running.run("up")

    assert up.returncode == 0, up.stderr
    assert answers(running)


def test_down_spares_a_process_that_has_the_pid_of_one_that_ended(running: System):
    running.run("down")
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    last = status.read(running.state)
    assert last
    assert bystander.stdin
    reused = ProcessStatus(
        name="valkey",
        pid=bystander.pid,
        created_at=1.0,
        state="running",
        restarts=0,
        address="",
        started_at="",
    )
    status.write(running.state, status.Status(phase="ready", processes=(reused,)))
    down = running.run("down")

    assert down.stdout == "nothing was running\n"
    assert bystander.poll() is None
    bystander.communicate(b"\n")


def test_in_the_foreground_a_signal_drains_and_the_exit_code_is_zero(system: System):
    command = [sys.executable, "-m", "local", "up", "--foreground", "--state", str(system.state)]
    supervisor = subprocess.Popen(
        command, env=system.variables, cwd=system.folder, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: answers(system), 30)
    pids = system.pids()
    supervisor.send_signal(signal.SIGINT)

    assert supervisor.wait(timeout=15) == 0
    assert are_gone(pids)


def test_a_taken_port_is_named_with_what_to_do(system: System):
    with socket.create_server(("127.0.0.1", system.port)):
        up = system.run("up")

    assert up.returncode == 2
    assert up.stderr == (
        f"port {system.port} of gateway is taken;"
        " stop what listens there or choose another with --port\n"
    )


def test_a_store_takes_the_next_port_where_its_usual_one_is_taken(system: System):
    usual = int(system.variables["VALKEY_PORT"])
    with socket.create_server(("127.0.0.1", usual)):
        up = system.run("up")

    assert up.returncode == 0, up.stderr
    assert system.process("valkey").address != f"redis://127.0.0.1:{usual}"
    assert system.count() == 1


def test_what_loses_a_port_between_plan_and_start_is_started_once_more(
    system: System, tmp_path: Path
):
    (tmp_path / "template.yaml").write_text(TEMPLATE + SECOND_API)
    with ThreadPoolExecutor(1) as shell:
        up = shell.submit(system.run, "up")
        wait_until((system.state / "run" / "valkey.sock").exists)
        with socket.create_server(("127.0.0.1", system.port + 1)):
            done = up.result()

    assert done.returncode == 0, done.stderr
    assert done.stderr == "another program took a port meanwhile; starting once more\n"
    assert f"http://127.0.0.1:{system.port + 2}\n" in done.stdout


def test_a_store_named_by_its_url_is_not_started(system: System, valkey: str):
    system.variables["REDIS_URL"] = valkey
    up = system.run("up")

    assert up.returncode == 0, up.stderr
    assert "valkey" not in up.stdout
    assert system.count() == 1


def test_what_does_not_start_is_named_with_the_end_of_its_log_and_nothing_stays(system: System):
    (system.state / "data" / "appendonlydir").mkdir(parents=True)
    (system.state / "data" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    up = system.run("up")

    assert up.returncode == 1
    assert up.stderr.startswith("valkey does not start; the end of ")
    assert "manifest" in up.stderr
    assert is_free(system.port)
    assert system.run("status").returncode == 3


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (["--template", "missing.yaml"], {}, "missing.yaml"),
        ([], {"GATEWAY_PORT": "many"}, "GATEWAY_PORT='many' is no port"),
        (["--state", "/tmp/" + "x" * 90], {}, "choose a shorter state directory"),
        ([], {"QUEUE_DEPTH_MAX": "x"}, "QUEUE_DEPTH_MAX='x': must be a whole number of at least 1"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(
    system: System, arguments: list[str], variables: dict[str, str], sentence: str
):
    system.variables.update(variables)
    up = system.run("up", *arguments)

    assert up.returncode == 2
    assert sentence in up.stderr
    assert up.stderr.count("\n") == 1


def test_logs_show_a_process_by_name_and_refuse_an_unknown_one(running: System):
    named, unknown = running.run("logs", "gateway"), running.run("logs", "nobody")

    assert str(running.port) in named.stdout
    assert unknown.returncode == 2
    assert "there are:" in unknown.stderr


def test_queues_lists_every_queue_of_the_template(running: System):
    shown = running.run("queues")

    assert shown.returncode == 0, shown.stderr
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["queue", "jobs"]


def test_the_token_key_is_kept_and_nobody_else_may_read_it(running: System):
    path = running.state / "keys" / "token.pem"
    key = path.read_text()
    running.run("down")
    running.run("up")

    assert path.read_text() == key
    assert path.stat().st_mode & 0o777 == 0o600
