"""`Fn::ForEach` of AWS::LanguageExtensions: what stands once in a template becomes several."""

import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"
TURNS_MAX = 5_000  # of all loops of a template; CloudFormation takes 500 resources
_LOOP = "Fn::ForEach::"

Collection = Callable[[Any], list[Any]]  # the entries that a loop goes over; may raise


def resources_of(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resources, with loops unrolled where the template may have any.

    Raises ValueError.
    """
    transforms = document.get("Transform")
    if LANGUAGE_EXTENSIONS not in (transforms if isinstance(transforms, list) else [transforms]):
        return dict(document["Resources"])
    turns = count(1)

    def collection(values: Any) -> list[Any]:
        name = values.get("Ref") if isinstance(values, dict) else None
        entries = parameters.get(name) if name else values
        if not isinstance(entries, list):
            raise ValueError(f"{values!r} is no list, and no parameter that has one")
        if any(next(turns) > TURNS_MAX for _ in entries):
            raise ValueError(f"all loops have more than {TURNS_MAX} turns together; shorten them")
        return entries

    return dict(_unrolled(document["Resources"], collection))


def _unrolled(value: Any, collection: Collection) -> Any:
    """Return `value` with every loop in it replaced, or raise ValueError."""
    if isinstance(value, list):
        return [_unrolled(each, collection) for each in value]
    if not isinstance(value, dict):
        return value
    resources: dict[Any, Any] = {}
    for key, inner in value.items():
        resources |= (
            _turns(inner, collection)
            if str(key).startswith(_LOOP)
            else {key: _unrolled(inner, collection)}
        )
    return resources


def _turns(loop: Any, collection: Collection) -> dict[Any, Any]:
    """Return what all turns of a loop make: an identifier, what it goes through, and a block."""
    if not (isinstance(loop, list) and len(loop) == 3 and isinstance(loop[2], dict)):
        raise ValueError("a loop is a list of an identifier, its values and a block")
    identifier, values, block = loop
    resources: dict[Any, Any] = {}
    for each in collection(values):
        resources |= _unrolled(_with(block, str(identifier), str(each)), collection)
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
