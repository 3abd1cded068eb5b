"""The traces that a gateway makes of requests: parents, errors, waits, and what is not traced."""

import gzip
import http.client
import json
import os
import re
import secrets
import time
from typing import Any

import pytest

from local.traces import otlp_protobuf
from local.traces.span import Span
from tests.conftest import wait_until
from tests.integration.gateway.pages import PAGES
from tests.integration.gateway_process import GatewayProcess, ok, returns
from tests.integration.webhook_sink import WebhookSink

CLIENT_SPAN = "00f067aa0ba902b7"
INVOKE = "/2015-03-31/functions/Pages/invocations"


def trace_of(gateway: GatewayProcess, any_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(gateway.console(f"/api/traces/{any_id}"))
    return shown


def spans_of(gateway: GatewayProcess, any_id: str) -> dict[str, dict[str, Any]]:
    """Return the spans of a trace by their names."""
    return {span["name"]: span for span in trace_of(gateway, any_id)["trace_spans"]}


def parent_in(header: str) -> str:
    match = re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=([0-9a-f]{16});Sampled=1", header)
    assert match, header
    return match[1]


def test_a_request_and_its_handler_are_one_trace_without_a_line_of_code(shared):
    answer = shared.request("GET", "/pages/one?a=1", headers={"User-Agent": "curl/8"})

    trace = trace_of(shared, answer.headers["x-amzn-RequestId"])
    request, handler = trace["trace_spans"][0], trace["trace_spans"][-1]
    frame = shared.environments[0].frames[-1]
    assert (request["name"], request["kind"], request["service"]) == (
        "GET /pages/{name}",
        "server",
        "gateway",
    )
    assert request["attributes"] == {
        "http.request.method": "GET",
        "http.route": "/pages/{name}",
        "http.response.status_code": 200,
        "url.path": "/pages/one",
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "user_agent.original": "curl/8",
        "aws.request_id": answer.headers["x-amzn-RequestId"],
    }
    assert (handler["name"], handler["service"]) == ("Pages", "Pages")
    assert handler["parent_id"] == request["id"]
    assert handler["id"] == parent_in(frame["trace"])
    assert handler["attributes"]["faas.invocation_id"] == frame["id"]
    assert handler["attributes"]["faas.trigger"] == "http"
    assert 0 <= handler["start_ms"] <= handler["start_ms"] + handler["duration_ms"]
    assert handler["duration_ms"] <= request["duration_ms"]


def test_the_clients_traceparent_is_carried_on(shared):
    trace_id = secrets.token_hex(16)
    sent = f"00-{trace_id}-{CLIENT_SPAN}-01"

    answer = shared.request("GET", "/pages/one", headers={"traceparent": sent})

    root = f"Root=1-{trace_id[:8]}-{trace_id[8:]}"
    spans = spans_of(shared, trace_id)
    assert spans["GET /pages/{name}"]["parent_id"] == CLIENT_SPAN
    assert shared.environments[0].frames[-1]["trace"].startswith(f"{root};Parent=")
    assert answer.headers["X-Amzn-Trace-Id"] == root
    assert answer.json["headers"]["traceparent"] == sent


def test_the_trace_of_aws_is_carried_on(shared):
    trace_id = secrets.token_hex(16)
    sent = f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={CLIENT_SPAN};Sampled=1"

    answer = shared.request("GET", "/pages/one", headers={"X-Amzn-Trace-Id": sent})

    (root, _, _) = sent.partition(";")
    assert trace_of(shared, root)["trace_spans"][0]["parent_id"] == CLIENT_SPAN
    assert answer.json["headers"]["X-Amzn-Trace-Id"] == sent


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "garbage"},
        {"traceparent": f"00-{'0' * 32}-{CLIENT_SPAN}-01"},
        {"traceparent": f"00-{'A' * 32}-{CLIENT_SPAN}-01"},
        {"X-Amzn-Trace-Id": "Root=1-2-3"},
        {"X-Amzn-Trace-Id": "\u00fc" * 300},
    ],
)
def test_a_new_trace_begins_where_the_client_names_none(shared, headers):
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = shared.request("GET", "/pages/one", headers=sent)

    trace = trace_of(shared, answer.headers["x-amzn-RequestId"])
    assert answer.status == 200
    assert trace["trace_spans"][0]["parent_id"] == ""
    assert parent_in(shared.environments[0].frames[-1]["trace"])


def test_what_a_client_does_not_want_traced_is_not_unless_it_fails(gateway):
    trace_ids = secrets.token_hex(16), secrets.token_hex(16)
    results = iter([{"result": {"statusCode": 200}}, {"error": {"errorType": "Boom"}}])
    environment = gateway.environment("Pages", lambda frame: next(results))

    for each in trace_ids:
        headers = {"traceparent": f"00-{each}-{CLIENT_SPAN}-00"}
        gateway.request("GET", "/pages/one", headers=headers)

    assert "message" in trace_of(gateway, trace_ids[0])
    assert trace_of(gateway, trace_ids[1])["error"] is True
    assert {frame["trace"][-1] for frame in environment.frames} == {"0"}


def test_an_error_of_the_handler_is_told_with_its_type_and_stack(gateway):
    error = {"errorType": "Boom", "errorMessage": "<b>no</b>", "stackTrace": ["  File x\n"]}
    gateway.environment("Pages", lambda frame: {"error": error})

    answer = gateway.request("GET", "/pages/one")

    spans = spans_of(gateway, answer.headers["x-amzn-RequestId"])
    assert answer.status == 502
    assert spans["GET /pages/{name}"]["attributes"]["error.type"] == "502"
    assert spans["Pages"]["message"] == "Boom: <b>no</b>"
    assert spans["Pages"]["events"][0]["attributes"] == {
        "exception.type": "Boom",
        "exception.message": "<b>no</b>",
        "exception.stacktrace": "  File x\n",
    }


