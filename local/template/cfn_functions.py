"""Functions and layers that are written without SAM, in the form that SAM gives them; and the parts
of a function that are resources of their own, its URL and its settings of asynchronous events.
"""

from collections.abc import Mapping
from typing import Any

from local.template.generated_destinations import with_destinations
from local.template.references import referred

PLAIN = {
    "AWS::Lambda::Function": "AWS::Serverless::Function",
    "AWS::Lambda::LayerVersion": "AWS::Serverless::LayerVersion",
}
EVENT_CONFIG = "AWS::Lambda::EventInvokeConfig"
URL = "AWS::Lambda::Url"
# The property of a part that names its function.
PARTS = {EVENT_CONFIG: "FunctionName", URL: "TargetFunctionArn"}
_IN_SAM = {EVENT_CONFIG: "EventInvokeConfig", URL: "FunctionUrlConfig"}
_RENAMED = {"Code": "CodeUri", "Content": "ContentUri", "DeadLetterConfig": "DeadLetterQueue"}


def with_functions_of_sam(resources: dict[str, Any]) -> dict[str, Any]:
    """Return the resources, those of Lambda itself as SAM's; Globals are not for them.

    With them are the queues and topics that SAM makes for destinations.
    """
    as_sam = {
        name: {
            **resource,
            "Type": PLAIN[kind],
            "IgnoreGlobals": "*",
            "Properties": _properties_of_sam(resource),
        }
        if isinstance(resource, dict) and (kind := str(resource.get("Type"))) in PLAIN
        else resource
        for name, resource in resources.items()
    }
    for part in resources.values():
        if function := owner_of(part, as_sam):
            _put_into(as_sam, function, part)
    return with_destinations(as_sam)


def owner_of(part: Any, resources: Mapping[str, Any]) -> str | None:
    """Return the function of the template that a part of one names, by reference or by name."""
    property = PARTS.get(str(part.get("Type"))) if isinstance(part, dict) else None
    if property is None:
        return None
    value = (part.get("Properties") or {}).get(property)
    functions = {
        name: (each.get("Properties") or {}).get("FunctionName", name)
        for name, each in resources.items()
        if isinstance(each, dict) and each.get("Type") in PLAIN.values()
    }
    names = referred(value) & functions.keys()
    names |= {name for name, plain in functions.items() if value == plain}
    return next(iter(sorted(names)), None)


def _put_into(resources: dict[str, Any], function: str, part: dict[str, Any]) -> None:
    """Give a function the property that a part is in SAM."""
    kind = part["Type"]
    without = (PARTS[kind], "Qualifier")  # only $LATEST runs here
    value = {
        name: each for name, each in (part.get("Properties") or {}).items() if name not in without
    }
    if "Condition" in part:
        value = {"Fn::If": [part["Condition"], value, {"Ref": "AWS::NoValue"}]}
    properties = {**(resources[function].get("Properties") or {}), _IN_SAM[kind]: value}
    resources[function] = {**resources[function], "Properties": properties}


def _properties_of_sam(resource: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = dict(resource.get("Properties") or {})
    code = properties.get("Code")
    for theirs, ours in (("ZipFile", "InlineCode"), ("ImageUri", "ImageUri")):
        if isinstance(code, dict) and theirs in code:
            properties[ours] = properties.pop("Code")[theirs]
    return {_RENAMED.get(name, name): value for name, value in properties.items()}
