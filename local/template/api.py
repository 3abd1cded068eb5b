"""Routes, authorizers, gateway responses and throttles of the template's REST API."""

import re
from typing import Any

from local.template import support
from local.template.model import Api, Authorizer, GatewayResponse, Route, Throttle
from local.template.reader import Properties

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")  # what ANY stands for

# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
RESPONSE_KINDS = frozenset(
    {
        "ACCESS_DENIED",
        "API_CONFIGURATION_ERROR",
        "AUTHORIZER_CONFIGURATION_ERROR",
        "AUTHORIZER_FAILURE",
        "BAD_REQUEST_BODY",
        "BAD_REQUEST_PARAMETERS",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
        "EXPIRED_TOKEN",
        "INTEGRATION_FAILURE",
        "INTEGRATION_TIMEOUT",
        "INVALID_API_KEY",
        "INVALID_SIGNATURE",
        "MISSING_AUTHENTICATION_TOKEN",
        "QUOTA_EXCEEDED",
        "REQUEST_TOO_LARGE",
        "RESOURCE_NOT_FOUND",
        "THROTTLED",
        "UNAUTHORIZED",
        "UNSUPPORTED_MEDIA_TYPE",
        "WAF_FILTERED",
    }
)

_PATH = re.compile(r"(/([A-Za-z0-9._~:@!$&'()*,;=%-]+|\{[A-Za-z0-9._-]+\}))*(/|/\{[\w.-]+\+\})?")
_STAGE = re.compile(r"[A-Za-z0-9_-]{1,128}")


def read_api(properties: Properties, functions_by_arn: dict[str, str]) -> tuple[Api, str | None]:
    """The API without its routes, and the name of its default authorizer."""
    stage = properties.text("StageName")
    if not _STAGE.fullmatch(stage):
        raise properties.error("StageName", "has to be letters, digits, - and _; rename it")
    auth = properties.block("Auth")
    default = auth.text("DefaultAuthorizer", "") or None
    authorizers = _authorizers(auth.block("Authorizers"), functions_by_arn)
    auth.finish(support.AUTH_PROPERTIES_WITHOUT_EFFECT)
    if default and default not in authorizers:
        raise auth.error("DefaultAuthorizer", f"{default!r} is not in Authorizers; add it there")
    api = Api(
        stage=stage,
        routes=(),
        authorizers=authorizers,
        gateway_responses=_gateway_responses(properties.block("GatewayResponses")),
        throttles=_throttles(properties),
        # SAM writes image~1png where OpenAPI needs the slash escaped.
        binary_types=tuple(
            str(kind).replace("~1", "/") for kind in properties.sequence("BinaryMediaTypes")
        ),
    )
    properties.finish(support.API_PROPERTIES_WITHOUT_EFFECT)
    return api, default


def read_routes(event: Properties, function: str, api: Api, default: str | None) -> list[Route]:
    """The routes of one event of type Api; the method ANY gives seven."""
    path = event.text("Path")
    if not _PATH.fullmatch(path) or not path.startswith("/"):
        raise event.error("Path", f"{path!r} is no resource path; write it as /a/{{b}}/{{c+}}")
    method = event.text("Method").upper()
    if method not in (*METHODS, "ANY"):
        raise event.error("Method", f"{method!r} is none of {', '.join(METHODS)}, ANY")
    auth = event.block("Auth")
    authorizer: str | None = auth.text("Authorizer", default or "NONE")
    if authorizer == "NONE":
        authorizer = None
    elif authorizer not in api.authorizers:
        raise auth.error("Authorizer", f"{authorizer!r} is not an authorizer of the API; add it")
    if auth.take("ApiKeyRequired", False) is True:
        auth.refuse("ApiKeyRequired", "API keys are not emulated; use an authorizer")
    auth.finish(support.AUTH_PROPERTIES_WITHOUT_EFFECT)
    event.finish({})
    methods = METHODS if method == "ANY" else (method,)
    return [
        Route(method=one, path=path, function=function, authorizer=authorizer) for one in methods
    ]


def _authorizers(block: Properties, functions_by_arn: dict[str, str]) -> dict[str, Authorizer]:
    return {name: _authorizer(name, block.block(name), functions_by_arn) for name in block.names()}


