"""The comparison of an answer with the OpenAPI document: its status, its type, every member."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCUMENT = json.loads((Path(__file__).parents[2] / "functions/api/openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
RESPONSES = DOCUMENT["components"]["responses"]
PATHS = {
    re.compile(re.sub(r"\{\w+\}", "[^/]+", path)): operations
    for path, operations in DOCUMENT["paths"].items()
}
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def disagreements(method: str, path: str, status: int, kind: str, body: Any) -> list[str]:
    """Return what the document does not say of an answer of type `kind`; nothing of no route."""
    operations = [
        each for pattern, each in PATHS.items() if pattern.fullmatch(path.partition("?")[0])
    ]
    operation = operations[0].get(method.lower()) if operations else None
    if operation is None:
        return []
    if str(status) not in operation["responses"]:
        return [f"{method} {path} is not said to answer {status}: {body}"]
    response = operation["responses"][str(status)]
    if "$ref" in response:
        response = RESPONSES[response["$ref"].rpartition("/")[2]]
    content = response.get("content", {})
    if content and kind not in content:
        return [f"{method} {path} is not said to answer {status} as {kind!r}"]
    if "json" not in kind or not content:
        return []
    return [f"{method} {path} {status}: {each}" for each in _unlike(content[kind]["schema"], body)]


def _unlike(schema: dict[str, Any], value: Any, where: str = "$") -> Iterator[str]:
    if "$ref" in schema:
        yield from _unlike(SCHEMAS[schema["$ref"].rpartition("/")[2]], value, where)
    elif "anyOf" in schema:
        if all(list(_unlike(each, value, where)) for each in schema["anyOf"]):
            yield f"{where} is none of what it may be: {value!r}"
    elif value not in schema.get("enum", [value]):
        yield f"{where} is none of {schema['enum']}: {value!r}"
    elif "type" in schema:
        yield from _unlike_type(schema, value, where)


def _unlike_type(schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, TYPES[schema["type"]]):
        yield f"{where} is no {schema['type']}: {value!r}"
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _unlike(schema.get("items", {}), each, f"{where}[{number}]")
    elif isinstance(value, dict):
        yield from _unlike_members(schema, value, where)


def _unlike_members(schema: dict[str, Any], value: dict[str, Any], where: str) -> Iterator[str]:
    for name in set(schema.get("required", ())) - value.keys():
        yield f"{where}.{name} is missing"
    members = schema.get("properties", {})
    others = schema.get("additionalProperties", not members)  # where nothing is said, anything goes
    for name, each in value.items():
        if name in members or isinstance(others, dict):
            yield from _unlike(members.get(name, others), each, f"{where}.{name}")
        elif not others:
            yield f"{where}.{name} is not documented"
