"""An HTTP API through the gateway: events of both payloads, lenient answers, its own errors."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.gateway_process import Answer, GatewayProcess, ok

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.13, CodeUri: functions/, Timeout: 5}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      RouteSettings: {GET /rare: {ThrottlingRateLimit: 0.01, ThrottlingBurstLimit: 1}}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.echo
      Events:
        Page:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Method: ANY, Path: "/pages/{name}"}
        One:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Method: GET, Path: /pages/one}
        Rare:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Method: GET, Path: /rare}
        Old:
          Type: HttpApi
          Properties:
            {ApiId: !Ref Api, Method: ANY, Path: "/old/{rest+}", PayloadFormatVersion: "1.0"}
  Chosen:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.chosen
      Events:
        New:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Method: POST, Path: /chosen}
        Old:
          Type: HttpApi
          Properties:
            {ApiId: !Ref Api, Method: POST, Path: /chosen/old, PayloadFormatVersion: "1.0"}
  Slow:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.slow
      Events:
        Get:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Method: GET, Path: /slow, TimeoutInMillis: 100}
"""


def chosen(frame: dict[str, Any]) -> dict[str, Any]:
    """Return a handler that returns what its body says."""
    answer: dict[str, Any] = json.loads(frame["event"]["body"])
    return answer


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), TEMPLATE) as process:
        process.environment("Echo", ok)
        process.environment("Chosen", chosen)
        yield process


def answered(gateway: GatewayProcess, result: Any, path: str = "/chosen") -> Answer:
    """Return the answer where the handler returns `result`."""
    frame = json.dumps({"result": result})
    return gateway.request("POST", path, frame, {"Content-Type": "application/json"})


@pytest.mark.row("1.70")
def test_the_function_gets_an_event_of_payload_2_0(gateway):
    headers = {"X-FoO": "v", "User-Agent": "curl", "Cookie": "a=1; b=2"}
    event = gateway.request("PUT", "/pages/x?q=1&q=2&r=", "text", headers).json

    context = event["requestContext"]
    assert set(event) == {
        "version",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "cookies",
        "headers",
        "queryStringParameters",
        "requestContext",
        "body",
        "pathParameters",
        "isBase64Encoded",
    }
    assert (event["version"], event["routeKey"]) == ("2.0", "ANY /pages/{name}")
    assert (event["rawPath"], event["rawQueryString"]) == ("/pages/x", "q=1&q=2&r=")
    assert event["queryStringParameters"] == {"q": "1,2", "r": ""}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-foo"] == "v"
    assert "cookie" not in event["headers"]
    assert {name.lower() for name in event["headers"]} == set(event["headers"])
    assert event["pathParameters"] == {"name": "x"}
    assert (event["body"], event["isBase64Encoded"]) == ("text", False)
    assert context["http"] == {
        "method": "PUT",
        "path": "/pages/x",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "curl",
    }
    assert (context["stage"], context["routeKey"]) == ("$default", "ANY /pages/{name}")
    assert {"time", "timeEpoch", "requestId", "accountId", "apiId"} <= set(context)


@pytest.mark.row("1.70")
def test_what_is_absent_is_left_out(gateway):
    event = gateway.request("GET", "/rare").json

    absent = {"cookies", "queryStringParameters", "body", "pathParameters", "stageVariables"}
    assert not absent & set(event)
    assert not [name for name in event if name.startswith("multiValue")]


@pytest.mark.row("1.70")
def test_values_of_one_header_are_joined(gateway):
    request = b"GET /pages/one HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n"

    event = json.loads(gateway.raw(request).partition(b"\r\n\r\n")[2])

    assert event["headers"]["x-a"] == "1,2"
    assert event["routeKey"] == "GET /pages/one"


@pytest.mark.row("1.70")
@pytest.mark.parametrize(
    ("kind", "is_base64"),
    [("application/json", False), ("text/csv", False), ("a/b+xml", False), ("image/png", True)],
)
def test_what_is_no_text_comes_as_base64(gateway, kind, is_base64):
    event = gateway.request("POST", "/pages/x", b"ab", {"Content-Type": kind}).json

    assert (event["body"], event["isBase64Encoded"]) == (
        ("YWI=", True) if is_base64 else ("ab", False)
    )


@pytest.mark.row("1.71")
def test_the_path_is_decoded_and_the_query_is_not(gateway):
    event = gateway.request("GET", "/pages/a%20b%2B?q=a%20b").json
    old = gateway.request("GET", "/old/a%20b/c").json

    assert (event["rawPath"], event["pathParameters"]) == ("/pages/a b+", {"name": "a b+"})
    assert event["rawQueryString"] == "q=a%20b"
    assert event["queryStringParameters"] == {"q": "a b"}
    assert (old["path"], old["pathParameters"]) == ("/old/a b/c", {"rest": "a b/c"})


@pytest.mark.row("1.1")
def test_payload_1_0_has_the_length_of_the_body(gateway):
    event = gateway.request("GET", "/old/a", b"abc").json

    assert event["headers"]["Content-Length"] == "3"
    assert event["multiValueHeaders"]["Content-Length"] == ["3"]


