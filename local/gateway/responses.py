"""The gateway's own answers, in the words of the template's GatewayResponses.

Kinds, statuses and texts are API Gateway's (rows 1.27, 1.30 to 1.38 and 1.53 to 1.57:
gateway responses, refusals, authorizers).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from local.gateway.variables import Situation, Text, compile_template
from local.template import GatewayResponse


@dataclass(frozen=True, slots=True)
class Refusal:
    """A kind of gateway response with AWS's own status, message and error type."""

    kind: str
    status: int
    message: str | None
    error_type: str
    key: str = "message"  # authorization errors are spelled with a capital M (row 1.56, denials)
    retry_after_s: int | None = None
    reason: str = ""  # that a body is invalid
    challenge: str = ""  # of a JSON Web Token, for WWW-Authenticate


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
# Row 1.35, quotas: the quota of a usage plan is used up.
QUOTA_EXCEEDED = Refusal("QUOTA_EXCEEDED", 429, "Limit Exceeded", "LimitExceededException")
INVALID_API_KEY = Refusal("INVALID_API_KEY", 403, "Forbidden", "ForbiddenException")
# Row 1.37, lengths: an authorizer would be asked about a method ARN that is too long for it.
ARN_TOO_LONG = Refusal("DEFAULT_4XX", 414, "Request-URI Too Long", "RequestURITooLongException")
TOO_LARGE = Refusal("REQUEST_TOO_LARGE", 413, "Request Too Long", "RequestTooLargeException")
FUNCTION_ERROR = Refusal(
    "DEFAULT_5XX", 502, "Internal server error", "InternalServerErrorException"
)
# Row 1.32, throttles: Lambda refused the invocation, because its concurrency is used up.
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
    """Return the refusal of a request that is not HTTP as it should be."""
    if status == 413:
        return TOO_LARGE
    if status == 503:
        return OVERLOADED
    return Refusal("BAD_REQUEST_PARAMETERS", status, "Bad Request", "BadRequestException")


@dataclass(frozen=True, slots=True)
class _Worded:
    """One kind as the template words it."""

    status: int | None
    headers: tuple[tuple[str, Text], ...]
    body: Text | None


_AS_AWS = _Worded(None, (), None)


class GatewayResponses:
    """The wording of every kind, compiled once."""

    def __init__(self, responses: Mapping[str, GatewayResponse]) -> None:
        self._worded = {kind: _worded(response) for kind, response in responses.items()}

    def render(self, refusal: Refusal, situation: Situation) -> tuple[int, str, bytes]:
        """Return status, header lines and body of `refusal` in `situation`."""
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
