"""Requests as REST events and results as responses: rows 1.1 to 1.14 and 1.20 to 1.29."""

import uuid
from typing import Any

import pytest

from local.gateway.events import (
    Context,
    Stage,
    build_event,
    method_arn,
)
from local.gateway.policy import Grant
from local.gateway.results import MalformedResponse, read_result
from local.http.request import Request

EPOCH_S = 1_722_641_683.123


def event(
    target: str = "/a",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    binary_types: tuple[str, ...] = (),
    **options: Any,
) -> dict[str, Any]:
    request = Request("10.0.0.9", 0.0)
    request.method = "POST"
    request.target = target
    request.body = body
    for name, value in headers:
        request.headers.append((name, name.lower(), value))
        request.fields[name.lower()] = value
    arguments = {"resource": "/a", "path_parameters": None, **options}
    stage = Stage("prod", "5002", binary_types)
    return build_event(request, Context(request.fields, EPOCH_S), stage, **arguments)


@pytest.mark.row("1.1")
def test_an_event_has_the_twelve_keys_of_rest():
    """And no version, which would make it an HTTP API's."""
    assert set(event()) == {
        *("resource", "path", "httpMethod", "headers", "multiValueHeaders", "pathParameters"),
        *("queryStringParameters", "multiValueQueryStringParameters", "stageVariables"),
        *("requestContext", "body", "isBase64Encoded"),
    }


@pytest.mark.row("1.2")
@pytest.mark.parametrize(
    "key",
    [
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    ],
)
@pytest.mark.parametrize("target", ["/a", "/a?"])
def test_what_is_absent_is_null(key, target):
    assert event(target)[key] is None


@pytest.mark.row("1.3")
def test_the_request_context_has_all_its_keys():
    context = event(headers=(("User-Agent", "curl"), ("Host", "api.example:5002")))[
        "requestContext"
    ]

    uuid.UUID(context.pop("requestId"))
    assert context.pop("extendedRequestId").endswith("=")
    assert context == {
        "accountId": "000000000000",
        "apiId": "local",
        "deploymentId": "local",
        "domainName": "api.example",
        "domainPrefix": "api",
        "httpMethod": "POST",
        "identity": {
            "accessKey": None,
            "accountId": None,
            "caller": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": "10.0.0.9",
            "user": None,
            "userAgent": "curl",
            "userArn": None,
        },
        "path": "/prod/a",
        "protocol": "HTTP/1.1",
        "requestTime": "02/Aug/2024:23:34:43 +0000",
        "requestTimeEpoch": 1_722_641_683_123,
        "resourceId": "/a",
        "resourcePath": "/a",
        "stage": "prod",
    }


@pytest.mark.row("1.4", "1.5")
def test_the_three_paths_are_kept_apart():
    made = event("/one/two/?x=1", resource="/one/{proxy+}", path_parameters={"proxy": "two"})

    assert made["path"] == "/one/two/"
    assert made["requestContext"]["path"] == "/prod/one/two/"
    assert made["resource"] == made["requestContext"]["resourcePath"] == "/one/{proxy+}"
    assert made["pathParameters"] == {"proxy": "two"}


@pytest.mark.row("1.6")
def test_leading_slashes_are_collapsed_in_the_path_alone():
    made = event("//hardcoded")

    assert made["path"] == "/hardcoded"
    assert made["requestContext"]["path"] == "/prod//hardcoded"


@pytest.mark.row("1.7")
def test_the_path_stays_percent_encoded():
    assert event("/test%2Balias@gmail.com+x")["path"] == "/test%2Balias@gmail.com+x"


@pytest.mark.row("1.8", "1.13")
def test_header_names_keep_their_casing_but_for_two():
    headers = event(
        headers=(("tEsT", "1"), ("test", "2"), ("authorization", "b"), ("USER-agent", "c"))
    )["headers"]

    assert (headers["tEsT"], headers["test"]) == ("1", "2")
    assert (headers["Authorization"], headers["User-Agent"]) == ("b", "c")


@pytest.mark.row("1.9")
def test_every_line_of_the_hops_before_is_kept():
    lines = (("X-Forwarded-For", "1.2.3.4"), ("x-forwarded-for", "5.6.7.8"))

    hops = event(headers=(("host", "a"), *lines))["headers"]["X-Forwarded-For"]
    assert hops == "1.2.3.4, 5.6.7.8, 10.0.0.9"


