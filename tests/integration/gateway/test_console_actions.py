"""The console's actions: look into a request, send it again, invoke, keep events, mark."""

import http.client
import json
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.integration.gateway_process import Answer, GatewayProcess, in_parallel

ACTIONS = [
    "/api/functions/Pages/invoke",
    "/api/functions/Pages/events",
    "/api/functions/Pages/events/remove",
    "/api/recorded/none/again",
    "/api/marks",
]
TOKEN = "eyJhbGciOi.of-nobody.else"


def post(gateway: GatewayProcess, path: str, body: object, **headers: str | None) -> Answer:
    """Do an action; a header of None is left out."""
    every = {"Content-Type": "application/json", "X-Console-Action": "yes", **headers}
    sent = {name: value for name, value in every.items() if value is not None}
    text = body if isinstance(body, bytes) else json.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.console_port, timeout=10)
    try:
        connection.request("POST", path, text, sent)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def get(gateway: GatewayProcess, path: str) -> Any:
    return json.loads(gateway.console(path))


def recorded(gateway: GatewayProcess, query: str = "") -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = get(gateway, f"/api/recorded?{query}")["requests"]
    return requests


@pytest.mark.parametrize("path", ACTIONS)
def test_an_action_is_for_the_consoles_own_page_alone(shared, path):
    before = len(shared.environments[0].frames)

    answers = {
        "another site": post(shared, path, {"event": {}}, Origin="https://evil.example"),
        "a name that is rebound": post(shared, path, {"event": {}}, Host="evil.example"),
        "a form": post(shared, path, {"event": {}}, **{"Content-Type": "text/plain"}),
        "without the header": post(shared, path, {"event": {}}, **{"X-Console-Action": None}),
        "no JSON": post(shared, path, b"{"),
        "by GET": Answer(_status_of_get(shared, path), {}, b""),
    }

    assert {name: answer.status for name, answer in answers.items()} == {
        "another site": 403,
        "a name that is rebound": 403,
        "a form": 415,
        "without the header": 403,
        "no JSON": 400,
        "by GET": 200 if path.endswith("/events") else 405,
    }
    assert len(shared.environments[0].frames) == before


