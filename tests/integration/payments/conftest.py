"""The doors of payments: its API, its worker, its relay, and a provider of the test run."""

from collections.abc import Iterator

import pytest

from tests.integration.function_process import FunctionProcess, receive_all
from tests.integration.outside.processes import Provider

SCOPES = "payments:read payments:write"
VISA = {"amount": 1000, "currency": "EUR", "payment_method": "pm_card_visa"}


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


@pytest.fixture
def asking(tenant):
    """Make of a process of the API a function that asks it as this test's tenant."""

    def of(process):
        def ask(method, resource="/v1/payments", key=None, payment_id=None, body=None):
            return process.request(
                method,
                resource,
                path={"payment_id": payment_id} if payment_id else None,
                body=body,
                headers={"Idempotency-Key": key} if key else None,
                tenant=tenant,
                scope=SCOPES,
            )

        return ask

    return of


@pytest.fixture
def messages(queue):
    """Receive everything that was sent to be settled."""
    return lambda: receive_all(queue("payments"))