@pytest.mark.row("1.9")
def test_the_gateway_adds_five_headers():
    made = event(headers=(("host", "a"), ("X-Forwarded-For", "1.2.3.4")))

    assert made["headers"]["Host"] == "a"
    assert made["headers"]["X-Amzn-Trace-Id"].startswith("Root=1-66ad6d13-")
    assert len(made["headers"]["X-Amzn-Trace-Id"]) == len(
        "Root=1-12345678-123456789012345678901234"
    )
    assert made["headers"]["X-Forwarded-For"] == "1.2.3.4, 10.0.0.9"
    assert made["headers"]["X-Forwarded-Port"] == "5002"
    assert made["multiValueHeaders"]["X-Forwarded-Proto"] == ["http"]


@pytest.mark.row("1.10")
def test_twelve_headers_never_reach_the_function():
    dropped = [
        "Connection",
        "Content-Length",
        "Content-MD5",
        "Expect",
        "Max-Forwards",
        "Proxy-Authenticate",
        "Server",
        "TE",
        "Transfer-Encoding",
        "Trailer",
        "Upgrade",
        "WWW-Authenticate",
    ]

    made = event(headers=tuple((name, "x") for name in [*dropped, "Kept"]))

    assert not set(dropped) & set(made["headers"])
    assert made["multiValueHeaders"]["Kept"] == ["x"]


@pytest.mark.row("1.11")
def test_of_duplicates_the_last_counts_and_all_are_kept():
    made = event("/a?price=10&price=20&price=30", headers=(("X-A", "1"), ("X-A", "2")))

    assert made["queryStringParameters"] == {"price": "30"}
    assert made["multiValueQueryStringParameters"] == {"price": ["10", "20", "30"]}
    assert made["headers"]["X-A"] == "2"
    assert made["multiValueHeaders"]["X-A"] == ["1", "2"]


@pytest.mark.row("1.12", "1.13")
def test_the_query_is_decoded():
    made = event("/a?plus=a+b&encoded=a%2Bb%20c&empty=&x=1;y=2&X=3&caf%C3%A9=1")

    assert made["queryStringParameters"] == {
        "plus": "a b",
        "encoded": "a+b c",
        "empty": "",
        "x": "1",
        "y": "2",
        "X": "3",
        "café": "1",
    }


@pytest.mark.row("1.14")
@pytest.mark.parametrize(
    ("content_type", "body", "is_base64"),
    [
        ("image/png", "/wA=", True),
        ("image/png; q=1", "/wA=", True),
        ("image/jpeg", "\ufffd\x00", False),
        ("", "\ufffd\x00", False),
    ],
)
def test_a_body_is_base64_only_for_a_binary_type(content_type, body, is_base64):
    made = event(
        headers=(("Content-Type", content_type),), body=b"\xff\x00", binary_types=("image/png",)
    )

    assert (made["body"], made["isBase64Encoded"]) == (body, is_base64)


def test_everything_is_binary_where_the_api_says_so():
    assert event(body=b"a", binary_types=("*/*",))["isBase64Encoded"] is True


def test_the_authorizers_context_stands_in_the_request_context():
    assert event(grant=Grant({"principalId": "p"}, {}))["requestContext"]["authorizer"] == {
        "principalId": "p"
    }
    assert "authorizer" not in event()["requestContext"]


@pytest.mark.row("1.29")
def test_a_client_may_bring_its_own_request_id_if_it_is_a_uuid():
    client_id = "1f4e0a4c-6f3b-4f0e-9b57-0a3b7a1c2d3e"

    for each in (client_id, client_id.upper()):
        assert Context({"x-amzn-requestid": each}, EPOCH_S).request_id == each
    assert Context({"x-amzn-requestid": "x\r\n"}, EPOCH_S).request_id != "x\r\n"


def test_the_clients_trace_is_carried_on():
    trace = "Root=1-66ad6d13-abcdefabcdefabcdefabcdef;Sampled=1"

    assert event(headers=(("x-amzn-trace-id", trace),))["headers"]["X-Amzn-Trace-Id"] == trace


@pytest.mark.row("1.50")
def test_a_method_arn_names_stage_method_and_path():
    assert (
        method_arn("prod", "GET", "/a/b")
        == "arn:aws:execute-api:eu-west-1:000000000000:local/prod/GET/a/b"
    )


def read(result: Any, accept: str | None = None, *binary: str) -> tuple[int, str, bytes]:
    return read_result(result, accept=accept, binary_types=binary)


