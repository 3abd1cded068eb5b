"""Functions and layers that are written without SAM, in the form that SAM gives them."""

from typing import Any

PLAIN = {
    "AWS::Lambda::Function": "AWS::Serverless::Function",
    "AWS::Lambda::LayerVersion": "AWS::Serverless::LayerVersion",
}
_RENAMED = {"Code": "CodeUri", "Content": "ContentUri", "DeadLetterConfig": "DeadLetterQueue"}


def with_functions_of_sam(resources: dict[str, Any]) -> dict[str, Any]:
    """Return the resources, those of Lambda itself as SAM's; Globals are not for them."""
    return {
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


def _properties_of_sam(resource: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = dict(resource.get("Properties") or {})
    code = properties.get("Code")
    for theirs, ours in (("ZipFile", "InlineCode"), ("ImageUri", "ImageUri")):
        if isinstance(code, dict) and theirs in code:
            properties[ours] = properties.pop("Code")[theirs]
    return {_RENAMED.get(name, name): value for name, value in properties.items()}
