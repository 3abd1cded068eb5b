"""The doors of payments: its API, its worker, its relay, and a provider of the test run."""

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from tests.integration.function_process import FunctionProcess, receive_all
from tests.integration.outside.processes import Provider

SCOPES = "payments:read payments:write"
VISA = {"amount": 1000, "currency": "EUR", "payment_method": "pm_card_visa"}
HOOK = "/v1/provider/webhooks"
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()


def signed(body, secret=SECRET, *, late_s=0):
    stamp = datetime.fromtimestamp(int(time.time()) - late_s, UTC)
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(stamp.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", stamp, body),
    }


def effects_of(provider, payment_id):
    """Return what the provider has noted of a payment."""
    page = provider.get("/effects")[1]["effects"]
    return [each for each in page if each["reference"] == payment_id]


def confirm(provider, payment_id, outcome="succeeded"):
    """Act as the customer; returns what the provider notes of it."""
    body = json.dumps({"reference": payment_id, "outcome": outcome}).encode()
    assert provider.request("POST", "/confirmations", body)[0] == 200
    return effects_of(provider, payment_id)[-1]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with Provider(tmp_path_factory.mktemp("provider") / "provider.jsonl") as provider:
        provider.start()
        yield provider


@pytest.fixture
def payments(start, provider, valkey):
    """Start a handler of payments, with other settings where given."""

    def start_one(name, **settings):
        url = f"http://127.0.0.1:{provider.http_port}"
        return start(f"payments.app.{name}", **{"PROVIDER_URL": url, **settings})

    return start_one


@pytest.fixture(scope="module")
def started(environment, provider):
    """Start a handler of payments for all tests of a module."""
    processes = []

    def start_one(name, **settings):
        url = f"http://127.0.0.1:{provider.http_port}"
        variables = {**environment, "PROVIDER_URL": url, **settings}
        processes.append(FunctionProcess(f"payments.app.{name}", variables))
        return processes[-1]

    yield start_one
    for each in processes:
        each.kill()


@pytest.fixture(scope="module")
def api(started):
    """The API, which believes webhooks that are signed with SECRET."""
    return started("app", PROVIDER_WEBHOOK_SECRET=SECRET)


@pytest.fixture(scope="module")
def worker(started):
    return started("worker")


@pytest.fixture
def asking(tenant):
    """Make of a process of the API a function that asks it as this test's tenant."""

    def of(process):
        def ask(
            method,
            resource="/v1/payments",
            body=None,
            key=None,
            *,
            query=None,
            tenant=tenant,
            **path,
        ):
            return process.request(
                method,
                resource,
                path=path or None,
                query=query,
                body=body,
                headers={"Idempotency-Key": key} if key else None,
                tenant=tenant,
                scope=SCOPES,
            )

        return ask

    return of


@pytest.fixture
def ask(api, asking, valkey):
    """Ask the API; all queues are empty when the test begins."""
    return asking(api)


@pytest.fixture
def messages(queue):
    """Receive everything that was sent to be settled."""
    return lambda: receive_all(queue("payments"))


@pytest.fixture
def work(worker, messages):
    """Have the worker handle what is on the queue; returns what is to come again."""
    return lambda: worker.consume(messages())


@pytest.fixture
def tell_disputes(api, provider, work):
    """Send the webhooks of all that the provider knows of a payment's disputes."""

    def send(payment_id):
        for each in effects_of(provider, payment_id):
            if each["kind"] == "dispute":
                body = json.dumps({"id": "e", "type": "dispute.updated", "data": each["dispute"]})
                assert api.request("POST", HOOK, body=body, headers=signed(body)).status == 202
        assert work() == []

    return send
