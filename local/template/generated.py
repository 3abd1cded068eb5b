"""Resources that SAM makes beside a resource of the template, which others may refer to.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-generated-resources.html
"""

import json
import os
import re
from collections.abc import Mapping
from typing import Any

# The addresses of APIs by logical id, JSON; the URL of a function is one. Whoever starts them says.
API_URLS_VARIABLE = "SPILLWAY_API_URLS"

FUNCTION = "AWS::Serverless::Function"

# The APIs that SAM makes for events that name none.
IMPLICIT_APIS = {
    "ServerlessRestApi": "AWS::Serverless::Api",
    "ServerlessHttpApi": "AWS::Serverless::HttpApi",
}

WEBSOCKET_API = "AWS::Serverless::WebSocketApi"

# What `!Ref` gives of these is the logical id here.
NAMED_BY_ID = (
    *(*IMPLICIT_APIS.values(), WEBSOCKET_API),
    *("AWS::ApiGateway::ApiKey", "AWS::ApiGateway::UsagePlan"),
)

# `Name.PROPERTY` refers to the resource that SAM makes for the property.
_API_PROPERTIES = ("Stage", "Deployment", "DomainName", "BasePathMapping", "RecordSetGroup")
_KEYS = ("UsagePlan", "ApiKey", "UsagePlanKey")
PROPERTIES = {
    FUNCTION: ("Alias", "Version", "DestinationTopic", "DestinationQueue"),
    "AWS::Serverless::Api": (*_API_PROPERTIES, *_KEYS),
    "AWS::Serverless::HttpApi": (*_API_PROPERTIES, "ApiMapping"),
    "AWS::Serverless::StateMachine": ("Alias", "Version", "Role"),
    "AWS::Serverless::LayerVersion": (),
    "AWS::Serverless::Connector": (),
    "AWS::Serverless::SimpleTable": (),
    "AWS::Serverless::Application": (),
    "AWS::Serverless::GraphQLApi": (),
    "AWS::Serverless::WebSocketApi": (*_API_PROPERTIES, "ApiMapping"),
}

# The property, of a function or of Globals, without which SAM does not make what begins so. What
# hangs on a part of a property, as an API's domain does, counts as made.
_NEEDED = {
    **dict.fromkeys(("Alias", "Version"), "AutoPublishAlias"),
    **dict.fromkeys(("Url", "URLInvoke"), "FunctionUrlConfig"),
    "DeploymentGroup": "DeploymentPreference",
}

# What follows the logical id of a resource in the one that SAM makes for it.
_HASH = r"[0-9a-f]{10}"
_API_SUFFIXES = (
    rf"Deployment({_HASH})?|\w*Stage|\w*BasePathMapping|\w*ApiMapping|DomainName"
    r"|\w*AuthorizerPermission|UsagePlan|ApiKey|UsagePlanKey"
)
_SUFFIXES = {
    FUNCTION: rf"Role|Version({_HASH})?|Alias\w*|DeploymentGroup"
    rf"|Url|UrlPublicPermissions|URLInvokeAllowPublicAccess|EventInvokeConfig\w*|On(Success|Failure)\w*",
    "AWS::Serverless::Api": _API_SUFFIXES,
    "AWS::Serverless::HttpApi": _API_SUFFIXES,
    "AWS::Serverless::WebSocketApi": _API_SUFFIXES,
    "AWS::Serverless::StateMachine": r"Role|Version\w*|Alias\w*|StartExecutionRole",
    "AWS::Serverless::LayerVersion": _HASH,
    "AWS::Serverless::Connector": r"Policy|(\w*)(Write|Read)?LambdaPermission|\w*TopicPolicy"
    r"|\w*QueuePolicy",
}
_OF_THE_TEMPLATE = re.compile(
    rf"ServerlessDeploymentApplication|CodeDeployServiceRole|Serverless(UsagePlan|ApiKey|UsagePlanKey)"
    rf"|ApiGatewayDomainName(V2)?{_HASH}|RecordSetGroup{_HASH}"
)

_ON_AWS = re.compile(
    r"(?P<scheme>https?|wss)://(?P<api>\w+)\.execute-api\.[\w-]+\.amazonaws\.com(?P<stage>/[^/\s\"'{}]+)?"
)


def is_generated(name: str, resources: Mapping[str, Any], shared: Mapping[str, Any]) -> bool:
    """Tell whether SAM makes a resource of that logical id, or that referenceable property.

    `shared` are the Globals.
    """
    makers = _makers(name, resources)
    return any(not _lacks(*maker, resources, shared) for maker in makers)


