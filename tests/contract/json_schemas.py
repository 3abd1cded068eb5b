"""JSON Schemas as OpenAPI documents have them, and as generators of clients need them."""

from collections.abc import Mapping
from typing import Any

import backend.shapes

MEMBERS = {"style": "deepObject", "explode": True}  # such as metadata[order]=7
TYPE_NAMES = {str: "string", bool: "boolean", int: "integer"}


def query_parameters(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of a query, as its schema has them."""
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _present(each),
            **(MEMBERS if each.get("type") == "object" else {}),
        }
        for name, each in schema["properties"].items()
    ]


def _present(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a parameter that is there: a query has no null."""
    match schema:
        case {"anyOf": [present, {"type": "null"}]}:
            return dict(present)
    return schema


def suit_generators(part: Any) -> None:
    """Say what generators of clients need beyond what JSON Schema does: the type of each enum.

    A pattern's `$` matches only at the end in JSON Schema, so Python's lookahead is not needed.
    """
    if isinstance(part, dict):
        if "enum" in part:
            [part["type"]] = {TYPE_NAMES[type(each)] for each in part["enum"]}
        if "pattern" in part:
            part["pattern"] = part["pattern"].replace(backend.shapes.END, "$")
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        suit_generators(each)
