"""Events wait for an idle environment, and not for ever."""

import json
import re
import socket
import stat
import threading
import time

import pytest

from local.machine import requests_waiting
from local.runtime.frames import encode
from tests.conftest import wait_until
from tests.integration.gateway.pages import PAGES
from tests.integration.gateway_process import GatewayProcess, finish, in_parallel, ok, start


def test_the_frame_carries_the_deadline_of_the_function(gateway):
    environment = gateway.environment("Pages", ok)
    before_ms = time.time() * 1000

    gateway.request("GET", "/pages/one")

    frame = environment.frames[0]
    assert before_ms + 900 < frame["deadline_ms"] < time.time() * 1000 + 1001
    root = frame["event"]["headers"]["X-Amzn-Trace-Id"]
    assert re.fullmatch(f"{root};Parent=[0-9a-f]{{16}};Sampled=[01]", frame["trace"])
    assert frame["id"] == frame["event"]["requestContext"]["requestId"]


def test_the_console_names_the_machines_whose_environments_have_dialled_in(gateway):
    """A container asks for its own name to know whether it is of use."""
    assert json.loads(gateway.console("/api/environments"))["Pages"] == {}

    gateway.environment("Pages", ok)
    gateway.environment("Pages", ok)

    assert json.loads(gateway.console("/api/environments"))["Pages"] == {"m1": 2}


@pytest.mark.row("2.1")
def test_one_environment_has_one_event_at_a_time(gateway):
    running = threading.Semaphore(1)

    def alone(frame):
        assert running.acquire(blocking=False)
        time_s = time.monotonic()
        wait_until(lambda: time.monotonic() > time_s + 0.02)
        running.release()
        return ok(frame)

    environment = gateway.environment("Pages", alone)
    statuses = in_parallel(gateway, "/pages/one", 3)

    assert statuses == [200, 200, 200]
    assert len(environment.events) == 3


@pytest.mark.row("1.32", "2.2")
def test_what_is_over_the_reserved_concurrency_is_refused_at_once(gateway):
    """In flight and waiting count together."""
    release = threading.Event()
    gateway.environment("Pages", lambda frame: ok(frame) if release.wait(5) else {"die": True})
    clients = [start(gateway, "/pages/one") for _ in range(3)]
    wait_until(lambda: gateway.metric('gateway_queued{function="Pages"}') == 2)

    answer = gateway.request("GET", "/pages/one")
    release.set()

    assert (answer.status, answer.json) == (503, {"code": "overloaded"})
    assert answer.headers["Retry-After"] == "1"
    assert gateway.metric('gateway_throttles_total{function="Pages"}') == 1
    assert [finish(client) for client in clients] == [200, 200, 200]


def test_workers_are_told_while_an_event_waits(gateway):
    release = threading.Event()
    gateway.environment("Pages", lambda frame: ok(frame) if release.wait(5) else {"die": True})
    path = requests_waiting.path_of(gateway.state)
    alone = start(gateway, "/pages/one")
    wait_until(lambda: gateway.metric("gateway_inflight") == 1)
    assert requests_waiting.ago_s(path) == requests_waiting.NEVER_S
    waits = start(gateway, "/pages/one")
    wait_until(lambda: requests_waiting.ago_s(path) < 60)
    release.set()

    assert [finish(client) for client in (alone, waits)] == [200, 200]


def test_what_waited_too_long_is_refused_and_never_started(gateway):
    began_s = time.monotonic()

    answer = gateway.request("GET", "/pages/one")

    assert (answer.status, answer.json) == (503, {"code": "overloaded"})
    assert answer.headers["Retry-After"] == "1"
    assert 0.3 <= time.monotonic() - began_s < 2
    environment = gateway.environment("Pages", ok)
    assert gateway.request("GET", "/pages/two").status == 200
    assert [event["path"] for event in environment.events] == ["/pages/two"]


def test_what_a_client_left_behind_in_the_queue_is_never_started(tmp_path):
    with GatewayProcess(tmp_path, PAGES, "--queue-deadline-ms", "10000") as gateway:
        start(gateway, "/pages/left").close()
        labels = 'function="Pages",method="GET",route="/pages/{name}",status="499"'
        wait_until(lambda: gateway.metric(f"gateway_requests_total{{{labels}}}") == 1)
        environment = gateway.environment("Pages", ok)

        assert gateway.request("GET", "/pages/stayed").status == 200
        assert [event["path"] for event in environment.events] == ["/pages/stayed"]


def test_an_event_waits_for_the_environment_that_comes(tmp_path):
    with GatewayProcess(tmp_path, PAGES, "--queue-deadline-ms", "10000") as gateway:
        client = start(gateway, "/pages/early")
        wait_until(lambda: gateway.metric('gateway_queued{function="Pages"}') == 1)
        gateway.environment("Pages", ok)

        assert finish(client) == 200


def test_only_its_owner_may_be_an_environment(gateway):
    socket_path = gateway.state / "run" / "gateway.sock"

    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600


def test_a_hello_for_an_unknown_function_is_refused(gateway):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{gateway.state}/run/gateway.sock")
        client.sendall(encode({"hello": 1, "function": "Nobody"}))
        client.settimeout(5)

        assert client.recv(1) == b""