def rule_event(name: str, resources: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the properties of the function's event for which SAM makes the rule of that id."""
    for owner, resource in resources.items():
        if not name.startswith(owner) or _kind(resource) != FUNCTION:
            continue
        event = ((resource.get("Properties") or {}).get("Events") or {}).get(name[len(owner) :])
        if isinstance(event, dict) and event.get("Type") in ("CloudWatchEvent", "EventBridgeRule"):
            return event.get("Properties") or {}
    return None


def lacking(name: str, resources: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    """Return the property, FUNCTION.PROPERTY, for which SAM would make `name`; or nothing."""
    lacks = [_lacks(*maker, resources, shared) for maker in _makers(name, resources)]
    return next(filter(None, lacks), "")


def _makers(name: str, resources: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each resource for which SAM may make `name`, and what `name` has behind its id."""
    kinds = IMPLICIT_APIS | {each: _kind(resource) for each, resource in resources.items()}
    owner, _, property = name.partition(".")
    if property:
        return [(owner, property)] if property in PROPERTIES.get(kinds.get(owner, ""), ()) else []
    makers = [
        (each, name.removeprefix(each))
        for each, kind in kinds.items()
        if name.startswith(each) and _is_of(name.removeprefix(each), kind, resources.get(each))
    ]
    return [*makers, *([("", name)] if _OF_THE_TEMPLATE.fullmatch(name) else [])]


def _lacks(owner: str, suffix: str, resources: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    """Return the property that a function lacks for SAM to make what ends so, or nothing."""
    function = resources.get(owner) or {}
    needed = [each for prefix, each in _NEEDED.items() if suffix.startswith(prefix)]
    if _kind(function) != FUNCTION or not needed:
        return ""
    section = {} if function.get("IgnoreGlobals") == "*" else shared.get("Function") or {}
    properties = {*(function.get("Properties") or {}), *section}
    return "" if needed[0] in properties else f"{owner}.{needed[0]}"


def url_owner(name: str, resources: Mapping[str, Any], shared: Mapping[str, Any]) -> str | None:
    """Return the function whose URL is the resource `name`, None where it is no such URL."""
    function = name.removesuffix("Url")
    is_url = function != name and _kind(resources.get(function)) == FUNCTION
    return function if is_url and not _lacks(function, "Url", resources, shared) else None


def url_api(function: str) -> str:
    """Return the logical id of the API that a function's URL is here."""
    return f"{function}UrlApi"


def api_url(name: str) -> str:
    """Return the address of the API of that logical id, as the system that runs has it."""
    addresses = json.loads(os.environ.get(API_URLS_VARIABLE, "{}"))
    return str(addresses.get(name, addresses.get("", "http://127.0.0.1:5002")))


def at_this_machine(text: str, resources: Mapping[str, Any]) -> str:
    """Return `text` with the addresses that APIs of the template have on AWS as their own here.

    The stage is a part of an address on AWS, and none here.
    """
    return _ON_AWS.sub(lambda match: _address(match, resources), text)


def api_endpoint(name: str, resources: Mapping[str, Any]) -> str | None:
    """Return what `!GetAtt NAME.ApiEndpoint` gives, None for what has none."""
    if is_websocket_api(resources.get(name)):
        return api_url(name).replace("http", "ws", 1)
    return api_url(name) if is_http_api(name, resources) else None


def is_http_api(name: str, resources: Mapping[str, Any]) -> bool:
    """Tell whether a logical id is an HTTP API's, of the template or SAM's own."""
    return _api_kind(name, resources) == IMPLICIT_APIS["ServerlessHttpApi"]


def is_websocket_api(resource: Any) -> bool:
    """Tell whether a resource is a WebSocket API, of SAM or of API Gateway itself."""
    properties = resource.get("Properties") if isinstance(resource, dict) else None
    is_raw = _kind(resource) == "AWS::ApiGatewayV2::Api"
    protocol = (properties or {}).get("ProtocolType")
    return _kind(resource) == WEBSOCKET_API or (is_raw and protocol == "WEBSOCKET")


def _api_kind(name: str, resources: Mapping[str, Any]) -> str:
    return _kind(resources.get(name)) or IMPLICIT_APIS.get(name, "")


def _address(match: re.Match[str], resources: Mapping[str, Any]) -> str:
    api, stage = match["api"], match["stage"] or ""
    if is_websocket_api(resources.get(api)):
        url = api_url(api) + stage  # which clients and functions may name, or not
        return url.replace("http", "ws", 1) if match["scheme"] == "wss" else url
    is_http = is_http_api(api, resources)
    if not is_http and _api_kind(api, resources) != IMPLICIT_APIS["ServerlessRestApi"]:
        return match[0]
    if is_http:  # whose stage mostly is $default, without a name
        stage = stage if stage.removeprefix("/") in _stages(resources) else ""
    rest = match["stage"] or ""
    return api_url(api) + rest.removeprefix(stage)


def _stages(resources: Mapping[str, Any]) -> set[str]:
    blocks = [each.get("Properties") for each in resources.values() if isinstance(each, dict)]
    return {str(each["StageName"]) for each in blocks if each and "StageName" in each}


def _is_of(suffix: str, kind: str, resource: Any) -> bool:
    if re.fullmatch(_SUFFIXES.get(kind, "(?!)"), suffix):
        return True
    properties = resource.get("Properties") if isinstance(resource, dict) else None
    events = (properties or {}).get("Events")
    return kind in (FUNCTION, "AWS::Serverless::StateMachine") and any(
        re.fullmatch(rf"{re.escape(str(event))}\w*", suffix) for event in events or ()
    )


def _kind(resource: Any) -> str:
    return str(resource.get("Type")) if isinstance(resource, dict) else ""
