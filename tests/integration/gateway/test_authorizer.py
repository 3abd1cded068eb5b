"""The TOKEN authorizer through the gateway: its invocations, its cache, the meaning of answers."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.integration.gateway.guard import GUARDED, policy
from tests.integration.gateway_process import GatewayProcess, StandIn, ok, returns

TEMPLATE = (
    GUARDED
    + """\
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      Auth:
        DefaultAuthorizer: Tokens
        Authorizers:
          Tokens:
            FunctionArn: !GetAtt Guard.Arn
            Identity: {ValidationExpression: "Bearer .+"}
          Uncached:
            FunctionArn: !GetAtt Guard.Arn
            Identity: {Header: X-Key, ReauthorizeEvery: 0}
  Safe:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.safe
      Events:
        Get:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: ANY, Path: "/safe/{id}"}
        Open:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: GET, Path: /open, Auth: {Authorizer: NONE}}
        Fresh:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: GET, Path: /fresh, Auth: {Authorizer: Uncached}}
"""
)

ARN = "arn:aws:execute-api:eu-west-1:000000000000:local/prod"
TOKEN = {"Authorization": "Bearer t"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path, TEMPLATE, "--queue-deadline-ms", "3000") as process:
        process.environment("Safe", ok)
        yield process


def guard(gateway: GatewayProcess, result: Any) -> StandIn:
    return gateway.environment("Guard", returns(result))


@pytest.mark.row("1.53")
@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "Basic x"}])
def test_without_a_token_nobody_is_asked(gateway, headers):
    environment = guard(gateway, policy("Allow", "*"))

    answer = gateway.request("GET", "/safe/1", headers=headers)

    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})
    assert answer.headers["x-amzn-ErrorType"] == "UnauthorizedException"
    assert environment.frames == []


def test_the_authorizer_is_a_span_of_the_request_with_its_function_in_it(gateway):
    environment = guard(gateway, policy("Allow", "*"))
    fresh, cached = (gateway.request("GET", "/safe/1", headers=TOKEN) for _ in range(2))

    spans, others = (
        json.loads(gateway.console(f"/api/traces/{each.headers['x-amzn-RequestId']}"))[
            "trace_spans"
        ]
        for each in (fresh, cached)
    )
    assert [(span["name"], span["depth"]) for span in spans if span["service"] != "Safe"] == [
        ("GET /safe/{id}", 0),
        ("authorizer", 1),
        ("Guard", 2),
    ]
    assert f";Parent={spans[2]['id']};" in environment.frames[0]["trace"]
    assert "Guard" not in {span["name"] for span in others}


@pytest.mark.row("1.50")
def test_the_authorizer_gets_exactly_three_keys(gateway):
    environment = guard(gateway, policy("Allow", "*"))

    gateway.request("POST", "/safe/a%2Fb?x=1", headers=TOKEN)

    assert environment.events == [
        {
            "type": "TOKEN",
            "authorizationToken": "Bearer t",
            "methodArn": f"{ARN}/POST/safe/a%2Fb",
        }
    ]


@pytest.mark.row("1.52")
def test_the_function_learns_who_calls_as_text(gateway):
    guard(gateway, policy("Allow", "*", tenant="demo", number=1, flag=True))

    context = gateway.request("GET", "/safe/1", headers=TOKEN).json["requestContext"]

    assert context["authorizer"] == {
        "principalId": "ann",
        "tenant": "demo",
        "number": "1",
        "flag": "true",
    }


def test_a_public_route_asks_nobody(gateway):
    answer = gateway.request("GET", "/open")

    assert answer.status == 200
    assert "authorizer" not in answer.json["requestContext"]


@pytest.mark.row("1.58")
def test_the_policy_of_a_token_is_kept_and_asked_for_every_path(gateway):
    """The answer is cached by token, not by path."""
    environment = guard(gateway, policy("Allow", f"{ARN}/GET/safe/1"))

    statuses = [
        gateway.request("GET", path, headers=TOKEN).status
        for path in ("/safe/1", "/safe/1", "/safe/2")
    ]

    assert statuses == [200, 200, 403]
    assert len(environment.frames) == 1


def test_each_token_is_asked_for(gateway):
    environment = guard(gateway, policy("Allow", "*"))

    for token in ("Bearer a", "Bearer b"):
        assert gateway.request("GET", "/safe/1", headers={"Authorization": token}).status == 200

    assert [event["authorizationToken"] for event in environment.events] == ["Bearer a", "Bearer b"]


def test_a_time_to_live_of_0_keeps_nothing(gateway):
    environment = guard(gateway, policy("Allow", "*"))

    for _ in range(2):
        assert gateway.request("GET", "/fresh", headers={"x-key": "k"}).status == 200

    assert len(environment.frames) == 2


def test_requests_that_miss_the_cache_together_ask_once(gateway):
    release = threading.Event()

    def slowly(frame: dict[str, Any]) -> dict[str, Any]:
        release.wait(5)
        return {"result": policy("Allow", "*")}

    environment = gateway.environment("Guard", slowly)
    statuses: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: statuses.append(gateway.request("GET", "/safe/1", headers=TOKEN).status)
        )
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: gateway.metric("gateway_inflight") == 5)
    release.set()
    for thread in threads:
        thread.join(timeout=10)

    assert statuses == [200] * 5
    assert len(environment.frames) == 1


@pytest.mark.row("1.56", "1.57")
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            policy("Deny", "*"),
            "User is not authorized to access this resource with an explicit deny",
        ),
        (policy("Allow", f"{ARN}/POST/*"), "User is not authorized to access this resource"),
    ],
)
def test_a_denied_request_is_403_with_a_capital_message(gateway, statement, message):
    guard(gateway, statement)

    answer = gateway.request("GET", "/safe/1", headers=TOKEN)

    assert (answer.status, answer.json) == (403, {"Message": message})
    assert answer.headers["x-amzn-ErrorType"] == "AccessDeniedException"


@pytest.mark.row("1.54")
def test_an_authorizer_that_says_unauthorized_is_401_and_asked_again(gateway):
    error = {"errorType": "Exception", "errorMessage": "Unauthorized"}
    environment = gateway.environment("Guard", lambda _: {"error": error})

    answers = [gateway.request("GET", "/safe/1", headers=TOKEN) for _ in range(2)]

    assert [answer.status for answer in answers] == [401, 401]
    assert answers[0].json == {"message": "Unauthorized"}
    assert len(environment.frames) == 2


@pytest.mark.row("1.55")
@pytest.mark.parametrize(
    "frame",
    [
        {"error": {"errorType": "ValueError", "errorMessage": "no"}},
        {"result": {"principalId": "ann"}},
        {"result": None},
        {"die": True},
    ],
)
def test_an_authorizer_that_fails_is_500(gateway, frame):
    gateway.environment("Guard", lambda _: frame)

    answer = gateway.request("GET", "/safe/1", headers=TOKEN)

    assert (answer.status, answer.json) == (500, {"message": None})
    assert answer.headers["x-amzn-ErrorType"] == "AuthorizerConfigurationException"


def test_an_authorizer_without_a_free_environment_is_503(gateway):
    answer = gateway.request("GET", "/safe/1", headers=TOKEN)

    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"


@pytest.fixture
def flooded(tmp_path: Path) -> Iterator[GatewayProcess]:
    """Yield a gateway whose account runs four events, with six unknown tokens sent to it."""
    release = threading.Event()
    error = {"error": {"errorType": "Exception", "errorMessage": "Unauthorized"}}

    def reject(frame: dict[str, Any]) -> dict[str, Any]:
        if frame["event"]["authorizationToken"] != "Bearer known":
            release.wait(10)
        return error

    with GatewayProcess(tmp_path, TEMPLATE, "--account-concurrency", "4") as process:
        process.environment("Safe", ok)
        process.environment("Guard", reject)
        process.request("GET", "/safe/1", headers={"Authorization": "Bearer known"})
        head = b"GET /safe/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %d\r\n\r\n"
        clients = [socket.create_connection(("127.0.0.1", process.port), 10) for _ in range(6)]
        for number, client in enumerate(clients):
            client.sendall(head % number)
        wait_until(lambda: process.metric("gateway_inflight") == 2)
        yield process
        release.set()
        for client in clients:
            client.close()


def test_tokens_that_nobody_knows_leave_room_for_other_routes(flooded):
    assert flooded.request("GET", "/open").status == 200


def test_one_more_unknown_token_is_503_and_may_come_again(flooded):
    answer = flooded.request("GET", "/safe/1", headers={"Authorization": "Bearer more"})

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


def test_a_rejected_token_is_remembered_while_too_many_wait(flooded):
    answer = flooded.request("GET", "/safe/1", headers={"Authorization": "Bearer known"})

    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})


def test_one_tenant_s_requests_leave_an_environment_to_another_s(tmp_path):
    release, busy = threading.Event(), threading.Event()

    def allow(frame: dict[str, Any]) -> dict[str, Any]:
        tenant = frame["event"]["authorizationToken"].removeprefix("Bearer ")
        return {"result": {**policy("Allow", "*"), "context": {"tenant": tenant}}}

    def serve(frame: dict[str, Any]) -> dict[str, Any]:
        if frame["event"]["requestContext"]["authorizer"]["tenant"] == "greedy":
            busy.set()
            release.wait(10)
        return ok(frame)

    def ask(tenant: str) -> int:
        headers = {"Authorization": f"Bearer {tenant}"}
        return int(process.request("GET", "/safe/1", headers=headers).status)

    with (
        GatewayProcess(tmp_path, TEMPLATE, "--queue-deadline-ms", "9000") as process,
        ThreadPoolExecutor(3) as pool,
    ):
        process.environment("Guard", allow)
        for _ in range(2):
            process.environment("Safe", serve)
        first = ask("quiet")
        greedy = [pool.submit(ask, "greedy") for _ in range(3)]
        busy.wait(5)
        quiet = [ask("quiet") for _ in range(5)]
        release.set()

        assert [first, *quiet] == [200] * 6
        assert [each.result() for each in greedy] == [200] * 3
