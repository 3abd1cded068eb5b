"""The query operators that ask for a property of single values: $exists, $size, $type and $mod."""

from collections.abc import Callable, Sequence
from typing import Any

from bson.code import Code
from bson.dbref import DBRef
from bson.int64 import Int64

from local.documents.errors import DocumentsError, refused
from local.documents.keys import MISSING
from local.documents.options import TYPE_NAMES
from local.documents.paths import Document, elements, values_at

Predicate = Callable[[Document], bool]

# Operators of MongoDB that are not here; any other name is none of its either.
_OTHERS = frozenset(
    f"${name}"
    for name in (
        *("expr", "where", "text", "jsonSchema", "rand", "sampleRate", "alwaysTrue"),
        *("alwaysFalse", "geoWithin", "geoIntersects", "near", "nearSphere", "within"),
        *("bitsAllSet", "bitsAllClear", "bitsAnySet", "bitsAnyClear"),
    )
)
_NUMBERS = ("int", "long", "double", "decimal")
_CODES = {
    **{1: "double", 2: "string", 3: "object", 4: "array", 5: "binData", 7: "objectId"},
    **{8: "bool", 9: "date", 10: "null", 11: "regex", 13: "javascript", 16: "int"},
    **{17: "timestamp", 18: "long", 19: "decimal", -1: "minKey", 127: "maxKey"},
}
_TYPE_NAMES = TYPE_NAMES | {Code: "javascript", DBRef: "object"}


def unknown(name: str, kind: str) -> DocumentsError:
    """Return the refusal of an operator that is not here."""
    if name in _OTHERS:
        return refused("query operator", name)
    return DocumentsError(2, f"unknown {kind}: {name}")


def exists(parts: Sequence[str], operand: Any) -> Predicate:
    return lambda document: (
        bool(operand) == any(value is not MISSING for value in values_at(document, parts))
    )


def size(parts: Sequence[str], operand: Any) -> Predicate:
    length = _whole("$size", operand)
    if length < 0:
        raise DocumentsError(2, f"Failed to parse $size. Expected a non-negative number: {length}")
    return lambda document: any(
        isinstance(value, list) and len(value) == length for value in values_at(document, parts)
    )


def type_of(parts: Sequence[str], operand: Any) -> Predicate:
    operands = operand if isinstance(operand, list) else [operand]
    if not operands:
        raise DocumentsError(9, "$type must match at least one type")
    names = {name for each in operands for name in _type_names(each)}

    def matches(document: Document) -> bool:
        values = values_at(document, parts)
        return any(_TYPE_NAMES.get(type(value)) in names for value in values + elements(values))

    return matches


def _type_names(operand: Any) -> Sequence[str]:
    if operand == "number":
        return _NUMBERS
    name = operand if isinstance(operand, str) else _CODES.get(_whole("$type", operand), "")
    if name not in _CODES.values():
        raise DocumentsError(2, f"Unknown type name alias: {operand}")
    return [name]


def modulo(parts: Sequence[str], operand: Any) -> Predicate:
    if not isinstance(operand, list) or len(operand) != 2:
        raise DocumentsError(2, "malformed mod, needs to be an array of two elements")
    divisor, remainder = (_whole("$mod", value, truncates=True) for value in operand)
    if divisor == 0:
        raise DocumentsError(2, "divisor cannot be 0")

    def matches(value: Any) -> bool:
        if type(value) not in (int, Int64, float) or not abs(value) < 2**63:
            return False
        rest = abs(int(value)) % abs(divisor)
        return remainder == (rest if value >= 0 else -rest)

    return lambda document: any(map(matches, elements(values_at(document, parts))))


def _whole(name: str, operand: Any, *, truncates: bool = False) -> int:
    if type(operand) not in (int, Int64, float) or not abs(operand) < 2**63:
        raise DocumentsError(2, f"Failed to parse {name}. Expected a number: {operand!r}")
    if operand != int(operand) and not truncates:
        raise DocumentsError(2, f"Failed to parse {name}. Expected an integer: {operand}")
    return int(operand)
