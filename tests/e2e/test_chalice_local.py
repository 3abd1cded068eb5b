"""One domain answers under Chalice's own server, on the stores of the running system."""

import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import free_port, wait_until
from tests.e2e.conftest import ROOT, Client, System

CHALICE = Path(sys.executable).parent / "chalice"


@pytest.fixture
def chalice(system: System, tmp_path: Path) -> Iterator[Client]:
    port = free_port()
    exports = system.local("env").stdout
    command = f"{exports}\nexec {CHALICE} --project-dir functions/payments local --port {port}"
    with (tmp_path / "chalice.log").open("wb") as log:
        server = subprocess.Popen(["bash", "-c", command], cwd=ROOT, stdout=log, stderr=log)
        client = Client(f"http://127.0.0.1:{port}")
        wait_until(lambda: _answers(client), 20)
        yield client
        server.terminate()
        server.wait(timeout=10)


def test_a_payment_made_under_chalice_local_is_the_systems_payment(chalice: Client, demo: Client):
    chalice.token = demo.token
    body = {"amount": 700, "currency": "EUR", "payment_method": "pm_card_visa"}

    created = chalice.call("POST", "/v1/payments", body, {"Idempotency-Key": uuid.uuid4().hex})

    assert created.status == 201, created
    path = f"/v1/payments/{created.body['id']}"
    wait_until(lambda: demo.call("GET", path).body["status"] == "succeeded", 15)


def test_chalice_local_checks_the_token_itself(chalice: Client):
    refused = chalice.call("GET", "/v1/payments")

    assert (refused.status, refused.body["code"]) == (401, "unauthorized")


def test_the_exports_are_for_a_shell(system: System):
    exports = system.local("env").stdout

    assert re.search(r"^export MONGO_URL='?mongodb://", exports, re.MULTILINE)
    assert os.pathsep in exports


def test_the_exports_have_the_keys_of_the_running_system(system: System):
    exports = shlex.split(system.local("env").stdout)

    for name, file in (
        ("PROVIDER_WEBHOOK_SECRET", "provider-webhooks"),
        ("UNSUBSCRIBE_KEY", "unsubscribe-key"),
        ("WEBHOOK_SECRETS_KEY", "webhook-secrets-key"),
    ):
        assert f"{name}={(system.state / 'keys' / file).read_text()}" in exports


def _answers(client: Client) -> bool:
    try:
        return client.call("GET", "/v1/payments").status == 401
    except OSError:
        return False
