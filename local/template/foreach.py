"""`Fn::ForEach` of AWS::LanguageExtensions: what stands once in a template becomes several."""

import re
from collections.abc import Callable
from typing import Any

_LOOP = "Fn::ForEach::"

Collection = Callable[[Any], list[Any]]  # the entries that a loop goes over; may raise


def unrolled(value: Any, collection: Collection) -> Any:
    """Return `value` with every loop in it replaced, or raise ValueError."""
    if isinstance(value, list):
        return [unrolled(each, collection) for each in value]
    if not isinstance(value, dict):
        return value
    resources: dict[Any, Any] = {}
    for key, inner in value.items():
        resources |= (
            _turns(inner, collection)
            if str(key).startswith(_LOOP)
            else {key: unrolled(inner, collection)}
        )
    return resources


def _turns(loop: Any, collection: Collection) -> dict[Any, Any]:
    """Return what all turns of a loop make: an identifier, what it goes through, and a block."""
    if not (isinstance(loop, list) and len(loop) == 3 and isinstance(loop[2], dict)):
        raise ValueError("a loop is a list of an identifier, its values and a block")
    identifier, values, block = loop
    resources: dict[Any, Any] = {}
    for each in collection(values):
        resources |= unrolled(_with(block, str(identifier), str(each)), collection)
    return resources


def _with(value: Any, identifier: str, turn: str) -> Any:
    """Return `value` with what the identifier stands for in this turn."""
    if isinstance(value, str):
        alphanumeric = re.sub(r"[^A-Za-z0-9]", "", turn)
        return value.replace(f"${{{identifier}}}", turn).replace(f"&{{{identifier}}}", alphanumeric)
    if isinstance(value, list):
        return [_with(each, identifier, turn) for each in value]
    if value == {"Ref": identifier}:
        return turn
    if isinstance(value, dict):
        return {
            _with(key, identifier, turn): _with(inner, identifier, turn)
            for key, inner in value.items()
        }
    return value
