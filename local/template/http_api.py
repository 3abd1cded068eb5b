"""The template's HTTP API: less than a REST API has, and CORS of its own."""

from local.template.api_keys import BURST_DEFAULT, BURST_MAX, RATE_DEFAULT_PER_S
from local.template.api_records import Api, Throttle
from local.template.authorizers import read_authorizers, read_http_authorizer
from local.template.cors import read_http_cors
from local.template.reader import Properties
from local.template.rest_api import log_format, stage_name, stage_variables
from local.template.routes import Defaults


def read_http_api(
    name: str, properties: Properties, functions_by_arn: dict[str, str]
) -> tuple[Api, Defaults]:
    """Return the API of that logical id without its routes, and what its routes have by default."""
    auth = properties.block("Auth")
    authorizers = read_authorizers(auth, functions_by_arn, read_http_authorizer)
    auth.finish()
    throttles = read_route_throttle(properties.block("DefaultRouteSettings"), "/*", "*")
    settings = properties.block("RouteSettings")
    for key in settings.names():
        method, _, path = key.rpartition(" ")
        throttles += read_route_throttle(settings.block(key), path, method or "ANY")
    api = Api(
        name=name,
        kind="HTTP",
        stage=stage_name(properties, "$default"),
        routes=(),
        authorizers=authorizers.by_name,
        gateway_responses={},
        throttles=throttles,
        binary_types=(),
        variables=stage_variables(properties.block("StageVariables")),
        log_format=log_format(properties.block("AccessLogSettings")),
        cors=read_http_cors(properties),
    )
    properties.finish()
    return api, Defaults(authorizer=authorizers.default, left_out=authorizers.left_out)


def read_route_throttle(block: Properties, path: str, method: str) -> tuple[Throttle, ...]:
    """Return the limit that settings have for a route; `/*` and `*` stand for all."""
    has_limit = "ThrottlingRateLimit" in block or "ThrottlingBurstLimit" in block
    throttle = Throttle(
        path=path,
        method=method.upper(),
        rate_per_s=block.decimal("ThrottlingRateLimit", RATE_DEFAULT_PER_S),
        burst=block.integer("ThrottlingBurstLimit", BURST_DEFAULT, lowest=0, highest=BURST_MAX),
    )
    block.finish({"DetailedMetricsEnabled": "every route is measured"})
    return (throttle,) if has_limit else ()
