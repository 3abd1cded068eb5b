"""Expressions of aggregation: a path ("$a.b") or a constant; everything else is refused."""

from collections.abc import Callable
from typing import Any

from local.documents.errors import refused
from local.documents.keys import MISSING
from local.documents.paths import Document, parse

Expression = Callable[[Document], Any]


def expression(spec: Any) -> Expression:
    """Return the function that computes `spec` from a document."""
    if isinstance(spec, str) and spec.startswith("$"):
        parts = parse(spec[1:])
        return lambda document: _value_at(document, parts)
    if isinstance(spec, dict | list):
        raise refused("expression", next(iter(spec), "{}") if isinstance(spec, dict) else "[]")
    return lambda _: spec


def _value_at(value: Any, parts: list[str]) -> Any:
    for depth, part in enumerate(parts):
        if isinstance(value, list):
            values = [_value_at(item, parts[depth:]) for item in value if isinstance(item, dict)]
            return [item for item in values if item is not MISSING]
        value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
    return value
