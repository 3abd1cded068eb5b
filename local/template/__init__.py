"""A SAM template as frozen records: `load` reads it and refuses by name what cannot run here."""

from local.template.api_records import (
    Api,
    ApiKey,
    Authorizer,
    Cors,
    GatewayResponse,
    JwtAuthorizer,
    Preflight,
    Quota,
    Route,
    Throttle,
    UsagePlan,
)
from local.template.build import load
from local.template.model import (
    Function,
    Mapping,
    NotEmulated,
    Queue,
    Schedule,
    Template,
    TemplateError,
)

__all__ = [
    "Api",
    "ApiKey",
    "Authorizer",
    "Cors",
    "Function",
    "GatewayResponse",
    "JwtAuthorizer",
    "Mapping",
    "NotEmulated",
    "Preflight",
    "Queue",
    "Quota",
    "Route",
    "Schedule",
    "Template",
    "TemplateError",
    "Throttle",
    "UsagePlan",
    "load",
]
