"""A function that harms itself harms no other: it is answered, and in time."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.daemon.terminate import is_alive
from tests.conftest import wait_until
from tests.integration.gateway_process import GatewayProcess
from tests.integration.invoke.test_synchronous import invoke

USUALLY_S = 0.5  # a hundred times what the other function takes here, for a machine that is busy


def end_of(client: Any, function: str, **event: Any) -> Any:
    """Return the answer to an event that misbehaves, while another function is used as ever."""
    invoke(client, "Other")
    with ThreadPoolExecutor(1) as caller:
        misbehaving = caller.submit(invoke, client, function, **event)
        slowest_s = 0.0
        while not misbehaving.done():
            began_s = time.monotonic()
            assert invoke(client, "Other", well=True) == {"well": True}
            slowest_s = max(slowest_s, time.monotonic() - began_s)
    assert slowest_s < USUALLY_S
    return misbehaving.result()


def processes_of(function: str, gateway: GatewayProcess) -> list[psutil.Process]:
    """Return host and environments of a function, and whatever is below them."""
    assert gateway.process is not None
    started = psutil.Process(gateway.process.pid).children()
    (host,) = (each for each in started if function in each.cmdline())
    return [host, *host.children(recursive=True)]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"do": "nonsense"}, "Runtime.MarshalError"),
        ({"do": "close_all"}, "Runtime.ExitError"),
        ({"do": "flood", "mb": 1_000_000}, "Sandbox.Timedout"),
        ({"do": "hang_disarmed"}, "Sandbox.Timedout"),
    ],
)
def test_a_function_that_breaks_is_told_so_and_serves_the_next_event(
    client: Any, event: dict[str, Any], kind: str
):
    assert end_of(client, "Do", **event)["errorType"] == kind
    assert invoke(client, "Do", again=1) == {"again": 1}


@pytest.mark.parametrize("do", ["eat", "eat_in_child"])
def test_a_function_that_uses_more_memory_than_it_has_is_ended(
    client: Any, gateway: GatewayProcess, do: str
):
    error = end_of(client, "Plain", do=do, mb=300)

    assert error["errorType"] == "Runtime.ExitError"
    assert "is out of memory: " in (gateway.state / "logs" / "Plain.log").read_text()


def test_a_function_with_more_processes_than_lambda_allows_is_ended_with_all_of_them(
    client: Any, gateway: GatewayProcess
):
    assert end_of(client, "Roomy", do="multiply", times=1024)["errorType"] == "Runtime.ExitError"
    assert "has over 1024 processes" in (gateway.state / "logs" / "Roomy.log").read_text()
    wait_until(lambda: len(processes_of("Roomy", gateway)) == 2)  # host and environment


def test_a_copy_that_a_handler_forks_of_itself_answers_nothing_and_ends(
    client: Any, gateway: GatewayProcess
):
    copy = end_of(client, "Do", do="fork")

    def has_ended_beside_an_event() -> bool:
        assert invoke(client, "Do", again=1) == {"again": 1}
        return not is_alive(psutil.Process(copy))

    wait_until(has_ended_beside_an_event)
    assert gateway.metric('gateway_environments{function="Do",state="idle"}') == 1


def test_what_a_handler_has_started_ends_with_its_environment(client: Any, tmp_path: Path):
    file = tmp_path / "pid"

    error = end_of(client, "Do", do="spawn", file=str(file))

    assert error["errorType"] == "Sandbox.Timedout"
    wait_until(lambda: not psutil.pid_exists(int(file.read_text())))


@pytest.mark.row("2.16")
def test_a_process_that_has_left_its_parent_stands_still_between_events(client: Any):
    pid = end_of(client, "Do", do="daemon")
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)

    assert end_of(client, "Do", do="state_of", pid=pid) == "R"
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)


def test_a_process_that_has_left_its_parent_ends_with_its_environment(client: Any):
    pid = end_of(client, "Do", do="daemon")

    end_of(client, "Do", do="leave")

    wait_until(lambda: not psutil.pid_exists(pid))


@pytest.mark.row("2.18")
def test_a_function_that_stores_more_than_it_may_is_ended_and_begins_with_nothing_stored(
    client: Any, gateway: GatewayProcess
):
    assert end_of(client, "Plain", do="store", files=4, s=0) == 4
    assert end_of(client, "Plain", do="store", files=2, s=5)["errorType"] == "Runtime.ExitError"
    assert "has over 512 MB of temp" in (gateway.state / "logs" / "Plain.log").read_text()
    assert end_of(client, "Plain", do="store", files=0, s=0) == 0


@pytest.mark.row("2.18")
@pytest.mark.parametrize(("function", "file_mb"), [("Plain", 512), ("Roomy", 1024)])
def test_a_file_is_never_larger_than_all_of_a_functions_storage(
    client: Any, function: str, file_mb: int
):
    assert invoke(client, function, do="limits")["file_mb"] == file_mb
