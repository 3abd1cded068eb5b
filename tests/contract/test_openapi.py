"""The OpenAPI document as generators of clients read it: nothing in it is dropped or guessed."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract import openapi

DOCUMENT = json.loads(openapi.DOCUMENT.read_text())
OPERATIONS = [
    (path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for operation in operations.values()
]
IS_OF = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
# Places in a document where a schema stands, or several by name or in a list.
HOLDS_ONE = ("schema", "items", "additionalProperties")
HOLDS_NAMED = ("schemas", "properties")


def schemas(part: Any, where: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each schema with its place."""
    if isinstance(part, list):
        for number, each in enumerate(part):
            yield from schemas(each, f"{where}/{number}")
    if not isinstance(part, dict):
        return
    for name, each in part.items():
        place = f"{where}/{name}"
        if name in HOLDS_ONE and isinstance(each, dict):
            yield place, each
        elif name in HOLDS_NAMED and all(isinstance(schema, dict) for schema in each.values()):
            yield from ((f"{place}/{key}", schema) for key, schema in each.items())
        elif name == "anyOf":
            yield from ((f"{place}/{number}", schema) for number, schema in enumerate(each))
        yield from schemas(each, place)


def references(part: Any) -> Iterator[str]:
    """Yield what the document refers to."""
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name == "$ref")
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from references(each)


def test_each_schema_has_a_name_that_is_one_in_any_language():
    names = DOCUMENT["components"]["schemas"]

    assert [each for each in names if not each.isidentifier()] == []


def test_each_schema_says_its_type():
    untyped = [
        place for place, schema in schemas(DOCUMENT) if not {"type", "$ref", "anyOf"} & {*schema}
    ]

    assert untyped == []


def test_each_value_that_is_listed_or_stands_for_none_is_of_its_type():
    wrong = [
        place
        for place, schema in schemas(DOCUMENT)
        for value in (
            *schema.get("enum", ()),
            *([schema["default"]] if "default" in schema else ()),
        )
        if schema.get("type") in IS_OF and not IS_OF[schema["type"]](value)
    ]

    assert wrong == []


def test_patterns_are_those_of_json_schema_and_not_of_python():
    patterns = {schema["pattern"] for _, schema in schemas(DOCUMENT) if "pattern" in schema}

    assert patterns
    assert [each for each in patterns if re.search(r"\(\?P|\\[AZ]|\\n", each)] == []


def test_it_refers_to_what_is_there_and_each_component_is_used():
    components = DOCUMENT["components"]
    present = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses")
        for name in components[kind]
    }

    assert set(references(DOCUMENT)) == present


def test_each_operation_has_a_name_of_its_own_that_is_one_in_any_language():
    names = Counter(operation["operationId"] for _, operation in OPERATIONS)

    assert [name for name, times in names.items() if times > 1] == []
    assert [name for name in names if not re.fullmatch("[a-z]+(_[a-z]+)*", name)] == []


@pytest.mark.parametrize(
    ("path", "operation"), OPERATIONS, ids=[each["operationId"] for _, each in OPERATIONS]
)
def test_an_operation_declares_its_parameters_and_every_answer(path, operation):
    parameters = operation.get("parameters", [])
    in_path = [each["name"] for each in parameters if each["in"] == "path" and each["required"]]
    nullable = [each["name"] for each in parameters if "anyOf" in each["schema"]]
    statuses = {int(each) for each in operation["responses"]}

    assert in_path == re.findall(r"\{(\w+)\}", path)
    assert nullable == []
    assert statuses >= {400, 413, 415, 429, 500, 502, 503, 504}
    assert len([each for each in statuses if each < 300]) == 1
    assert (statuses >= {401, 403}) == ("security" in operation)
    assert operation["tags"]


def test_it_declares_the_limits_of_a_tenant_where_there_is_one_and_when_to_retry():
    limited = [
        path
        for path, operation in OPERATIONS
        if any("RateLimit" in each.get("headers", {}) for each in operation["responses"].values())
    ]
    responses = DOCUMENT["components"]["responses"]
    retried = [name for name, each in responses.items() if "Retry-After" in each.get("headers", {})]

    assert limited == [path for path, operation in OPERATIONS if "security" in operation]
    assert sorted(retried) == ["Conflict", "Throttled", "Unavailable"]
    assert "RateLimit-Policy" in responses["Throttled"]["headers"]
