"""The console of the whole system: what workers' functions do, and what happened to a request."""

import json
import urllib.request
from typing import Any

from tests.conftest import wait_until
from tests.e2e.conftest import Client, System, key

PAYMENT = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}


def get(system: System, path: str) -> Any:
    with urllib.request.urlopen(f"{system.console}{path}", timeout=10) as answer:
        return json.load(answer)


def row(system: System, name: str) -> dict[str, Any]:
    functions: list[dict[str, Any]] = get(system, "/api/functions")["functions"]
    return next(each for each in functions if each["name"] == name)


def test_a_function_that_workers_invoke_counts_as_what_it_is(system: System, demo: Client):
    before = row(system, "PaymentsWorker")["invocations"]
    demo.call("POST", "/v1/payments", PAYMENT, key())

    wait_until(lambda: row(system, "PaymentsWorker")["invocations"] > before)
    worker = row(system, "PaymentsWorker")
    assert worker["invoked_by"] == "workers"
    assert worker["environments"] >= 1
    assert worker["memory_used_mb"] > 10
    assert sum(worker["durations"]) == worker["invocations"]
    assert worker["cold_starts"] >= 1


def test_secrets_of_clients_and_functions_do_not_reach_the_page(system: System, demo: Client):
    basic = {"Authorization": "Basic ZGVtbzpkZW1vLXNlY3JldA=="}  # demo:demo-secret
    form = {**basic, "Content-Type": "application/x-www-form-urlencoded"}
    demo.call("POST", "/oauth2/token", b"grant_type=client_credentials", form)

    recorded = get(system, "/api/recorded?route=POST%20/oauth2/token")["requests"][0]
    shown = json.dumps(get(system, f"/api/recorded/{recorded['id']}"))
    assert "ZGVtbzpkZW1vLXNlY3JldA" not in shown
    assert "demo-secret" not in shown
    assert "eyJ" not in shown

    functions = get(system, "/api/functions")["functions"]
    described = [get(system, f"/api/functions/{each['name']}") for each in functions]
    variables = json.dumps([each["variables"] for each in described])
    assert "PRIVATE KEY" not in variables
    assert "demo-secret" not in variables


def test_the_last_hour_has_requests_queues_and_processes(system: System, demo: Client):
    demo.call("GET", "/health")

    columns = wait_until(lambda: get(system, "/api/history")["columns"])
    assert {"requests", "p99_ms", "environments", "worker_environments"} <= columns.keys()
    queues = {name.partition(":")[0] for name in columns if name.endswith("payments")}
    assert {"depth", "age_s", "dead"} <= queues
    assert {"cpu:gateway", "rss_mb:worker-0", "restarts"} <= columns.keys()
