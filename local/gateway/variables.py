"""`$context` variables: of gateway responses, of the access log, and as sources of identity.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from local.gateway.events import API_ID, Context, request_time, split_target, staged
from local.http.request import Request
from local.template.intrinsics import ACCOUNT_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A request with all that variables can name; what has not happened yet has its default."""

    request: Request
    context: Context
    stage: str
    resource: str = ""
    route_key: str = ""
    error_message: str | None = None
    error_type: str = ""
    invalid: str = ""  # why the body is
    caller: Mapping[str, Any] = field(default_factory=dict)  # as the authorizer names it
    key_id: str = ""
    status: int = 0
    length: int = 0
    latency_ms: int = 0
    integration_ms: int = 0


Text = Callable[[Situation], str]

_VARIABLES: dict[str, Callable[[Situation], Any]] = {
    "accountId": lambda one: ACCOUNT_ID,
    "apiId": lambda one: API_ID,
    "awsEndpointRequestId": lambda one: one.context.request_id,
    "deploymentId": lambda one: API_ID,
    "domainName": lambda one: one.request.fields.get("host", ""),
    "error.message": lambda one: one.error_message or "null",
    "error.messageString": lambda one: orjson.dumps(one.error_message).decode(),
    "error.responseType": lambda one: one.error_type,
    "error.validationErrorString": lambda one: one.invalid,
    "extendedRequestId": lambda one: one.context.extended_request_id,
    "httpMethod": lambda one: one.request.method,
    "identity.apiKeyId": lambda one: one.key_id or "-",
    "identity.caller": lambda one: "-",
    "identity.sourceIp": lambda one: one.request.peer,
    "identity.user": lambda one: "-",
    "identity.userAgent": lambda one: one.request.fields.get("user-agent", ""),
    "integration.latency": lambda one: one.integration_ms,
    "integration.requestId": lambda one: one.context.invocation_id,
    "integration.status": lambda one: one.status,
    "integrationLatency": lambda one: one.integration_ms,
    "integrationStatus": lambda one: one.status,
    "path": lambda one: staged(one.stage, split_target(one.request.target)[0]),
    "protocol": lambda one: one.request.protocol,
    "requestId": lambda one: one.context.request_id,
    "requestTime": lambda one: request_time(one.context.epoch_s),
    "requestTimeEpoch": lambda one: int(one.context.epoch_s * 1000),
    "resourceId": lambda one: one.resource,
    "resourcePath": lambda one: one.resource,
    "responseLatency": lambda one: one.latency_ms,
    "responseLength": lambda one: one.length,
    "routeKey": lambda one: one.route_key,
    "stage": lambda one: one.stage,
    "status": lambda one: one.status,
    "xrayTraceId": lambda one: one.context.trace,
}
# Of the firewall, certificates, Cognito and others that are not here: AWS writes a dash, too.
_ABSENT = re.compile(
    r"(?:waf|authenticate|authorize)\.(?:error|latency|status)|wafResponseCode|webaclArn"
    r"|(?:authorizer|integration)\.(?:error|integrationLatency|integrationStatus|latency)"
    r"|authorizer\.(?:requestId|status)|integrationErrorMessage|tlsVersion|cipherSuite"
    r"|identity\.(?:accountId|apiKey|principalOrgId|userArn|vpcId|vpceId|clientCert\.\w+"
    r"|clientCert\.validity\.\w+|cognito\w+)|customDomain\.\w+|awsEndpointRequestId2"
    r"|endpointType|isCanaryRequest|dataProcessed|domainPrefix|connectionId|connectedAt"
    r"|eventType|messageId|messageDirection|disconnect\w+"
)
_READY_MADE_JSON = frozenset({"error.messageString"})  # it brings its own quotes
_PLACEHOLDER = re.compile(r"\$context\.([A-Za-z]+(?:\.[A-Za-z_][\w-]*)*)")


class UnknownVariable(ValueError):
    """A text of the template names a variable that is not emulated."""


def compile_template(text: str) -> Text:
    """Return a function that fills in `text`. Raises UnknownVariable for what it cannot fill in."""
    parts: list[Text] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        parts.append(_fixed(text[end : match.start()]))
        parts.append(_filled(match[1]))
        end = match.end()
    parts.append(_fixed(text[end:]))
    return lambda situation: "".join([part(situation) for part in parts])


def variable(name: str) -> Callable[[Situation], Any]:
    """Return the value of `$context.NAME`. Raises UnknownVariable."""
    if name in _VARIABLES:
        return _VARIABLES[name]
    owner, _, claim = name.partition(".")
    if owner == "authorizer" and claim:
        return lambda one: one.caller.get(claim, "-")
    if _ABSENT.fullmatch(name):
        return lambda one: "-"
    raise UnknownVariable(f"the variable $context.{name} is not emulated; remove it")


def _fixed(text: str) -> Text:
    return lambda situation: text


def _filled(name: str) -> Text:
    value = variable(name)
    if name in _READY_MADE_JSON:
        return lambda situation: str(value(situation))
    # A path may hold a quote; what stands around it is JSON and stays JSON.
    return lambda situation: orjson.dumps(str(value(situation))).decode()[1:-1]
