"""`python -m local invoke` and `logs`, as a user types them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.machine import status
from local.machine.wiring import INVOKE_URL
from tests.conftest import wait_until
from tests.integration.gateway_process import ROOT, GatewayProcess


@pytest.fixture(scope="module")
def state(gateway: GatewayProcess) -> Iterator[Path]:
    """The state of a system that runs nothing but the gateway."""
    url = f"http://127.0.0.1:{gateway.invoke_port}"
    with _supervised(gateway.state, {INVOKE_URL: url}):
        yield gateway.state


@contextmanager
def _supervised(state: Path, variables: dict[str, str]) -> Iterator[None]:
    with status.lock(state):
        status.write(state, status.Status(phase="ready", variables=variables))
        yield


def local(state: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", arguments[0], "--state", str(state), *arguments[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=False, **options
    )


def test_the_answer_is_printed_and_the_log_beside_it(state: Path, tmp_path: Path):
    event = tmp_path / "event.json"
    event.write_text('{"do": "say", "word": "hello"}')

    done = local(state, "invoke", "Do", "--event", str(event), "--tail")

    assert (done.returncode, done.stdout) == (0, '"hello"\n')
    assert done.stderr.splitlines()[1] == "hello"


def test_the_event_may_come_from_standard_input(state: Path):
    done = local(state, "invoke", "Do", "--event", "-", input='{"a": 1}')

    assert (done.returncode, done.stdout, done.stderr) == (0, '{"a":1}\n', "")


def test_a_function_that_fails_is_status_1(state: Path):
    done = local(state, "invoke", "Do", "--event", "-", input='{"do": "fail"}')

    assert done.returncode == 1
    assert '"errorType":"ValueError"' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["Nobody"], 2, "Function not found: arn:aws:lambda:eu-west-1:000000000000:function:No"),
        (["Do", "--event", "/nowhere"], 2, "/nowhere cannot be read: No such file or directory"),
        (["Do", "--event", __file__], 1, "not invoked: 400 InvalidRequestContentException: Could"),
        (["Shut"], 1, "not invoked: 429 TooManyRequestsException: Rate Exceeded."),
        (["Do", "--async"], 1, "not invoked: 500 ServiceException: asynchronous events are kept"),
    ],
)
def test_what_cannot_be_invoked_is_one_sentence(
    state: Path, arguments: list[str], code: int, sentence: str
):
    done = local(state, "invoke", *arguments)

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


@pytest.mark.row("2.23")
def test_lambdas_own_lines_are_shown_where_the_function_is_named(state: Path):
    local(state, "invoke", "Do", "--event", "-", input='{"do": "say", "word": "shown"}')
    log = state / "logs" / "functions" / "Do.log"
    wait_until(lambda: log.exists() and "shown" in log.read_text())

    named, all_of_them = local(state, "logs", "functions/Do"), local(state, "logs")

    assert "START RequestId: " in named.stdout
    assert "REPORT RequestId: " in named.stdout
    assert "shown" in all_of_them.stdout
    assert "RequestId: " not in all_of_them.stdout
