"""The gateway starts, ends and starts again."""

import socket
import threading

import pytest

from tests.conftest import wait_until
from tests.integration.gateway.pages import PAGES
from tests.integration.gateway_process import GatewayProcess, ok, read_all, read_response, start


def test_sigterm_answers_what_is_in_hand_then_ends_with_0(gateway):
    release = threading.Event()
    gateway.environment("Pages", lambda frame: ok(frame) if release.wait(5) else {"die": True})
    idle = socket.create_connection(("127.0.0.1", gateway.port))
    client = start(gateway, "/pages/one")
    wait_until(lambda: gateway.metric('gateway_environments{function="Pages",state="busy"}') == 1)

    gateway.terminate()

    assert read_all(idle) == b""
    idle.close()
    release.set()
    head, _ = read_response(client)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in head
    assert read_all(client) == b""
    client.close()
    assert gateway.exit_code() == 0


def test_a_port_that_is_taken_is_one_sentence_and_exit_2(gateway, tmp_path):
    (tmp_path / "second").mkdir()
    second = GatewayProcess(tmp_path / "second", PAGES)
    second.command[second.command.index("--port") + 1] = str(gateway.port)

    with pytest.raises(AssertionError), second:
        pass

    assert second.exit_code() == 2
    error = (tmp_path / "second" / "stderr").read_text()
    assert (
        error == f"127.0.0.1:{gateway.port} is taken; stop what listens there or choose another\n"
    )


def test_a_gateway_that_was_killed_can_be_started_again(gateway):
    gateway.environment("Pages", ok)
    gateway.kill()

    with gateway:
        gateway.environment("Pages", ok)

        assert gateway.request("GET", "/pages/one").status == 200
