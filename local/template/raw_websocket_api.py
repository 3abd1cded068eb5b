"""A WebSocket API that is written resource by resource, in the form that SAM gives it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from local.template.references import referred

_OF_STAGE = ("StageName", "StageVariables", "AccessLogSettings")
_OF_ROUTE = ("ApiKeyRequired", "RouteResponseSelectionExpression")

Resource = dict[str, Any]
Parts = Callable[[str], dict[str, Resource]]


def as_sam(properties: Resource, parts: Parts) -> Resource:
    """Return the properties of SAM's own resource for an API that is written part by part.

    `parts` gives the properties of the parts of a type by logical id.
    """
    authorizers = parts("Authorizer")
    routes, auth = {}, {}
    responses = {name for each in parts("RouteResponse").values() for name in _names(each)}
    for name, route in parts("Route").items():
        key = str(route.get("RouteKey"))
        routes[key] = {
            **{each: route[each] for each in _OF_ROUTE if each in route},
            **_integration(route.get("Target"), parts("Integration")),
        }
        if name not in responses:
            routes[key].pop("RouteResponseSelectionExpression", None)
        if key == "$connect":
            auth = _auth(route, authorizers)
    stages = parts("Stage").values()
    stage = next(({each: one[each] for each in _OF_STAGE if each in one} for one in stages), {})
    selection = properties.get("RouteSelectionExpression", "")
    return {"RouteSelectionExpression": selection, "Routes": routes, **auth, **stage}


def _names(response: Resource) -> set[str]:
    return referred(response.get("RouteId"))


def _integration(target: Any, integrations: Mapping[str, Resource]) -> Resource:
    for name in referred(target) & integrations.keys():
        integration = integrations[name]
        limit_ms = integration.get("TimeoutInMillis")
        timeout = {} if limit_ms is None else {"IntegrationTimeout": limit_ms}
        if str(integration.get("IntegrationType")).upper() == "AWS_PROXY":
            return {"FunctionArn": integration.get("IntegrationUri", ""), **timeout}
        return {"Integration": integration, **timeout}
    return {"FunctionArn": target if isinstance(target, str) else ""}


def _auth(route: Resource, authorizers: Mapping[str, Resource]) -> Resource:
    kind = route.get("AuthorizationType", "NONE")
    if kind != "CUSTOM":
        return {"Auth": {"AuthType": kind}}
    for name in referred(route.get("AuthorizerId")) & authorizers.keys():
        authorizer = authorizers[name]
        return {
            "Auth": {
                "AuthType": "CUSTOM",
                "AuthArn": authorizer.get("AuthorizerUri", ""),
                "IdentitySource": authorizer.get("IdentitySource") or [],
                "Name": name,
            }
        }
    return {"Auth": {"AuthType": "CUSTOM", "AuthArn": ""}}
