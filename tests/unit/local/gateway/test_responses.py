"""The gateway's own answers, in AWS's words or the template's: rows 1.27 and 1.30 to 1.36."""

import json
from typing import Any

import pytest

from local.gateway import responses
from local.gateway.events import Context
from local.gateway.responses import GatewayResponses, Refusal
from local.gateway.variables import Situation, UnknownVariable, compile_template
from local.http.request import Request
from local.template import GatewayResponse


def render(refusal: Refusal, *worded: GatewayResponse) -> tuple[int, dict[str, str], Any]:
    request = Request("10.0.0.9", 0.0)
    request.method, request.target = "GET", "/a?b=c"
    situation = Situation(
        request=request,
        context=Context({}, 1.0),
        stage="prod",
        resource="/a",
        error_message=refusal.message,
        error_type=refusal.kind,
    )
    responses_of = GatewayResponses({each.kind: each for each in worded})
    status, lines, body = responses_of.render(refusal, situation)
    headers = dict(line.split(": ", 1) for line in lines.split("\r\n") if line)
    return status, headers, json.loads(body)


def words(kind: str, status: int | None = None, body: str | None = None) -> GatewayResponse:
    return GatewayResponse(kind=kind, status=status, headers={"X-Kind": kind}, body_template=body)


@pytest.mark.row("1.27", "1.30", "1.31", "1.32", "1.34", "1.35")
@pytest.mark.parametrize(
    ("refusal", "status", "body", "error_type"),
    [
        (
            responses.NO_ROUTE,
            403,
            {"message": "Missing Authentication Token"},
            "MissingAuthenticationTokenException",
        ),
        (responses.UNAUTHORIZED, 401, {"message": "Unauthorized"}, "UnauthorizedException"),
        (
            responses.FUNCTION_ERROR,
            502,
            {"message": "Internal server error"},
            "InternalServerErrorException",
        ),
        (
            responses.FUNCTION_THROTTLED,
            500,
            {"message": "Internal server error"},
            "InternalServerErrorException",
        ),
        (
            responses.TIMED_OUT,
            504,
            {"message": "Endpoint request timed out"},
            "GatewayTimeoutException",
        ),
        (responses.TOO_LARGE, 413, {"message": "Request Too Long"}, "RequestTooLargeException"),
        (responses.THROTTLED, 429, {"message": "Too Many Requests"}, "TooManyRequestsException"),
        (responses.AUTHORIZER_ERROR, 500, {"message": None}, "AuthorizerConfigurationException"),
    ],
)
def test_without_a_template_the_words_are_awss(refusal, status, body, error_type):
    answer_status, headers, answer_body = render(refusal)

    assert (answer_status, answer_body) == (status, body)
    assert headers["x-amzn-ErrorType"] == error_type
    assert headers["Content-Type"] == "application/json"
    assert {"x-amzn-RequestId", "x-amz-apigw-id"} <= set(headers)
    assert "X-Amzn-Trace-Id" not in headers


def test_a_kind_is_worded_by_its_own_response_before_the_default():
    _, own, _ = render(responses.NO_ROUTE, words("DEFAULT_4XX"), words(responses.NO_ROUTE.kind))
    _, default, _ = render(responses.UNAUTHORIZED, words("DEFAULT_4XX"), words("DEFAULT_5XX"))
    _, server, _ = render(responses.TIMED_OUT, words("DEFAULT_4XX"), words("DEFAULT_5XX"))

    kinds = [headers["X-Kind"] for headers in (own, default, server)]
    assert kinds == [responses.NO_ROUTE.kind, "DEFAULT_4XX", "DEFAULT_5XX"]


def test_a_status_is_kept_unless_the_template_has_one():
    assert render(responses.NO_ROUTE, words("DEFAULT_4XX"))[0] == 403
    assert render(responses.NO_ROUTE, words("DEFAULT_4XX", 400))[0] == 400


def test_variables_are_filled_in():
    template = """{"p":"$context.path","m":$context.error.messageString,"i":"$context.requestId",
    "k":"$context.error.responseType","s":"$context.identity.sourceIp"}"""

    _, headers, body = render(responses.NO_ROUTE, words("DEFAULT_4XX", body=template))

    assert body == {
        "p": "/prod/a",
        "m": "Missing Authentication Token",
        "i": headers["x-amzn-RequestId"],
        "k": "MISSING_AUTHENTICATION_TOKEN",
        "s": "10.0.0.9",
    }


@pytest.mark.row("1.39")
def test_whatever_a_client_or_an_authorizer_says_stays_one_text_on_one_line():
    nasty = 'a"b\\c\r\n{"status":200}\x1b[2J'
    request = Request("10.0.0.9", 0.0)
    request.method, request.target, request.fields["user-agent"] = "GET", '/a"b', nasty
    fill = compile_template(
        '{"a":"$context.identity.userAgent","p":"$context.path","w":"$context.authorizer.who"}'
    )

    line = fill(
        Situation(request=request, context=Context({}, 1.0), stage="prod", caller={"who": nasty})
    )

    assert json.loads(line) == {"a": nasty, "p": '/prod/a"b', "w": nasty}
    assert line.isprintable()


def test_a_variable_that_is_not_emulated_is_refused_at_the_start():
    with pytest.raises(UnknownVariable, match=r"\$context.waf.answer is not emulated"):
        GatewayResponses({"UNAUTHORIZED": words("UNAUTHORIZED", body="$context.waf.answer")})
