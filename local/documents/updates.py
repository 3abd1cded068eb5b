"""Updates as pure functions on documents: operators, replacements, the seed of an upsert."""

import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import bson
from bson.int64 import Int64

from local.documents.errors import DocumentsError, refused
from local.documents.filters import compile_filter, equalities
from local.documents.keys import MISSING, encode
from local.documents.paths import (
    FIELDS_MAX,
    Document,
    bounded,
    get_at,
    parse,
    set_at,
    unset_at,
)

NUMBERS = (int, float, Int64)  # by exact type: bool is an int in Python, not in MongoDB


def is_replacement(update: Any) -> bool:
    """Tell a whole document from operators; a mixture and a pipeline are refused."""
    if isinstance(update, list):
        raise refused("update with", "an aggregation pipeline")
    dollars = [name for name in update if name.startswith("$")]
    if dollars and len(dollars) < len(update):
        raise DocumentsError(9, f"cannot mix the operator {dollars[0]} with fields")
    return not dollars


def updated(document: Document, update: Document, *, inserting: bool = False) -> Document:
    """Return the document after `update`; `document` itself is used up."""
    identity = document.get("_id", MISSING)
    if is_replacement(update):
        document = update if identity is MISSING else {"_id": identity} | update
    else:
        for parts, name, operand in _steps(update):
            if name != "$setOnInsert" or inserting:
                _OPERATORS[name](document, parts, operand)
    if identity is not MISSING and encode(document.get("_id", MISSING)) != encode(identity):
        raise DocumentsError(
            66, "Performing an update on the path '_id' would modify the immutable field '_id'"
        )
    return document


def check_update(update: Document) -> None:
    """Refuse what `updated` would refuse whatever the document is: where nothing matched, too."""
    updated({}, update, inserting=True)


def upserted(filter_: Document, update: Document) -> Document:
    """Return the document that an upsert inserts where nothing matched `filter_`."""
    operators = not is_replacement(update)
    pairs = [(parse(path), value) for path, value in equalities(filter_)]
    for parts, _ in pairs:
        if parts[0] == "_id" and len(parts) > 1:
            raise DocumentsError(
                111, f"field at '_id' must be exactly specified, '{'.'.join(parts)}' is found"
            )
    pairs = [(parts, value) for parts, value in pairs if operators or parts == ["_id"]]
    conflict = _conflict([parts for parts, _ in pairs])
    if conflict:
        raise DocumentsError(54, f"cannot infer query fields to set, {conflict} is matched twice")
    seed: Document = {}
    for parts, value in pairs:
        set_at(seed, parts, value)
    document = updated(seed, update, inserting=True)
    identity = document.pop("_id", MISSING)
    return {"_id": bson.ObjectId() if identity is MISSING else identity} | document


def _steps(update: Document) -> list[tuple[list[str], str, Any]]:
    """Return the single changes in MongoDB's order: by path, not by operator."""
    steps = [
        (parse(path, empty_code=56), name, operand)
        for name, changes in update.items()
        for path, operand in _changes(name, changes)
    ]
    conflict = _conflict([parts for parts, *_ in steps])
    if conflict:
        raise DocumentsError(40, f"Updating {conflict} would create a conflict")
    return sorted(steps, key=lambda step: _by_name(step[0]))


def _by_name(parts: list[str]) -> list[tuple[bool, int, str]]:
    return [(False, int(part), "") if part.isdigit() else (True, 0, part) for part in parts]


def _conflict(paths: list[list[str]]) -> str:
    """Return a path that is named twice or lies below another; empty if there is none."""
    if len(paths) > 1:
        for above, path in itertools.pairwise(sorted(paths)):
            if path[: len(above)] == above:
                return f"the path '{'.'.join(path)}'"
    return ""


def _changes(name: str, changes: Any) -> Iterator[tuple[str, Any]]:
    if name not in _OPERATORS:
        if name in _OTHERS:
            raise refused("update operator", name)
        raise DocumentsError(9, f"Unknown modifier: {name}. Expected a valid update modifier")
    if not isinstance(changes, dict):
        raise DocumentsError(9, f"Modifiers operate on fields but {name} got {changes!r}")
    bounded(name, changes, FIELDS_MAX)
    yield from changes.items()


def _unset(document: Document, parts: list[str], _: Any) -> None:
    unset_at(document, parts)


def _arithmetic(
    name: str, compute: Callable[[Any, Any], Any], first: Callable[[Any], Any]
) -> Callable[[Document, list[str], Any], None]:
    """Return the operator that computes with a number; `first` gives that of a missing field."""

    def apply(document: Document, parts: list[str], operand: Any) -> None:
        current = get_at(document, parts)
        if type(operand) not in NUMBERS:
            raise DocumentsError(14, f"Cannot {name} with non-numeric argument: {parts[-1]}")
        if current is MISSING:
            set_at(document, parts, first(operand))
            return
        if type(current) not in NUMBERS:
            raise DocumentsError(14, f"Cannot apply {name} to a value of non-numeric type")
        total = compute(current, operand)
        if isinstance(total, int) and not -(2**63) <= total < 2**63:
            raise DocumentsError(2, f"Failed to apply {name} operations: the integer overflows")
        wide = isinstance(total, int) and Int64 in (type(current), type(operand))
        set_at(document, parts, Int64(total) if wide else total)

    return apply


