"""A SAM template as frozen records: `load` reads it and refuses by name what cannot run here."""

from local.template.build import load
from local.template.model import (
    Api,
    Authorizer,
    Function,
    GatewayResponse,
    Mapping,
    Queue,
    Route,
    Schedule,
    Template,
    TemplateError,
    Throttle,
)

__all__ = [
    "Api",
    "Authorizer",
    "Function",
    "GatewayResponse",
    "Mapping",
    "Queue",
    "Route",
    "Schedule",
    "Template",
    "TemplateError",
    "Throttle",
    "load",
]
