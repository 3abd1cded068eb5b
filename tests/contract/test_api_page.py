"""The integrator's page says what the source says: each code, test token and field of a request."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from backend.errors import FIELD_CODES
from local.simulators.charges import OUTCOMES
from payments.schema import PaymentMethod
from tests.contract.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
SOURCES = [
    *(ROOT / "functions").rglob("*.py"),
    *(ROOT / "layers/backend/python/backend").glob("*.py"),
]
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
HELPERS = {"Fault": 1, "_invalid": 1}  # calls, and which of their arguments is a code


def _codes_of(tree: ast.AST) -> Iterator[str]:
    constants = (each for value in _values_of(tree) for each in ast.walk(value))
    texts = (each.value for each in constants if isinstance(each, ast.Constant))
    return (text for text in texts if isinstance(text, str) and CODE.fullmatch(text))


def _values_of(tree: ast.AST) -> Iterator[ast.AST]:
    """Return what stands where a code is given to an error, or to a class of errors."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in HELPERS:
                yield from arguments[HELPERS[name] : HELPERS[name] + 1]
            case ast.ClassDef(body=body):
                yield from (
                    each.value
                    for each in body
                    if isinstance(each, ast.Assign | ast.AnnAssign)
                    and each.value
                    and ast.unparse(each).startswith("code")
                )
            case ast.keyword(arg="code", value=value):
                yield value


def test_the_table_of_errors_has_every_code_that_there_is_and_no_other():
    sources = {code for path in SOURCES for code in _codes_of(ast.parse(path.read_text()))}
    gateway = set(re.findall(r'"code":"(\w+)"', (ROOT / "template.yaml").read_text()))
    table = re.findall(r"^\| `(\w+)` \| \d{3} \|", PAGE, re.MULTILINE)

    assert sorted(table) == sorted((sources | gateway) - FIELD_CODES)
    assert all(f"`{each}`" in PAGE for each in FIELD_CODES)


def test_the_table_of_test_tokens_says_what_the_provider_does():
    rows = re.findall(r"^\| `(pm_\w+)` \| `(\w+)`.*? \| (?:`(\w+)` )?\|$", PAGE, re.MULTILINE)

    assert {name: (status, code or None) for name, status, code in rows} == OUTCOMES
    assert {name for name, _, _ in rows} == set(get_args(get_args(PaymentMethod)[0]))


TABLES = re.findall(r"^\| field of `(.+?)` \| \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("route", "rows"), TABLES, ids=[route for route, _ in TABLES])
def test_each_table_of_fields_has_every_field_and_says_which_are_required(route, rows):
    operation = OPERATIONS[route]
    fields = msgspec.structs.fields(operation.body or operation.query)
    named, required = set(), set()
    for row in rows.splitlines():
        _, names, text, _ = (
            row.split(" | ") if row.count(" | ") > 2 else ("", *row[2:].split(" | ", 1), "")
        )
        names = re.findall(r"`(\w+)`", names)
        named |= set(names)
        only = re.match(r"`(\w+)` is required", text)
        if only:
            required.add(only[1])
        elif text.startswith("required"):
            required |= set(names)

    assert named == {each.encode_name for each in fields}
    assert required == {each.encode_name for each in fields if each.required}


def test_every_route_that_takes_a_body_of_its_own_has_a_table():
    machines = {"POST /v1/provider/webhooks", "POST /v1/analytics/events/batch"}
    with_body = {
        route for route, each in OPERATIONS.items() if each.body and route.startswith("POST")
    }

    assert with_body - machines <= {route for route, _ in TABLES}
