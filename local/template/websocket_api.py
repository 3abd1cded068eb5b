"""The record of a WebSocket API, of its properties as SAM has them.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-websocketapi.html
"""

import re
from collections.abc import Mapping
from typing import Any

from local.template import support
from local.template.api_records import (
    Api,
    Authorizer,
    Integration,
    Route,
    SignatureAuthorizer,
)
from local.template.authorizers import IAM
from local.template.integrations import read_integration
from local.template.reader import Properties
from local.template.rest_api import log_format, stage_name, stage_variables

TIMEOUT_MS = 29_000  # what the gateway waits for a function, at most
METHOD = "WS"  # in the place of HTTP's, where routes are listed
_FUNCTION = re.compile(r"functions/(arn:[^/]+)/invocations")
_SELECTION = re.compile(r"\$(?:\{request\.body\.([\w.-]+)\}|request\.body\.([\w.-]+))")
_SOURCE = re.compile(r"route\.request\.(header|querystring)\.(.+)|(stageVariables|context)\.(.+)")
_Authorizer = Authorizer | SignatureAuthorizer | None
_WITHOUT_EFFECT = {
    "ModelSelectionExpression": "models are not looked at",
    "OperationName": "text for people",
    "RequestModels": "models are not looked at",
    "RequestParameters": "parameters are not looked at",
    "RouteResponse": "looked at where there is an expression for it",
}


def read_websocket_api(
    name: str, properties: Properties, functions_by_arn: Mapping[str, str]
) -> Api:
    """Return a WebSocket API with its routes."""
    authorizer = _authorizer(properties.block("Auth"), functions_by_arn)
    block = properties.block("Routes")
    routes = []
    for key in block.names():
        with properties.leaving_out():
            routes.append(_route(key, block.block(key), functions_by_arn, authorizer))
    api = Api(
        name=name,
        kind="WEBSOCKET",
        stage=stage_name(properties, "default"),
        routes=tuple(routes),
        authorizers={authorizer.name: authorizer} if authorizer else {},
        gateway_responses={},
        throttles=(),
        binary_types=(),
        variables=stage_variables(properties.block("StageVariables")),
        log_format=log_format(properties.block("AccessLogSettings")),
        selection=_selection(properties),
    )
    properties.finish(support.WEBSOCKET_API_PROPERTIES_WITHOUT_EFFECT)
    return api


def _selection(properties: Properties) -> tuple[str, ...]:
    expression = properties.text("RouteSelectionExpression", "$request.body.action")
    match = _SELECTION.fullmatch(expression)
    if match is None:
        sentence = f"{expression} is not emulated; use $request.body.NAME"
        raise properties.not_emulated("RouteSelectionExpression", sentence)
    return tuple((match[1] or match[2]).split("."))


def _route(
    key: str,
    block: Properties,
    functions_by_arn: Mapping[str, str],
    authorizer: _Authorizer,
) -> Route:
    function, integration = "", None
    if "Integration" in block:
        function, integration = _mapped(block.block("Integration"), functions_by_arn)
    else:
        function = _function(block, "FunctionArn", functions_by_arn)
    if block.flag("ApiKeyRequired", False):
        block.refuse("ApiKeyRequired", "API keys of WebSocket APIs are not looked at; remove it")
    responds = block.text("RouteResponseSelectionExpression", "")
    route = Route(
        method=METHOD,
        path=key,
        key=key,
        function=function,
        authorizer=authorizer.name if authorizer and key == "$connect" else None,
        integration=integration,
        responds=responds == "$default",
        timeout_ms=block.integer("IntegrationTimeout", TIMEOUT_MS, lowest=50, highest=TIMEOUT_MS),
    )
    block.finish(_WITHOUT_EFFECT)
    return route


def _mapped(block: Properties, functions_by_arn: Mapping[str, str]) -> tuple[str, Integration]:
    """Return the function and the integration of a route that maps what it is sent."""
    kind = block.text("IntegrationType").lower()
    uri = block.text("IntegrationUri", "")
    names = {"requestParameters": "RequestParameters", "passthroughBehavior": "PassthroughBehavior"}
    fields = {theirs: block.take(ours) for theirs, ours in names.items() if ours in block}
    # An expression chooses among them on AWS; mostly there is one.
    templates = [*(block.take("RequestTemplates", {}) or {}).values()]
    fields["requestTemplates"] = dict(zip(("application/json",), templates, strict=False))
    fields |= {"type": kind, "uri": uri, "responses": {"default": {"statusCode": "200"}}}
    if method := block.text("IntegrationMethod", ""):
        fields["httpMethod"] = method
    match = _FUNCTION.search(uri)
    function = _function(block.beside({"uri": uri}), "uri", functions_by_arn) if match else ""
    mapped = read_integration(block.item("", fields), calls_function=bool(function))
    return function, mapped


def _function(block: Properties, name: str, functions_by_arn: Mapping[str, str]) -> str:
    """Return the function of an ARN, or of the address at which API Gateway invokes it."""
    uri = block.text(name)
    match = _FUNCTION.search(uri)
    function = functions_by_arn.get(match[1] if match else uri)
    if function is None:
        raise block.not_emulated(name, f"{uri} is no function of this template; add it")
    return function


def _authorizer(auth: Properties, functions_by_arn: Mapping[str, str]) -> _Authorizer:
    kind = auth.text("AuthType", "NONE")
    sources = [_SOURCE.fullmatch(str(each)) for each in _list(auth, "IdentitySource")]
    if kind not in ("NONE", IAM, "CUSTOM"):
        raise auth.error("AuthType", f"{kind} is none of NONE, {IAM}, CUSTOM")
    if None in sources:
        sentence = "has to be route.request.header.NAME or route.request.querystring.NAME"
        raise auth.error("IdentitySource", sentence)
    function = _function(auth, "AuthArn", functions_by_arn) if kind == "CUSTOM" else ""
    name = auth.text("Name", "Authorizer")
    auth.finish({"AuthArn": "of no function", "InvokeRole": "nobody is asked for permission"})
    if kind != "CUSTOM":
        return SignatureAuthorizer() if kind == IAM else None
    return Authorizer(
        name=name,
        function=function,
        kind="REQUEST",
        sources=tuple(
            f"{each[1] or each[3]}.{each[2] or each[4]}" for each in sources if each is not None
        ),
        validation=None,
        ttl_s=0,
    )


def _list(block: Properties, name: str) -> list[Any]:
    value = block.take(name, [])
    return value if isinstance(value, list) else [value]
