"""The Python client has every operation of the OpenAPI document, with its fields and records."""

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from spillway_client import Client, Event, QuietHours
from tests.unit.clients.scripted_api import Answer, ScriptedApi

DOCUMENT = json.loads((Path(__file__).parents[2] / "functions/api/openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
# Pages for people, and what only the provider sends.
NOT_FOR_CLIENTS = {"get_docs", "show_unsubscribe", "unsubscribe", "hear_provider"}
NOT_FOR_CLIENTS |= {"get_report_content"}  # parts and links are for `download_report`
OWN = {"get_openapi", "get_keys"}  # they return JSON as it is
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
COVERED = [name for name in OPERATIONS if name not in NOT_FOR_CLIENTS | {"create_token"}]
NOW = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
TEXT = "2026-09-21T14:13:20.000Z"  # every text of an answer: some are times
RECORDS = {
    "EventRequest": Event(
        name="seen", occurred_at=NOW, sent_at=NOW, user_id="u", value=1, properties={"a": True}
    ),
    "QuietHours": QuietHours(start="22:00", end="07:00", zone="Europe/Berlin"),
}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema itself, without null."""
    if "$ref" in schema:
        named: dict[str, Any] = SCHEMAS[schema["$ref"].rpartition("/")[2]]
        return named
    if "anyOf" in schema:
        return resolved(next(each for each in schema["anyOf"] if each != {"type": "null"}))
    return schema


def sample(schema: dict[str, Any]) -> Any:
    """Return a value of this schema with every member that it may have."""
    schema = resolved(schema)
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "array":
        return [sample(schema["items"])]
    if schema["type"] == "object":
        members = {name: sample(each) for name, each in schema.get("properties", {}).items()}
        return members or {"name": sample(schema.get("additionalProperties", {"type": "string"}))}
    return {"string": TEXT, "integer": 1, "number": 1.5, "boolean": False}[schema["type"]]


def argument(schema: dict[str, Any]) -> Any:
    """Return what the client's caller gives for this schema."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in RECORDS:
        return RECORDS[name]
    schema = resolved(schema)
    if schema["type"] == "array":
        return [argument(schema["items"])]
    return NOW if schema.get("format") == "date-time" else sample(schema)


def fields_of(operation: dict[str, Any]) -> dict[str, tuple[dict[str, Any], bool]]:
    """Return the schema of each argument by the client's name of it, and whether it is required."""
    fields = {
        "idempotency_key" if each["in"] == "header" else each["name"]: (
            each["schema"],
            each["in"] != "header" and each["required"],
        )
        for each in operation.get("parameters", ())
        if each["name"] != "limit"
    }
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body and operation["operationId"] == "create_event":
        fields["event"] = body["schema"], True
    elif body:
        schema = resolved(body["schema"])
        for name, each in schema["properties"].items():
            fields[name] = each, name in schema["required"]
    return {{"from": "from_"}.get(name, name): field for name, field in fields.items()}


def unlike(schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
    """Yield where a record has other members than its schema."""
    schema = resolved(schema)
    if schema["type"] == "array":
        yield from (each for item in value for each in unlike(schema["items"], item, where))
    if schema["type"] != "object" or "properties" not in schema:
        return
    assert dataclasses.is_dataclass(value), where
    members = {each.name: each for each in dataclasses.fields(value)}
    if members.keys() != schema["properties"].keys():
        yield f"{where}: {members.keys() ^ schema['properties'].keys()}"
    for name, each in schema["properties"].items():
        if (members[name].default is dataclasses.MISSING) != (name in schema["required"]):
            yield f"{where}.{name} is required in one of both only"
        yield from unlike(each, getattr(value, name), f"{where}.{name}")


@pytest.fixture(scope="module")
def api() -> Iterator[ScriptedApi]:
    """One server for all operations; a test gives it the answer."""
    with ScriptedApi() as running:
        yield running


@pytest.mark.parametrize("name", COVERED)
def test_a_method_has_the_arguments_of_its_operation(name: str):
    parameters = dict(inspect.signature(getattr(Client, name)).parameters)
    del parameters["self"]

    fields = fields_of(OPERATIONS[name][2])
    assert parameters.keys() == fields.keys()
    assert {each for each, (_, required) in fields.items() if required} == {
        each for each, parameter in parameters.items() if parameter.default is parameter.empty
    }


@pytest.mark.parametrize("name", COVERED)
def test_a_method_sends_its_operation_s_request_and_reads_all_of_its_answer(
    api: ScriptedApi, name: str
):
    method, path, operation = OPERATIONS[name]
    fields = fields_of(operation)
    arguments = {each: argument(schema) for each, (schema, _) in fields.items()}
    status, schema = next(
        (int(status), each["content"]["application/json"]["schema"])
        for status, each in operation["responses"].items()
        if status.startswith("2")
    )
    body = sample(schema)
    api.answers[:] = [Answer(status, body)]
    with Client(api.url, "demo", "secret") as client:
        result = getattr(client, name)(**arguments)
        is_page = isinstance(result, list | Iterator)
        result = next(iter(result)) if is_page else result

    request = api.requests[-1]
    parts = urlsplit(request.path)
    assert (request.method, parts.path) == (
        method,
        re.sub(r"\{\w+\}", TEXT.replace(":", "%3A"), path),
    )
    in_query = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    assert {each.partition("[")[0] for each in parse_qs(parts.query)} == in_query
    assert ("idempotency-key" in request.headers) == ("idempotency_key" in fields)
    assert request.headers["user-agent"] == "spillway-client"
    assert ("authorization" in request.headers) == ("security" in operation)
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        members = json.loads(request.body)
        assert (
            members.keys() == resolved(content["application/json"]["schema"])["properties"].keys()
        )
        assert request.headers["content-type"] == "application/json"
    if name in OWN:
        assert result == body
    else:
        item = resolved(schema)["properties"]["data"]["items"] if is_page else schema
        assert list(unlike(item, result, name)) == []


def test_the_client_has_no_method_that_is_not_an_operation():
    methods = {name for name in dir(Client) if not name.startswith("_")}

    assert methods - {"close", "download_report"} == OPERATIONS.keys() - NOT_FOR_CLIENTS
