"""A request becomes a REST event, and what the handler returns an answer."""

import json
import time

import pytest

from tests.conftest import wait_until
from tests.integration.gateway_process import ok, returns


@pytest.mark.row("1.1", "1.4", "1.8", "1.11", "1.12")
def test_the_function_gets_the_request_as_a_rest_event(shared):
    answer = shared.request(
        "POST", "/pages/one?b=1&a=%20x+y&b=2", b'{"k":"\xc3\xa9"}', {"X-FoO": "v"}
    )

    event = answer.json
    assert answer.status == 200
    assert event["resource"] == "/pages/{name}"
    assert event["path"] == "/pages/one"
    assert event["requestContext"]["path"] == "/prod/pages/one"
    assert event["pathParameters"] == {"name": "one"}
    assert event["queryStringParameters"] == {"b": "2", "a": " x y"}
    assert event["multiValueQueryStringParameters"] == {"b": ["1", "2"], "a": [" x y"]}
    assert event["headers"]["X-FoO"] == "v"
    assert event["body"] == '{"k":"é"}'


@pytest.mark.row("1.4", "1.5", "1.6")
@pytest.mark.parametrize(
    ("sent", "path", "parameter"),
    [
        ("/pages/one/", "/pages/one/", "one"),
        ("//pages/one", "/pages/one", "one"),
        ("/pages/a%2Fb+c", "/pages/a%2Fb+c", "a%2Fb+c"),
    ],
)
def test_the_path_is_told_as_it_was_sent_but_for_leading_slashes(shared, sent, path, parameter):
    event = shared.request("GET", sent).json

    assert (event["path"], event["pathParameters"]) == (path, {"name": parameter})
    assert event["requestContext"]["path"] == f"/prod{sent}"
    assert event["resource"] == "/pages/{name}"


@pytest.mark.row("1.16")
@pytest.mark.parametrize(
    ("method", "status"),
    [
        *((method, 200) for method in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")),
        *((method, 404) for method in ("TRACE", "PROPFIND")),
    ],
)
def test_any_is_seven_methods_and_no_more(shared, method, status):
    """404 is what the template makes of a missing route."""
    assert shared.request(method, "/pages/one").status == status


@pytest.mark.row("1.24")
def test_an_answer_of_nothing_has_a_type_and_no_length(gateway):
    gateway.environment("Pages", returns({}))

    answer = gateway.request("GET", "/pages/one")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == "0"


@pytest.mark.row("1.23")
@pytest.mark.parametrize(
    ("headers", "many", "sent"),
    [
        ({"X-A": "1"}, {"X-A": ["1", "2"]}, ["1", "2"]),
        ({"x-a": "1"}, {"X-A": ["2", "1"]}, ["2", "1"]),
        ({"X-A": "3"}, {"x-a": ["1", "2"]}, ["1", "2", "3"]),
        ({"X-A": 1, "x-A": True}, {"X-a": ["1", "true"]}, ["1", "true"]),
        ({"X-A": "1"}, {"X-A": ["1", "1"]}, ["1", "1"]),
        ({"X-A": "1"}, {"X-A": []}, ["1"]),
        ({"X-A": "1"}, None, ["1"]),
        (None, {"X-A": ["a, b", "a"]}, ["a, b", "a"]),
    ],
)
def test_a_pair_of_name_and_value_in_both_maps_is_sent_once(gateway, headers, many, sent):
    kind = {"Content-Type": "text/html"}
    result = {"headers": headers and kind | headers, "multiValueHeaders": many}
    gateway.environment("Pages", returns(result))

    assert gateway.request("GET", "/pages/one").headers.get_all("X-A") == sent


@pytest.mark.row("1.23")
def test_a_type_in_both_maps_is_sent_once(gateway):
    result = {"headers": {"content-type": "a/b"}, "multiValueHeaders": {"Content-Type": ["a/b"]}}
    gateway.environment("Pages", returns(result))

    assert gateway.request("GET", "/pages/one").headers.get_all("Content-Type") == ["a/b"]


@pytest.mark.row("1.26")
def test_the_answer_bears_the_ids_of_the_event(shared):
    """The headers x-amzn-RequestId, x-amz-apigw-id and X-Amzn-Trace-Id."""
    answer = shared.request("GET", "/pages/one")

    context = answer.json["requestContext"]
    assert answer.headers["x-amzn-RequestId"] == context["requestId"]
    assert answer.headers["x-amz-apigw-id"] == context["extendedRequestId"]
    assert answer.headers["X-Amzn-Trace-Id"] == answer.json["headers"]["X-Amzn-Trace-Id"]


@pytest.mark.row("1.29")
def test_a_client_chooses_the_id_of_its_request_but_not_of_the_invocation(gateway):
    environment = gateway.environment("Pages", ok)
    client_id = "1f4e0a4c-6f3b-4f0e-9b57-0a3b7a1c2d3e"

    answers = [
        gateway.request("GET", "/pages/one", headers={"x-amzn-RequestId": client_id})
        for _ in range(2)
    ]

    assert {answer.headers["x-amzn-RequestId"] for answer in answers} == {client_id}
    assert {answer.json["requestContext"]["requestId"] for answer in answers} == {client_id}
    assert len({frame["id"] for frame in environment.frames} - {client_id}) == 2


@pytest.mark.row("1.30")
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nope"), ("GET", "/pages"), ("PUT", "/rare")]
)
def test_no_route_and_no_method_are_missing_authentication_token(shared, method, path):
    """Worded by the template."""
    answer = shared.request(method, path)

    assert answer.status == 404
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Kind"] == "no route"
    assert answer.json == {"detail": "Missing Authentication Token", "path": f"/prod{path}"}