@pytest.mark.row("1.1")
def test_payload_1_0_is_a_rest_event_with_a_version(gateway):
    event = gateway.request("GET", "/old/a?q=1&q=2").json

    assert event["version"] == "1.0"
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert event["requestContext"]["resourcePath"] == "/old/{rest+}"
    assert event["body"] is None


@pytest.mark.row("1.72")
@pytest.mark.parametrize(
    ("result", "body"),
    [
        ({"message": "hé"}, '{"message": "hé"}'),
        ("Hello", "Hello"),
        ([1, 2], "[1, 2]"),
        (None, "null"),
    ],
)
def test_any_result_without_a_status_is_the_body(gateway, result, body):
    answer = answered(gateway, result)

    assert (answer.status, answer.body.decode()) == (200, body)
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.row("1.72")
def test_a_structured_result_is_taken_with_cookies_and_without_unknown_keys(gateway):
    result = {
        "statusCode": 201,
        "headers": {"X-A": 1},
        "cookies": ["a=1", "b=2"],
        "unknown": True,
        "body": "/wA=",
        "isBase64Encoded": True,
    }
    answer = answered(gateway, result)

    assert (answer.status, answer.body, answer.headers["X-A"]) == (201, b"\xff\x00", "1")
    assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["apigw-requestid"]


@pytest.mark.row("1.72")
def test_a_result_for_payload_1_0_has_a_status_and_may_have_headers_of_many_values(gateway):
    result = {"statusCode": 200, "multiValueHeaders": {"X-A": ["1", "2"]}, "body": "x"}

    answer = answered(gateway, result, "/chosen/old")
    refused = answered(gateway, {"message": "x"}, "/chosen/old")

    assert answer.headers.get_all("X-A") == ["1", "2"]
    assert refused.status == 500


def test_a_header_that_a_result_for_payload_1_0_says_in_both_maps_is_sent_once(gateway):
    headers, many = {"X-A": "1", "x-b": "3"}, {"x-a": ["1", "2"], "X-B": ["4"]}
    result = {"statusCode": 200, "headers": headers, "multiValueHeaders": many}

    answer = answered(gateway, result, "/chosen/old")

    assert answer.headers.get_all("X-A") == ["1", "2"]
    assert answer.headers.get_all("X-B") == ["4", "3"]


def test_a_cookie_stands_beside_the_one_among_the_headers(gateway):
    result = {"statusCode": 200, "headers": {"Set-Cookie": "a=1"}, "cookies": ["a=1", "b=2"]}

    assert answered(gateway, result).headers.get_all("set-cookie") == ["a=1", "a=1", "b=2"]


@pytest.mark.row("1.73", "1.78")
@pytest.mark.parametrize(("method", "path"), [("GET", "/nope"), ("POST", "/rare")])
def test_without_a_route_it_is_404(gateway, method, path):
    answer = gateway.request(method, path)

    assert (answer.status, answer.json) == (404, {"message": "Not Found"})
    assert "x-amzn-ErrorType" not in answer.headers


@pytest.mark.row("1.74")
@pytest.mark.parametrize(
    "frame",
    [
        {"error": {"errorType": "ValueError", "errorMessage": "no"}},
        {"result": {"statusCode": "soon"}},
        {"result": {"statusCode": 200, "headers": {"X-A": "b\r\nX-Evil: 1"}}},
        {"result": {"statusCode": 200, "body": "*", "isBase64Encoded": True}},
    ],
)
def test_a_function_that_fails_is_a_500(gateway, frame):
    body = json.dumps(frame)
    answer = gateway.request("POST", "/chosen", body, {"Content-Type": "application/json"})

    assert (answer.status, answer.json) == (500, {"message": "Internal Server Error"})


@pytest.mark.row("1.75")
def test_after_the_integrations_time_out_it_is_503(gateway):
    release = threading.Event()
    gateway.environment("Slow", lambda frame: ok(frame) if release.wait(5) else {"die": True})

    answer = gateway.request("GET", "/slow")
    release.set()

    assert (answer.status, answer.json) == (503, {"message": "Service Unavailable"})


@pytest.mark.row("1.76")
def test_a_route_over_its_rate_is_429(gateway):
    answers = [gateway.request("GET", "/rare") for _ in range(3)]

    assert answers[-1].status == 429
    assert answers[-1].json == {"message": "Too Many Requests"}


def test_a_default_route_takes_what_no_other_does(tmp_path):
    template = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.echo
      Runtime: python3.13
      CodeUri: functions/
      Events:
        All: {Type: HttpApi}
        One: {Type: HttpApi, Properties: {Method: GET, Path: /one}}
"""
    with GatewayProcess(tmp_path, template) as gateway:
        gateway.environment("Echo", ok)
        events = [
            gateway.request(method, path).json
            for method, path in (("GET", "/one"), ("POST", "/one"), ("GET", "/a/b"))
        ]

    assert [event["routeKey"] for event in events] == ["GET /one", "$default", "$default"]
    assert events[2]["rawPath"] == "/a/b"