def _authorizer(name: str, block: Properties, functions_by_arn: dict[str, str]) -> Authorizer:
    if "FunctionArn" not in block:
        raise block.error("", "only Lambda authorizers are emulated; give it a FunctionArn")
    function = functions_by_arn.get(block.text("FunctionArn"))
    if function is None:
        raise block.error("FunctionArn", "is no function of this template; use !GetAtt NAME.Arn")
    kind = block.text("FunctionPayloadType", "TOKEN")
    if kind != "TOKEN":
        block.refuse("FunctionPayloadType", f"{kind} authorizers are not emulated; use TOKEN")
    identity = block.block("Identity")
    validation = identity.text("ValidationExpression", "") or None
    if validation:
        try:
            re.compile(validation)
        except re.error as error:
            sentence = f"is no regular expression ({error}); correct it"
            raise identity.error("ValidationExpression", sentence) from error
    header = identity.text("Header", "Authorization")
    ttl_s = identity.integer("ReauthorizeEvery", 300, lowest=0, highest=3600)
    identity.finish({})
    block.finish(support.AUTHORIZER_PROPERTIES_WITHOUT_EFFECT)
    return Authorizer(
        name=name,
        function=function,
        kind="TOKEN",
        header=header,
        validation=validation,
        ttl_s=ttl_s,
    )


def _gateway_responses(block: Properties) -> dict[str, GatewayResponse]:
    responses = {}
    for kind in block.names():
        if kind not in RESPONSE_KINDS:
            raise block.error(kind, "is no kind of gateway response; see API Gateway's list")
        responses[kind] = _gateway_response(kind, block.block(kind))
    return responses


def _gateway_response(kind: str, block: Properties) -> GatewayResponse:
    status = block.optional_integer("StatusCode", lowest=400, highest=599)
    parameters = block.block("ResponseParameters")
    given = parameters.block("Headers")
    headers = {name: _header_template(given, name) for name in given.names()}
    parameters.finish({})
    templates = block.block("ResponseTemplates")
    body = None
    for content_type in templates.names():
        # One template is what the gateway can choose without reading Accept, as AWS does with one.
        if body is not None:
            templates.refuse(
                content_type, "one body template a kind is emulated; remove the others"
            )
            continue
        body = templates.text(content_type)
        headers = _with_content_type(headers, content_type)
    block.finish({})
    return GatewayResponse(kind=kind, status=status, headers=headers, body_template=body)


def _with_content_type(headers: dict[str, str], content_type: str) -> dict[str, str]:
    if any(name.lower() == "content-type" for name in headers):
        return headers
    return {"Content-Type": content_type, **headers}


def _header_template(block: Properties, name: str) -> str:
    """AWS writes a fixed value in single quotes and a variable without its dollar."""
    value = block.text(name)
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1]
    if value.startswith("context."):
        return f"${value}"
    raise block.error(name, f"{value} is neither 'a fixed text' nor context.NAME; quote it")


def _throttles(properties: Properties) -> tuple[Throttle, ...]:
    throttles = []
    for index, entry in enumerate(properties.sequence("MethodSettings")):
        throttle = _throttle(properties.item(f"MethodSettings[{index}]", entry))
        if throttle is not None:
            throttles.append(throttle)
    return tuple(throttles)


def _throttle(block: Properties) -> Throttle | None:
    path = block.text("ResourcePath", "/*")
    method = block.text("HttpMethod", "*")
    has_limit = "ThrottlingRateLimit" in block or "ThrottlingBurstLimit" in block
    # What one side leaves out is the account's default: 10,000 a second, bursts of 5,000.
    rate_per_s = block.decimal("ThrottlingRateLimit", 10_000)
    burst = block.integer("ThrottlingBurstLimit", 5_000, lowest=0, highest=1_000_000)
    if block.take("CachingEnabled", False) is True:
        block.refuse("CachingEnabled", "the response cache is not emulated; switch it off")
    block.finish(support.METHOD_SETTINGS_WITHOUT_EFFECT)
    if not has_limit:
        return None
    # AWS writes /a/b as /~1a~1b in this one place.
    path = path.replace("/~1", "/", 1).replace("~1", "/")
    return Throttle(path=path, method=method.upper(), rate_per_s=rate_per_s, burst=burst)


def empty_api(stage: str) -> Api:
    """The API of a template that has none."""
    nothing: dict[str, Any] = {}
    return Api(
        stage=stage,
        routes=(),
        authorizers=nothing,
        gateway_responses=nothing,
        throttles=(),
        binary_types=(),
    )
