"""What the gateway answers by itself, in the words of the template's GatewayResponses.

Kinds, statuses and texts are API Gateway's (rows 1.27, 1.30 to 1.38, 1.53 to 1.57).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from local.gateway.events import API_ID, Context, request_time, split_target
from local.gateway.request import Request
from local.template import GatewayResponse
from local.template.intrinsics import ACCOUNT_ID


@dataclass(frozen=True, slots=True)
class Refusal:
    """A kind of gateway response with AWS's own status, message and error type."""

    kind: str
    status: int
    message: str | None
    error_type: str
    key: str = "message"  # authorization errors are spelled with a capital M (1.56)
    retry_after_s: int | None = None


NO_ROUTE = Refusal(
    "MISSING_AUTHENTICATION_TOKEN",
    403,
    "Missing Authentication Token",
    "MissingAuthenticationTokenException",
)
UNAUTHORIZED = Refusal("UNAUTHORIZED", 401, "Unauthorized", "UnauthorizedException")
_NOT_AUTHORIZED = "User is not authorized to access this resource"
IMPLICIT_DENY = Refusal(
    "ACCESS_DENIED", 403, _NOT_AUTHORIZED, "AccessDeniedException", key="Message"
)
EXPLICIT_DENY = Refusal(
    "ACCESS_DENIED",
    403,
    f"{_NOT_AUTHORIZED} with an explicit deny",
    "AccessDeniedException",
    key="Message",
)
AUTHORIZER_ERROR = Refusal(
    "AUTHORIZER_CONFIGURATION_ERROR", 500, None, "AuthorizerConfigurationException"
)
THROTTLED = Refusal(
    "THROTTLED", 429, "Too Many Requests", "TooManyRequestsException", retry_after_s=1
)
TOO_LARGE = Refusal("REQUEST_TOO_LARGE", 413, "Request Too Long", "RequestTooLargeException")
FUNCTION_ERROR = Refusal(
    "DEFAULT_5XX", 502, "Internal server error", "InternalServerErrorException"
)
# 1.32: Lambda refused the invocation, because its concurrency is used up.
FUNCTION_THROTTLED = Refusal(
    "INTEGRATION_FAILURE",
    500,
    "Internal server error",
    "InternalServerErrorException",
    retry_after_s=1,
)
# Here only: the event waited too long for an environment and was not started.
OVERLOADED = Refusal(
    "INTEGRATION_FAILURE",
    503,
    "Service Unavailable",
    "ServiceUnavailableException",
    retry_after_s=1,
)
TIMED_OUT = Refusal(
    "INTEGRATION_TIMEOUT", 504, "Endpoint request timed out", "GatewayTimeoutException"
)


def malformed(status: int) -> Refusal:
    """The refusal of a request that is not HTTP as it should be."""
    if status == 413:
        return TOO_LARGE
    if status == 503:
        return OVERLOADED
    return Refusal("BAD_REQUEST_PARAMETERS", status, "Bad Request", "BadRequestException")


@dataclass(frozen=True, slots=True)
class Situation:
    """What the variables of a template can name."""

    request: Request
    context: Context
    refusal: Refusal
    resource: str
    stage: str


# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
_VARIABLES: dict[str, Callable[[Situation], Any]] = {
    "accountId": lambda one: ACCOUNT_ID,
    "apiId": lambda one: API_ID,
    "domainName": lambda one: one.request.fields.get("host", ""),
    "error.message": lambda one: one.refusal.message or "null",
    "error.messageString": lambda one: orjson.dumps(one.refusal.message).decode(),
    "error.responseType": lambda one: one.refusal.kind,
    "error.validationErrorString": lambda one: "",
    "extendedRequestId": lambda one: one.context.extended_request_id,
    "httpMethod": lambda one: one.request.method,
    "identity.sourceIp": lambda one: one.request.peer,
    "identity.userAgent": lambda one: one.request.fields.get("user-agent", ""),
    "path": lambda one: f"/{one.stage}{split_target(one.request.target)[0]}",
    "protocol": lambda one: one.request.protocol,
    "requestId": lambda one: one.context.request_id,
    "requestTime": lambda one: request_time(one.context.epoch_s),
    "requestTimeEpoch": lambda one: int(one.context.epoch_s * 1000),
    "resourceId": lambda one: one.resource,
    "resourcePath": lambda one: one.resource,
    "stage": lambda one: one.stage,
}
_READY_MADE_JSON = frozenset({"error.messageString"})  # it brings its own quotes
_PLACEHOLDER = re.compile(r"\$context\.([A-Za-z]+(?:\.[A-Za-z]+)*)")


class UnknownVariable(ValueError):
    """A gateway response names a variable that is not emulated."""


def compile_template(text: str) -> Callable[[Situation], str]:
    """A function that fills in `text`. Raises UnknownVariable for what it cannot fill in."""
    parts: list[Callable[[Situation], str]] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        name = match[1]
        if name not in _VARIABLES:
            sentence = "a gateway response has a variable that is not emulated; remove"
            raise UnknownVariable(f"{sentence} $context.{name}")
        parts.append(_fixed(text[end : match.start()]))
        parts.append(_filled(name))
        end = match.end()
    parts.append(_fixed(text[end:]))
    return lambda situation: "".join([part(situation) for part in parts])


def _fixed(text: str) -> Callable[[Situation], str]:
    return lambda situation: text


def _filled(name: str) -> Callable[[Situation], str]:
    variable = _VARIABLES[name]
    if name in _READY_MADE_JSON:
        return lambda situation: str(variable(situation))
    # A path may hold a quote; the body is JSON and stays JSON.
    return lambda situation: orjson.dumps(str(variable(situation))).decode()[1:-1]


@dataclass(frozen=True, slots=True)
class _Worded:
    """One kind as the template words it."""

    status: int | None
    headers: tuple[tuple[str, Callable[[Situation], str]], ...]
    body: Callable[[Situation], str] | None


_AS_AWS = _Worded(None, (), None)


class GatewayResponses:
    """The wording of every kind, compiled once."""

    def __init__(self, responses: Mapping[str, GatewayResponse]) -> None:
        self._worded = {kind: _worded(response) for kind, response in responses.items()}

    def render(self, situation: Situation) -> tuple[int, str, bytes]:
        """Status, header lines and body of the refusal in `situation`."""
        refusal = situation.refusal
        worded = self._for(refusal)
        headers = {
            "x-amzn-RequestId": situation.context.request_id,
            "x-amz-apigw-id": situation.context.extended_request_id,
            "x-amzn-ErrorType": refusal.error_type,
        }
        if worded.body is None:
            headers["Content-Type"] = "application/json"
            body = orjson.dumps({refusal.key: refusal.message})
        else:
            body = worded.body(situation).encode("utf-8", "replace")
        if refusal.retry_after_s is not None:
            headers["Retry-After"] = str(refusal.retry_after_s)
        headers.update((name, fill(situation)) for name, fill in worded.headers)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return worded.status or refusal.status, lines, body

    def _for(self, refusal: Refusal) -> _Worded:
        default = "DEFAULT_4XX" if refusal.status < 500 else "DEFAULT_5XX"
        return self._worded.get(refusal.kind) or self._worded.get(default) or _AS_AWS


def _worded(response: GatewayResponse) -> _Worded:
    body = response.body_template
    return _Worded(
        response.status,
        tuple((name, compile_template(text)) for name, text in response.headers.items()),
        None if body is None else compile_template(body),
    )