def test_a_path_with_a_quote_leaves_the_answer_json(shared):
    head = b'GET /a"b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

    body = shared.raw(head).partition(b"\r\n\r\n")[2]

    assert json.loads(body)["path"] == '/prod/a"b'


@pytest.mark.row("1.20", "1.22", "1.31")
@pytest.mark.parametrize(
    "frame",
    [
        {"error": {"errorType": "ValueError", "errorMessage": "no"}},
        {"result": "text"},
        {"not_json": '{"statusCode": NaN}'},
        {"result": {"statusCode": 200, "unknown": 1}},
        {"result": {"headers": {"X-A": "b\r\nX-Evil: 1"}}},
        {"die": True},
    ],
)
def test_a_function_that_fails_is_a_502(gateway, frame):
    gateway.environment("Pages", lambda _: frame)

    answer = gateway.request("GET", "/pages/one")

    assert answer.status == 502
    assert answer.json == {"message": "Internal server error"}
    assert answer.headers["x-amzn-ErrorType"] == "InternalServerErrorException"
    assert "X-Evil" not in answer.headers


@pytest.mark.row("2.10")
def test_an_environment_that_dies_is_logged_with_its_reason(gateway):
    gateway.environment("Pages", lambda _: {"die": True})
    gateway.request("GET", "/pages/one")
    log = gateway.state / "logs" / "functions" / "Pages.log"

    wait_until(lambda: log.exists() and "Runtime exited without" in log.read_text())


@pytest.mark.row("2.8")
def test_an_environment_that_dies_at_its_deadline_timed_out(gateway):

    def hang(frame):
        wait_until(lambda: time.time() * 1000 >= frame["deadline_ms"])
        return {"die": True}

    gateway.environment("Pages", hang)

    assert gateway.request("GET", "/pages/one").status == 502
    assert gateway.metric('gateway_invoke_timeouts_total{function="Pages"}') == 1
    log = gateway.state / "logs" / "functions" / "Pages.log"
    wait_until(lambda: log.exists() and "Task timed out after 1.00 seconds" in log.read_text())


@pytest.mark.row("1.14", "1.25")
def test_a_binary_body_comes_as_base64_and_goes_back_as_bytes(gateway):
    environment = gateway.environment(
        "Pages", returns({"body": "/wAB", "isBase64Encoded": True, "statusCode": 200})
    )

    png = {"Content-Type": "image/png"}
    binary = gateway.request("POST", "/pages/one", b"\xff\x00", {**png, "Accept": "image/png"})
    text = gateway.request("POST", "/pages/one", b"\xff\x00", {"Accept": "image/*"})

    assert (binary.body, text.body) == (b"\xff\x00\x01", b"/wAB")
    assert environment.events[0]["body"] == "/wA="
    assert environment.events[0]["isBase64Encoded"] is True
    assert environment.events[1]["isBase64Encoded"] is False
