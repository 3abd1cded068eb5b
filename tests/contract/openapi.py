"""The API's OpenAPI 3.1 document, made of the template's routes and the domains' schemas.

`python -m tests.contract.openapi` writes it to functions/api/openapi.json, which the API serves. It
stands here, because no function may know all domains.
"""

import importlib
import inspect
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from local import template
from local.template import Route, Template
from tests.contract.json_schemas import query_parameters, suit_generators
from tests.contract.operations import OPERATIONS, Operation
from tests.contract.problems import ANYWHERE, PROBLEMS, Problem

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "functions" / "api" / "openapi.json"
SCOPES = ROOT / "local" / "spillway" / "scopes.json"  # of the demo clients
REF = "#/components/schemas/{name}"
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "New for each operation; the same key with the same body is answered the same.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}

TEXT = {"schema": {"type": "string"}}
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds until a retry", "schema": {"type": "integer"}}
}
LIMIT_FIELDS = {  # draft-ietf-httpapi-ratelimit-headers
    "RateLimit-Policy": {"description": "The tenant's limit: q requests in w seconds", **TEXT},
    "RateLimit": {"description": "r requests are left, and t seconds fill it again", **TEXT},
}


def document() -> dict[str, Any]:
    """Return the document of the template as it is now."""
    definition = template.load(ROOT / "template.yaml")
    shapes = [
        shape
        for each in OPERATIONS.values()
        for shape in (each.answer, each.body, each.query)
        if shape is not None
    ]
    schemas, components = msgspec.json.schema_components([*shapes, Problem], ref_template=REF)
    for each in components.values():  # Python 3.13 strips a docstring's indentation, 3.11 does not
        each["description"] = inspect.cleandoc(each["description"])
    suit_generators([schemas, components])
    schema_of = dict(zip((repr(shape) for shape in (*shapes, Problem)), schemas, strict=True))
    content = {"application/problem+json": {"schema": schema_of[repr(Problem)]}}
    paths: dict[str, dict[str, Any]] = {}
    for route in definition.api.routes:
        described = _operation(route, definition, schema_of, components)
        paths.setdefault(route.path, {})[route.method.lower()] = described
    for each in OPERATIONS.values():
        if each.query is not None:  # its fields stand as parameters
            components.pop(each.query.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Spillway",
            "version": "1",
            "description": "Payments, analytics and notifications. Errors are problem+json.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                name: {"description": description, **_sent_with(status), "content": content}
                for status, (name, description) in PROBLEMS.items()
            },
            "securitySchemes": {
                "token": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": "oauth2/token",
                            "scopes": _scopes(definition),
                        }
                    },
                }
            },
        },
    }


def view_of(route: Route, definition: Template) -> Any:
    """Return the view that serves a route, from the Chalice app that its handler names."""
    module, _, attribute = definition.functions[route.function].handler.rpartition(".")
    app = getattr(importlib.import_module(module), attribute)
    return app.routes[route.path][route.method].view_function


def scopes() -> list[str]:
    """Return every scope that a client may have."""
    flows = document()["components"]["securitySchemes"]["token"]["flows"]
    return list(flows["clientCredentials"]["scopes"])


def text() -> str:
    """Return the document as it stands in the file."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _operation(
    route: Route, definition: Template, schema_of: Mapping[str, Any], components: Mapping[str, Any]
) -> dict[str, Any]:
    operation = OPERATIONS[f"{route.method} {route.path}"]
    view = view_of(route, definition)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    if operation.query is not None:
        parameters += query_parameters(components[operation.query.__name__])
    if operation.needs_key:
        parameters.append(IDEMPOTENCY_KEY)
    summary = view.__doc__.partition("\n")[0]
    domain = definition.functions[route.function].handler.partition(".")[0]
    described: dict[str, Any] = {
        "tags": [domain],
        "summary": summary,
        "operationId": view.__name__,
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content = {operation.body_type: {"schema": schema_of[repr(operation.body)]}}
        content |= {each: {"schema": {"type": "string"}} for each in operation.raw_body_types}
        described["requestBody"] = {
            "required": operation.body_required,
            "content": content,
        }
    answer_types = (operation.answer_type, *operation.other_answer_types)
    answer = {each: {"schema": schema_of[repr(operation.answer)]} for each in answer_types}
    done = {"description": "Done", "content": answer}
    if route.authorizer is not None:
        done["headers"] = LIMIT_FIELDS
    described["responses"] = {
        str(operation.status): done,
        **_problems(route, operation),
        **{str(status): {"description": text} for status, text in operation.besides},
    }
    if route.authorizer is not None:
        described["security"] = [{"token": [view.scope]}]
    return described


def _sent_with(status: int) -> dict[str, Any]:
    """Return the headers that problems of a status have."""
    match status:
        case 429:
            return {"headers": {**RETRY_AFTER, **LIMIT_FIELDS}}
        case 409 | 503:
            return {"headers": RETRY_AFTER}
    return {}


def _problems(route: Route, operation: Operation) -> dict[str, Any]:
    statuses = {*ANYWHERE, *operation.refuses}
    if operation.query is not None:
        statuses.add(422)
    if route.authorizer is not None:
        statuses |= {401, 403}
        if operation.body is not None:
            statuses.add(422)
    return {
        str(each): {"$ref": f"#/components/responses/{PROBLEMS[each][0]}"}
        for each in sorted(statuses)
    }


def _scopes(definition: Template) -> dict[str, str]:
    views = [
        view_of(route, definition)
        for route in definition.api.routes
        if route.authorizer is not None
    ]
    return dict.fromkeys(sorted({view.scope for view in views}), "")


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
    SCOPES.write_text(f"{json.dumps(scopes())}\n", encoding="utf-8")
    sys.exit(0)