def _extreme(sign: int) -> Callable[[Document, list[str], Any], None]:
    def apply(document: Document, parts: list[str], operand: Any) -> None:
        current = get_at(document, parts)
        new, old = encode(operand), encode(current)
        if current is MISSING or (new > old if sign > 0 else new < old):
            set_at(document, parts, operand)

    return apply


def _array_at(document: Document, parts: list[str], name: str, code: int = 2) -> list[Any]:
    current = get_at(document, parts)
    if not isinstance(current, list):
        raise DocumentsError(code, f"The field '{'.'.join(parts)}' must be an array for {name}")
    return current


def _push(document: Document, parts: list[str], operand: Any) -> None:
    has_modifiers = isinstance(operand, dict) and "$each" in operand
    modifiers: Document = operand if has_modifiers else {"$each": [operand]}
    for name in modifiers:
        if name == "$sort":
            raise refused("$push modifier", name)
        if name not in ("$each", "$slice", "$position"):
            raise DocumentsError(2, f"Unrecognized clause in $push: {name}")
    if not isinstance(modifiers["$each"], list):
        raise DocumentsError(2, "The argument to $each in $push must be an array")
    size, position = (
        _whole(name, modifiers[name]) if name in modifiers else None
        for name in ("$slice", "$position")
    )
    if get_at(document, parts) is MISSING:
        set_at(document, parts, [])
    array = _array_at(document, parts, "$push")
    start = len(array) if position is None else position
    array[start:start] = modifiers["$each"]
    if size is not None:
        set_at(document, parts, array[:size] if size >= 0 else array[size:])


def _whole(name: str, operand: Any) -> int:
    if type(operand) not in NUMBERS or not abs(operand) < 2**63 or operand != int(operand):
        raise DocumentsError(2, f"The value for {name} must be an integer value: {operand!r}")
    return int(operand)


def _add_to_set(document: Document, parts: list[str], operand: Any) -> None:
    has_modifiers = isinstance(operand, dict) and next(iter(operand), "") == "$each"
    modifiers: Document = operand if has_modifiers else {"$each": [operand]}
    if len(modifiers) > 1 or not isinstance(modifiers["$each"], list):
        raise DocumentsError(14, "$addToSet takes a value, or $each with an array and nothing else")
    if get_at(document, parts) is MISSING:
        set_at(document, parts, [])
    array = _array_at(document, parts, "$addToSet")
    encoded = {encode(item) for item in array}
    for item in modifiers["$each"]:
        if encode(item) not in encoded:
            encoded.add(encode(item))
            array.append(item)


def _pull(document: Document, parts: list[str], operand: Any) -> None:
    pulled = _pulled(operand)
    if get_at(document, parts) is not MISSING:
        array = _array_at(document, parts, "$pull")
        array[:] = [item for item in array if not pulled(item)]


def _pull_all(document: Document, parts: list[str], operand: Any) -> None:
    if not isinstance(operand, list):
        raise DocumentsError(2, "$pullAll requires an array argument")
    encoded = {encode(item) for item in operand}
    if get_at(document, parts) is not MISSING:
        array = _array_at(document, parts, "$pullAll")
        array[:] = [item for item in array if encode(item) not in encoded]


def _pop(document: Document, parts: list[str], operand: Any) -> None:
    if type(operand) not in NUMBERS or operand not in (1, -1):
        raise DocumentsError(9, f"$pop expects 1 or -1, found: {operand!r}")
    if get_at(document, parts) is not MISSING:
        array = _array_at(document, parts, "$pop", code=14)
        if array:
            array.pop(-1 if operand == 1 else 0)


def _pulled(operand: Any) -> Callable[[Any], bool]:
    """Return the function that tells whether $pull takes an element away."""
    if not isinstance(operand, dict):
        encoded = encode(operand)
        return lambda item: encode(item) == encoded
    if next(iter(operand), "").startswith("$"):
        matches = compile_filter({"item": operand}).matches
        return lambda item: matches({"item": item})
    matches = compile_filter(operand).matches
    return lambda item: isinstance(item, dict) and matches(item)


# Operators of MongoDB that are not here; any other name is none of its either.
_OTHERS = ("$rename", "$bit", "$currentDate", "$pushAll")
_OPERATORS: dict[str, Callable[[Document, list[str], Any], None]] = {
    "$set": set_at,
    "$setOnInsert": set_at,
    "$unset": _unset,
    "$inc": _arithmetic("$inc", operator.add, lambda amount: amount),
    "$mul": _arithmetic("$mul", operator.mul, lambda factor: type(factor)(0 * factor)),
    "$min": _extreme(-1),
    "$max": _extreme(1),
    "$push": _push,
    "$addToSet": _add_to_set,
    "$pull": _pull,
    "$pullAll": _pull_all,
    "$pop": _pop,
}
