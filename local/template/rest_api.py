"""The template's REST API: its stage, gateway responses and throttles, without its routes."""

import re

from local.template import support
from local.template.api_keys import (
    BURST_DEFAULT,
    BURST_MAX,
    RATE_DEFAULT_PER_S,
    read_sam_usage_plan,
)
from local.template.api_records import Api, GatewayResponse, Throttle
from local.template.authorizers import read_authorizers, read_rest_authorizer
from local.template.cors import read_rest_cors
from local.template.reader import Properties
from local.template.routes import Defaults

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

_STAGE = re.compile(r"[A-Za-z0-9_-]{1,128}")


def read_api(
    name: str, properties: Properties, functions_by_arn: dict[str, str]
) -> tuple[Api, Defaults]:
    """Return the API without its routes, and what its routes have unless they say otherwise."""
    auth = properties.block("Auth")
    authorizers = read_authorizers(auth, functions_by_arn, read_rest_authorizer)
    cors = read_rest_cors(properties)
    needs_key = auth.flag("ApiKeyRequired", False)
    with_key = auth.flag("AddApiKeyRequiredToCorsPreflight", True)
    with_authorizer = auth.flag("AddDefaultAuthorizerToCorsPreflight", True)
    api = Api(
        name=name,
        kind="REST",
        stage=stage_name(properties),
        routes=(),
        authorizers=authorizers.by_name,
        gateway_responses=_gateway_responses(properties.block("GatewayResponses")),
        throttles=_throttles(properties),
        # SAM writes image~1png where OpenAPI needs the slash escaped.
        binary_types=tuple(
            str(kind).replace("~1", "/") for kind in properties.sequence("BinaryMediaTypes")
        ),
        variables=stage_variables(properties.block("Variables")),
        log_format=log_format(properties.block("AccessLogSetting")),
        usage_plans=read_sam_usage_plan(auth, name),
        models=properties.take("Models", {}),
        key_source=_key_source(properties),
    )
    auth.finish(support.AUTH_PROPERTIES_WITHOUT_EFFECT)
    if properties.flag("CacheClusterEnabled", False):
        properties.refuse("CacheClusterEnabled", "the response cache is not emulated; remove it")
    properties.finish()
    defaults = Defaults(
        authorizer=authorizers.default,
        left_out=authorizers.left_out,
        needs_key=needs_key,
        cors=cors,
        preflight_authorizer=authorizers.default if with_authorizer else None,
        preflight_needs_key=needs_key and with_key,
    )
    return api, defaults


def stage_name(properties: Properties, default: str | None = None) -> str:
    """Return the name of the stage, which is a part of many addresses."""
    stage = properties.text("StageName", default)
    if stage != default and not _STAGE.fullmatch(stage):
        raise properties.error("StageName", "has to be letters, digits, - and _; rename it")
    return stage


def stage_variables(block: Properties) -> dict[str, str]:
    """Return the variables of a stage, all of them text."""
    return {name: block.text(name) for name in block.names()}


def log_format(block: Properties) -> str | None:
    """Return the format of the access log. Where it goes is this machine's business."""
    wording = block.text("Format", "") or None
    if wording and not re.search(r"\$context\.(extendedR|r)equestId\b", wording):
        raise block.error("Format", "has to name $context.requestId; add it")  # 1.39
    block.finish({"DestinationArn": "the access log is a file in the state directory"})
    return wording


def _key_source(properties: Properties) -> str:
    source = properties.text("ApiKeySourceType", "HEADER")
    if source not in ("HEADER", "AUTHORIZER"):
        raise properties.error("ApiKeySourceType", f"{source} is neither HEADER nor AUTHORIZER")
    return source


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
    header_block = parameters.block("Headers")
    headers = {name: _header_template(header_block, name) for name in header_block.names()}
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
    """Return the template of a header: AWS writes a fixed value in single quotes."""
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
    rate_per_s = block.decimal("ThrottlingRateLimit", RATE_DEFAULT_PER_S)
    burst = block.integer("ThrottlingBurstLimit", BURST_DEFAULT, lowest=0, highest=BURST_MAX)
    if block.flag("CachingEnabled", False):
        block.refuse("CachingEnabled", "the response cache is not emulated; switch it off")
    block.finish(support.METHOD_SETTINGS_WITHOUT_EFFECT)
    if not has_limit:
        return None
    # AWS writes /a/b as /~1a~1b in this one place.
    path = path.replace("/~1", "/", 1).replace("~1", "/")
    return Throttle(path=path, method=method.upper(), rate_per_s=rate_per_s, burst=burst)