def _status_of_get(gateway: GatewayProcess, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.console_port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_body_over_the_bound_is_refused_in_a_sentence(shared):
    answer = post(shared, "/api/marks", b'"' + b"x" * 3 * 2**20 + b'"')

    assert (answer.status, answer.json["message"]) == (413, "the body is too large")


def test_a_recorded_request_is_shown_whole_without_its_secrets(shared):
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Plain": "as it is"}
    shared.request("GET", "/pages/shown?api_key=hidden-too", headers=headers)

    row = recorded(shared, "text=pages/shown")[0]
    one = get(shared, f"/api/recorded/{row['id']}")

    assert (row["method"], row["route"], row["status"]) == ("GET", "ANY /pages/{name}", 200)
    assert ["X-Plain", "as it is"] in one["headers"]
    assert json.loads(one["event"])["pathParameters"] == {"name": "shown"}
    assert "as it is" in one["answer"]
    assert f"START RequestId: {one['invocation_id']}" in one["log"]
    assert [each["part"] for each in one["times"]] == [
        "route",
        "wait for an environment",
        "function",
    ]
    assert sum(each["ms"] for each in one["times"]) == pytest.approx(one["ms"], abs=0.1)
    assert TOKEN not in json.dumps(one)
    assert "hidden-too" not in json.dumps(one)


def test_requests_are_filtered_by_route_status_time_and_text(shared):
    shared.request("GET", "/pages/filtered")
    shared.request("GET", "/nowhere")

    assert recorded(shared, "status=2xx&text=filtered")[0]["status"] == 200
    assert {each["status"] for each in recorded(shared, "status=errors")} == {404}
    assert recorded(shared, "status=404&route=ANY%20/pages/%7Bname%7D") == []
    assert recorded(shared, "slow_ms=900000") == []
    assert get(shared, "/api/recorded?slow_ms=soon")["message"].startswith("slow_ms must be")


def test_a_request_is_sent_again_with_the_secrets_that_the_page_does_not_show(shared):
    shared.request("GET", "/pages/again", headers={"Authorization": f"Bearer {TOKEN}"})
    first = recorded(shared, "text=pages/again")[0]

    answer = post(shared, f"/api/recorded/{first['id']}/again", {})

    assert answer.status == 200
    assert answer.json["status"] == 200
    assert answer.json["id"] not in ("", first["id"])
    assert recorded(shared)[0]["id"] == answer.json["id"]
    assert shared.environments[0].events[-1]["headers"]["Authorization"] == f"Bearer {TOKEN}"
    assert post(shared, "/api/recorded/of-long-ago/again", {}).status == 404


def test_a_body_that_was_cut_is_not_sent_again(shared):
    shared.request("GET", "/pages/large", body="x" * 40_000)
    row = recorded(shared, "text=pages/large")[0]
    one = get(shared, f"/api/recorded/{row['id']}")

    assert (len(one["body"]), one["body_bytes"], one["is_whole"]) == (16_384, 40_000, False)
    assert post(shared, f"/api/recorded/{row['id']}/again", {}).status == 409


def test_a_function_is_invoked_with_an_event_and_its_log_is_shown(shared):
    answer = post(shared, "/api/functions/Pages/invoke", {"event": {"greeting": "<b>hello</b>"}})
    wait_until(lambda: get(shared, f"/api/functions/Pages/log?text={answer.json['request_id']}"))

    assert not answer.json["failed"]
    assert json.loads(json.loads(answer.json["result"])["body"]) == {"greeting": "<b>hello</b>"}
    assert answer.json["log"].startswith(f"START RequestId: {answer.json['request_id']}")
    assert len(answer.json["trace_id"]) == 32
    assert wait_until(
        lambda: get(shared, f"/api/functions/Pages/log?request_id={answer.json['request_id']}")[
            "invocations"
        ]
    )
    assert get(shared, "/api/functions/Pages/host_log") == {"lines": []}  # nothing has ended
    assert post(shared, "/api/functions/Nobody/invoke", {"event": {}}).status == 404


def test_an_event_is_kept_under_a_name_that_cannot_leave_its_folder(shared):
    events = "/api/functions/Pages/events"

    assert post(shared, events, {"name": "my order", "event": {"a": 1}}).status == 201
    assert get(shared, events)["kept"] == {"my order": {"a": 1}}
    assert list(get(shared, events)["samples"]) == ["API", "SQS", "Schedule", "S3", "SNS"]
    for name in ("../../out", "/etc/x", "", ".", "a" * 61):
        assert post(shared, events, {"name": name, "event": {}}).status == 400
    assert post(shared, f"{events}/remove", {"name": "my order"}).status == 200
    assert post(shared, f"{events}/remove", {"name": "my order"}).status == 404


def test_a_function_is_described_with_its_code_and_triggers(shared):
    one = get(shared, "/api/functions/Pages")

    assert one["code"].endswith("functions/app.py")
    assert one["triggers"] == [
        {"kind": "route", "name": "ANY /pages/{name}"},
        {"kind": "route", "name": "GET /rare"},
    ]
    assert (one["invoked_by"], one["environments"]) == ("gateway", 1)


def test_a_mark_stands_in_the_last_hour(shared):
    assert post(shared, "/api/marks", {"text": "load run smoke"}).status == 201
    assert post(shared, "/api/marks", {"text": " "}).status == 400

    shared.request("GET", "/pages/sampled")
    sampled = wait_until(lambda: _with_requests(get(shared, "/api/history")))
    assert sampled
    assert sampled["marks"][-1]["text"] == "load run smoke"
    assert get(shared, f"/api/history?since={sampled['times'][-1] + 60}")["times"] == []


def _with_requests(history: dict[str, Any]) -> dict[str, Any] | None:
    has_latency = any(history["columns"].get("p99_ms", []))
    return history if has_latency else None


def test_of_many_requests_few_are_recorded_and_each_that_failed(gateway):
    request = b"GET /flood HTTP/1.1\r\nHost: a\r\n"
    gateway.raw((request + b"\r\n") * 199 + request + b"Connection: close\r\n\r\n")
    flood = recorded(gateway, "text=/flood")
    in_parallel(gateway, "/pages/failed", 20)

    assert 20 <= len(flood) < 60
    assert len(recorded(gateway, "text=/pages/failed&status=5xx")) == 20
