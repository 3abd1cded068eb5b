"""A SAM template as frozen records: `load` reads it and refuses by name what cannot run here."""

from local.template.api_records import (
    AnyAuthorizer,
    Api,
    ApiKey,
    Authorizer,
    Cors,
    GatewayResponse,
    JwtAuthorizer,
    PoolAuthorizer,
    Preflight,
    Quota,
    Route,
    SignatureAuthorizer,
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
    "AnyAuthorizer",
    "Api",
    "ApiKey",
    "Authorizer",
    "Cors",
    "Function",
    "GatewayResponse",
    "JwtAuthorizer",
    "Mapping",
    "NotEmulated",
    "PoolAuthorizer",
    "Preflight",
    "Queue",
    "Quota",
    "Route",
    "Schedule",
    "SignatureAuthorizer",
    "Template",
    "TemplateError",
    "Throttle",
    "UsagePlan",
    "load",
]