def test_a_wait_for_an_environment_is_a_span_and_so_is_one_in_vain(gateway):
    in_vain = gateway.request("GET", "/pages/one")

    spans = spans_of(gateway, in_vain.headers["x-amzn-RequestId"])
    wait = spans["wait for an environment"]
    assert in_vain.status == 503
    assert wait["error"] is True
    assert wait["duration_ms"] >= 300
    assert wait["parent_id"] == spans["GET /pages/{name}"]["id"]
    assert "Pages" not in spans


def test_a_limit_is_a_span(shared):
    answers = [shared.request("GET", "/rare") for _ in range(3)]

    spans = spans_of(shared, answers[-1].headers["x-amzn-RequestId"])
    assert answers[-1].status == 429
    assert spans["throttled"]["parent_id"] == spans["GET /rare"]["id"]


def test_an_invocation_by_the_api_of_lambda_is_a_trace(shared):
    trace_id = secrets.token_hex(16)
    connection = http.client.HTTPConnection("127.0.0.1", shared.invoke_port, timeout=10)
    header = f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={CLIENT_SPAN};Sampled=1"
    connection.request("POST", INVOKE, b"{}", {"X-Amzn-Trace-Id": header})
    connection.getresponse().read()
    connection.close()

    (span,) = trace_of(shared, trace_id)["trace_spans"]
    assert span["parent_id"] == CLIENT_SPAN
    assert span["id"] == parent_in(shared.environments[0].frames[-1]["trace"])


def test_the_first_event_of_an_environment_is_a_cold_start(gateway):
    gateway.environment("Pages", returns({"statusCode": 200}))

    ids = [gateway.request("GET", "/pages/one").headers["x-amzn-RequestId"] for _ in range(2)]

    cold, warm = (spans_of(gateway, each)["Pages"]["attributes"] for each in ids)
    assert (cold["faas.coldstart"], warm["faas.coldstart"]) == (True, False)


def test_traces_are_listed_by_route_and_status(shared):
    shared.request("GET", "/pages/listed")

    listed = json.loads(shared.console("/api/traces?route=/pages&status=2xx&limit=5"))["traces"]
    assert listed
    assert {(each["route"], each["status"]) for each in listed} == {("/pages/{name}", 200)}
    assert json.loads(shared.console("/api/traces?status=%3Cb%3E"))["message"]


def test_what_a_function_exports_stands_in_the_waterfall_of_its_request(shared):
    """Also from a stranger's code, which only knows the variable that Lambda sets."""
    answer = shared.request("GET", "/pages/one")
    header = shared.environments[0].frames[-1]["trace"]
    now_ns = time.time_ns()
    span = Span(
        trace_id=answer.headers["X-Amzn-Trace-Id"].removeprefix("Root=1-").replace("-", ""),
        span_id="1234567890abcdef",
        parent_id=parent_in(header),
        name="query",
        service="Pages",
        start_ns=now_ns,
        end_ns=now_ns,
    )

    connection = http.client.HTTPConnection("127.0.0.1", shared.otlp_port, timeout=10)
    headers = {"Content-Type": otlp_protobuf.CONTENT_TYPE, "Content-Encoding": "gzip"}
    body = gzip.compress(otlp_protobuf.encode([span]))
    connection.request("POST", "/v1/traces", body, headers)
    response = connection.getresponse()
    status, body = response.status, response.read()
    connection.close()

    assert (status, body) == (200, b"")
    spans = spans_of(shared, answer.headers["x-amzn-RequestId"])
    assert spans["query"]["parent_id"] == spans["Pages"]["id"]
    assert spans["query"]["depth"] == 2


def test_a_request_that_takes_longer_than_its_route_usually_does_is_kept(gateway):
    naps_s = iter([0.0] * 20 + [0.3])

    def handle(frame: dict[str, Any]) -> dict[str, Any]:
        ends_s = time.monotonic() + next(naps_s)
        wait_until(lambda: time.monotonic() >= ends_s)
        return {"result": {"statusCode": 200}}

    gateway.environment("Pages", handle)
    trace_ids = [secrets.token_hex(16) for _ in range(21)]
    for each in trace_ids:
        headers = {"traceparent": f"00-{each}-{CLIENT_SPAN}-00"}
        gateway.request("GET", "/pages/one", headers=headers)

    assert trace_of(gateway, trace_ids[-1])["slow"] is True
    assert [row["id"] for row in json.loads(gateway.console("/api/traces"))["traces"]][:1] == [
        trace_ids[-1]
    ]


def test_a_collector_that_the_shell_names_gets_the_spans_of_the_gateway(tmp_path):
    with WebhookSink(answers=[200]) as sink:
        variables = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
        with GatewayProcess(tmp_path, PAGES, variables=variables) as gateway:
            gateway.environment("Pages", ok)
            answer = gateway.request("GET", "/pages/one")
            wait_until(lambda: sink.deliveries)
            trace = trace_of(gateway, answer.headers["x-amzn-RequestId"])

    spans = [raw for raw, _, _ in otlp_protobuf.decode(sink.deliveries[0].body) if raw is not None]
    assert [span.name for span in spans] == ["GET /pages/{name}", "Pages"]
    assert {span.trace_id for span in spans} == {trace["id"]}
