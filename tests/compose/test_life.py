"""The system in containers, from its start over scaling, kills and `down` to its data's return.

Needs Docker, so `make test` leaves it out: `make compose-test`.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.compose.conftest import ROOT, Stack
from tests.conftest import free_port, wait_until
from tests.e2e.conftest import key, log_in

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]
PAYMENT = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}
WITNESSES = ("provider", "mailbox")
ENVIRONMENTS = re.compile(r'^gateway_environments\{function="PaymentsFunction".* (\d+)', re.M)


def _payment_environments(stack: Stack) -> int:
    with urllib.request.urlopen(f"{stack.address('CONSOLE')}/metrics", timeout=10) as answer:
        return sum(map(int, ENVIRONMENTS.findall(answer.read().decode())))


def _settled(stack: Stack, payment_id: str) -> bool:
    client = log_in(stack.address("GATEWAY"), "demo", "demo-secret")
    answer = client.call("GET", f"/v1/payments/{payment_id}")
    return answer.status == 200 and answer.body["status"] == "succeeded"


def _pay(stack: Stack) -> str:
    client = log_in(stack.address("GATEWAY"), "demo", "demo-secret")
    created = client.call("POST", "/v1/payments", PAYMENT, key())
    assert created.status == 201, created
    payment_id: str = created.body["id"]
    return payment_id


def test_the_end_to_end_suite_passes(stack: Stack):
    variables = {
        "TARGET": stack.address("GATEWAY"),
        "TARGET_KIND": "compose",
        "TARGET_MAILBOX": stack.address("MAILBOX"),
    }
    suite = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/e2e"],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert suite.returncode == 0, suite.stdout[-5000:]


def test_what_is_published_is_published_on_loopback(stack: Stack):
    published = {
        (container["Config"]["Labels"]["com.docker.compose.service"], binding["HostIp"])
        for container in stack.containers()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }

    witnesses = {("provider", "127.0.0.1"), ("mailbox", "127.0.0.1")}  # published.yml's
    assert published - witnesses == {("gateway", "127.0.0.1")}


def test_every_container_may_do_only_what_it_needs(stack: Stack):
    containers = stack.containers()

    assert len(containers) == 16
    for each in containers:
        host = each["HostConfig"]
        assert host["ReadonlyRootfs"], each["Name"]
        assert host["CapDrop"] == ["ALL"], each["Name"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"], each["Name"]
        assert all(host[limit] for limit in ("Memory", "NanoCpus", "PidsLimit")), each["Name"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped", each["Name"]
        assert host["LogConfig"]["Config"]["max-size"], each["Name"]
        assert each["Config"]["User"] not in ("", "root", "0"), each["Name"]
        assert each["State"]["Health"]["Status"] == "healthy", each["Name"]


def test_the_image_and_the_settings_hold_no_secret(stack: Stack):
    settings = [line for each in stack.containers() for line in each["Config"]["Env"]]

    assert not [line for line in settings if "PRIVATE KEY" in line or "secret_sha256" in line]


def test_the_console_tells_the_story_of_a_payment(stack: Stack):
    payment_id = _pay(stack)
    wait_until(lambda: _settled(stack, payment_id), 30)

    def story() -> dict[str, Any]:
        address = f"{stack.address('CONSOLE')}/api/story/{payment_id}"
        with urllib.request.urlopen(address, timeout=20) as answer:
            body: dict[str, Any] = json.load(answer)
        return body

    known = {"request", "document", "ledger"}
    wait_until(lambda: known <= {line["source"] for line in story()["lines"]}, 15)
    assert story()["missing"] == [f"there is no journal of the {each} here" for each in WITNESSES]


def test_more_replicas_add_environments_without_a_restart(stack: Stack):
    before = _payment_environments(stack)
    started_at = [each["State"]["StartedAt"] for each in stack.containers("gateway")]

    stack.up("--no-recreate", "--scale", "payments=3")

    wait_until(lambda: _payment_environments(stack) == 3 * before)
    assert [each["State"]["StartedAt"] for each in stack.containers("gateway")] == started_at


def test_more_workers_settle_payments(stack: Stack):
    stack.up("--no-recreate", "--scale", "worker=8")

    assert len(stack.containers("worker")) == 8
    payment_id = _pay(stack)
    wait_until(lambda: _settled(stack, payment_id), 15)


def test_a_killed_worker_comes_back_and_loses_nothing(stack: Stack):
    payments = [_pay(stack) for _ in range(20)]
    stack.compose("exec", "-T", "worker", "sh", "-c", "kill -9 $(cat /proc/1/task/1/children)")

    wait_until(lambda: max(each["RestartCount"] for each in stack.containers("worker")) > 0, 30)
    # What it had in hand comes back after its visibility timeout of 30 s.
    wait_until(lambda: all(_settled(stack, each) for each in payments), 60)


def test_down_and_up_under_load_lose_nothing(stack: Stack, tmp_path: Path):
    earlier = _pay(stack)
    load = stack.load(tmp_path, rate=40, duration_s=40)
    began_s = time.monotonic()
    wait_until(lambda: time.monotonic() > began_s + 8, 20)

    down = stack.compose("down")
    down_s = time.monotonic() - began_s - 8
    stack.up()
    load.wait(timeout=180)

    assert down.returncode == 0, down.stderr
    (report,) = tmp_path.rglob("report.json")
    audit = json.loads(report.read_text())["audit"]
    sys.stderr.write(f"down took {down_s:.1f} s under load\n")
    assert audit["payments_accepted"] >= 40
    assert (audit["lost"], audit["doubled"], audit["unresolved"]) == (0, 0, 0), audit
    assert audit["events_counted"] >= audit["events_accepted"] > 0, audit
    assert audit["notifications_delivered"] == audit["notifications_accepted"] > 0, audit
    assert _settled(stack, earlier)


def test_a_taken_port_is_named(stack: Stack):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused = stack.compose(
            *("--project-name", "spillway-test-port", "up", "--detach", "--no-deps", "gateway"),
            GATEWAY_PORT=port,
            CONSOLE_PORT=str(free_port()),
        )
    stack.compose("--project-name", "spillway-test-port", "down", "--volumes")

    assert refused.returncode != 0
    assert port in refused.stderr


@pytest.mark.parametrize(
    ("service", "variable", "sentence"),
    [
        ("payments", "REDIS_URL=nonsense", "REDIS_URL=(hidden): must be a URL that begins with"),
        (
            "api",
            "TOKEN_PRIVATE_KEY_FILE=/keys/none",
            "TOKEN_PRIVATE_KEY_FILE='/keys/none': No such",
        ),
    ],
)
def test_a_bad_setting_ends_the_container_with_one_sentence(
    stack: Stack, service: str, variable: str, sentence: str
):
    refused = stack.compose("run", "--rm", "--no-deps", "-T", "-e", variable, service)

    assert refused.returncode == 2
    assert [line for line in refused.stderr.splitlines() if sentence in line]


def test_a_wrong_store_address_keeps_the_gateway_unhealthy_and_is_named(stack: Stack):
    refused = stack.compose(
        "up", "--detach", "--wait", MONGO_URL="mongodb://127.0.0.1:1", timeout_s=180
    )
    (gateway,) = stack.containers("gateway")

    assert refused.returncode != 0
    output = gateway["State"]["Health"]["Log"][-1]["Output"]
    assert "/health/ready answers 503" in output
    assert '"store":"unavailable"' in output.replace(" ", "")
