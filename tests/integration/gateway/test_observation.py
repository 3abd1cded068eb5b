"""The gateway's signs of its own state: metrics, logs and its console."""

import http.client
import json

import pytest

from tests.conftest import wait_until
from tests.integration.gateway_process import ok, returns


@pytest.mark.row("2.23", "2.24")
def test_embedded_metrics_that_a_function_prints_reach_prometheus(gateway):
    line = json.dumps(
        {
            "_aws": {
                "Timestamp": 1,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Spillway",
                        "Dimensions": [["service"]],
                        "Metrics": [
                            {"Name": "PaymentAccepted", "Unit": "Count"},
                            {"Name": "Insert", "Unit": "Milliseconds"},
                        ],
                    }
                ],
            },
            "service": "payments",
            "PaymentAccepted": [2.0],
            "Insert": 20,
        }
    )
    report = {"stdout": f"{line}\na line\n", "duration_ms": 1.5, "max_memory_mb": 40}
    environment = gateway.environment("Pages", returns({"statusCode": 200}, **report))

    gateway.request("GET", "/pages/one")
    request_id = environment.frames[0]["id"]

    assert gateway.metric('spillway_payment_accepted_total{service="payments"}') == 2
    assert gateway.metric('spillway_insert_seconds_sum{service="payments"}') == 0.02
    log = gateway.state / "logs" / "functions" / "Pages.log"
    wait_until(log.exists)
    assert log.read_text() == (
        f"START RequestId: {request_id} Version: $LATEST\na line\nEND RequestId: {request_id}\n"
        f"REPORT RequestId: {request_id}\tDuration: 1.50 ms\tBilled Duration: 2 ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 40 MB\tInit Duration: 1.00 ms\t\n"
    )


@pytest.mark.row("1.39")
def test_every_request_is_a_line_of_the_access_log(gateway):
    gateway.environment("Pages", ok)
    answer = gateway.request("GET", "/pages/one?secret=1")
    log = gateway.state / "logs" / "access.log"
    wait_until(lambda: log.exists() and log.read_text())

    entry = json.loads(log.read_text().splitlines()[0])

    assert entry["requestId"] == answer.headers["x-amzn-RequestId"]
    assert entry["resourcePath"] == "/pages/{name}"
    assert (entry["status"], entry["httpMethod"], entry["ip"]) == (200, "GET", "127.0.0.1")
    assert entry["responseLength"] == len(answer.body)
    assert "secret" not in log.read_text()


def test_requests_are_counted_by_route_and_status(gateway):
    gateway.environment("Pages", ok)
    gateway.request("GET", "/pages/one")
    gateway.request("GET", "/pages/two")
    labels = 'function="Pages",method="GET",route="/pages/{name}"'

    assert gateway.metric(f'gateway_requests_total{{{labels},status="200"}}') == 2
    assert gateway.metric(f"gateway_request_duration_seconds_count{{{labels}}}") == 2
    assert gateway.metric('gateway_environments{function="Pages",state="idle"}') == 1
    assert gateway.metric("process_resident_memory_bytes") > 0


def test_the_console_answers_what_it_does_not_have(shared):
    connection = http.client.HTTPConnection("127.0.0.1", shared.console_port, timeout=10)
    statuses = []
    for method, path in (("GET", "/metrics"), ("POST", "/metrics"), ("GET", "/nope")):
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()

    assert statuses == [200, 405, 404]
