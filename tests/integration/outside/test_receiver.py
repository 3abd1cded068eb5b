"""The receiver of webhooks shows what comes and what its signature is worth."""

import json
import socket
import subprocess
import sys
import time

import pytest

from backend.egress import Egress
from notifications.webhooks import signing
from tests.conftest import free_port, wait_until

PROGRAM = (sys.executable, "-m", "local.simulators.receiver")
SECRET = signing.new_secret()
BODY = b'{"type":"payment.succeeded"}'


@pytest.fixture(scope="module")
def egress():
    return Egress(loopback_allowed=True)


@pytest.fixture
def receiver():
    """Yield a function that starts a receiver and returns its port and its process."""
    started = []

    def start(*options):
        port = free_port()
        address = ("127.0.0.1", port)
        process = subprocess.Popen(
            [*PROGRAM, "--port", str(port), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        wait_until(lambda: listens(address))
        return port, process

    yield start
    for each in started:
        each.terminate()
        each.communicate(timeout=10)


def listens(address):
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def test_each_webhook_is_shown_with_its_signature_s_worth(receiver, egress):
    port, process = receiver("--secret", SECRET)
    now_s = int(time.time())
    for keys, at_s in (
        ([signing.new_secret(), SECRET], now_s),
        ([signing.new_secret()], now_s),
        ([SECRET], now_s - 3_600),
    ):
        headers = signing.headers("ntf_1", BODY, keys=keys, at_s=at_s)
        assert egress.post(f"http://127.0.0.1:{port}/", BODY, headers).status == 204

    shown = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert [each["signature"] for each in shown] == [
        "good",
        "bad: not signed with this secret",
        "bad: too old or too new",
    ]
    assert (shown[0]["webhook_id"], shown[0]["body"]) == ("ntf_1", BODY.decode())


def test_a_receiver_answers_what_it_is_told_to(receiver, egress):
    port, process = receiver("--answer", "410")

    assert egress.post(f"http://127.0.0.1:{port}/", BODY, {}).status == 410
    assert json.loads(process.stdout.readline())["signature"].startswith("not checked")


@pytest.mark.parametrize(
    "options", [["--secret", "abc"], ["--secret", "whsec_"], ["--answer", "1"]]
)
def test_a_receiver_refuses_what_makes_no_sense(options):
    refused = subprocess.run([*PROGRAM, *options], capture_output=True, text=True, check=False)

    assert refused.returncode == 2
    assert f"argument {options[0]}: " in refused.stderr