@pytest.mark.row("1.20", "1.21", "1.24")
@pytest.mark.parametrize(
    ("result", "status"),
    [
        ({"statusCode": 201}, 201),
        ({"statusCode": "201"}, 201),
        ({"headers": {}}, 200),
        ({}, 200),
    ],
)
def test_every_key_of_a_response_is_optional(result, status):
    assert read(result) == (status, "Content-Type: application/json\r\n", b"")


@pytest.mark.row("1.20", "1.21", "1.22", "2.6")
@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": 200, "wrongValue": 1},
        {"statusCode": "test"},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 101},
        {"statusCode": 600},
        {"statusCode": 200.0},
        {"statusCode": "9" * 5000},
        *("text", ["list"], None),
        {"headers": ["a"]},
        {"headers": {"A": {"b": 1}}},
        {"headers": {"A": "b\r\nC: d"}},
        {"headers": {"A": "b\nC: d"}},
        {"headers": {"A": "b\rC"}},
        {"headers": {"A": "b\0"}},
        {"headers": {"A b": "c"}},
        {"headers": {"A: x\r\nB": "c"}},
        {"headers": {"": "c"}},
        {"multiValueHeaders": {"A": "b"}},
        {"multiValueHeaders": ["A"]},
        {"multiValueHeaders": {"A\n": ["b"]}},
        {"body": {"a": 1}},
        {"body": 1},
        {"body": "x" * 6_291_557},
    ],
    ids=lambda result: repr(result)[:40],
)
def test_a_malformed_response_is_none(result):
    with pytest.raises(MalformedResponse):
        read(result)


@pytest.mark.row("1.22")
def test_header_values_may_be_booleans_and_numbers():
    _, lines, _ = read({"headers": {"A": True, "B": 1, "C": "x"}})

    assert lines.startswith("A: true\r\nB: 1\r\nC: x\r\n")


@pytest.mark.row("1.22")
def test_headers_may_be_null():
    assert read({"headers": None, "multiValueHeaders": None})[0] == 200


@pytest.mark.row("1.23")
def test_values_of_both_header_maps_are_merged():
    _, lines, _ = read(
        {"headers": {"x-key": "solo"}, "multiValueHeaders": {"X-Key": ["multi", "other"]}}
    )

    assert lines.startswith("X-Key: multi\r\nX-Key: other\r\nX-Key: solo\r\n")


@pytest.mark.row("1.24")
def test_the_functions_content_type_is_kept():
    assert read({"headers": {"content-type": "text/plain"}})[1] == "content-type: text/plain\r\n"


@pytest.mark.row("1.28")
def test_headers_of_the_gateways_own_are_renamed_or_dropped():
    _, lines, _ = read(
        {
            "headers": {
                "WWW-Authenticate": "Bearer",
                "Date": "x",
                "Content-Length": "9",
                "server": "mine",
                "Connection": "close",
                "Transfer-Encoding": "chunked",
                "x-amzn-RequestId": "forged",
                "Content-Type": "a/b",
            }
        }
    )

    assert lines.split("\r\n") == [
        "x-amzn-Remapped-WWW-Authenticate: Bearer",
        "x-amzn-Remapped-Date: x",
        "x-amzn-Remapped-Content-Length: 9",
        "x-amzn-Remapped-server: mine",
        "x-amzn-Remapped-Connection: close",
        "Content-Type: a/b",
        "",
    ]


@pytest.mark.row("1.25")
@pytest.mark.parametrize(
    ("accept", "body"),
    [
        ("image/png", b"\xff"),
        ("image/png;q=0.9, text/html", b"\xff"),
        ("text/html, image/png", b"/w=="),
        ("image/*", b"/w=="),
        ("image/jpeg", b"/w=="),
        ("*/*", b"/w=="),
        (None, b"/w=="),
    ],
)
def test_base64_is_decoded_only_for_the_first_accepted_type(accept, body):
    assert read({"body": "/w==", "isBase64Encoded": True}, accept, "image/png")[2] == body


@pytest.mark.row("1.25")
def test_base64_is_always_decoded_where_everything_is_binary():
    assert read({"body": "/w==", "isBase64Encoded": True}, None, "*/*")[2] == b"\xff"


def test_a_body_that_is_not_base64_is_refused_where_it_has_to_be_decoded():
    with pytest.raises(MalformedResponse):
        read({"body": "*", "isBase64Encoded": True}, "image/png", "image/png")


def test_a_body_is_utf_8():
    assert read({"body": "é"})[2] == b"\xc3\xa9"
