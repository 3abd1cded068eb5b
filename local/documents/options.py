"""The options of commands: the fields that each takes and their types, as MongoDB has them.

A field that is not in a table is refused by name, a value of another type with MongoDB's code;
null counts as not there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.regex import Regex

from local.documents.errors import DocumentsError
from local.documents.paths import Document

TYPE_NAMES: dict[type, str] = {
    **{str: "string", dict: "object", list: "array", bool: "bool", type(None): "null"},
    **{int: "int", Int64: "long", float: "double", Decimal128: "decimal", DatetimeMS: "date"},
    **{bytes: "binData", Binary: "binData", ObjectId: "objectId", Regex: "regex"},
    **{bson.Timestamp: "timestamp", bson.MinKey: "minKey", bson.MaxKey: "maxKey"},
}
NUMBERS: tuple[type, ...] = (Int64, int, Decimal128, float)
LONG_MAX = 2**63 - 1
BATCH_MAX = 100_000  # statements of one command, MongoDB's own limit


class _AnyType:
    """A stand-in for the set of all types."""

    def __contains__(self, _: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Kind:
    """The types that an option may have; numbers become whole, within 64 bits, as in MongoDB."""

    types: tuple[type, ...] | _AnyType
    is_number: bool = False
    minimum: int = -LONG_MAX - 1
    code: int = 14


KINDS = {
    "any": Kind(_AnyType()),
    "object": Kind((dict,)),
    "array": Kind((list,)),
    "string": Kind((str,)),
    "name": Kind((str,), code=73),
    "long": Kind((Int64,)),
    "flag": Kind((bool,)),
    "bool": Kind((bool, *NUMBERS)),
    "whole": Kind(NUMBERS, is_number=True),
    "count": Kind(NUMBERS, is_number=True, minimum=0),
    "keys": Kind((str, list, dict)),  # of indexes to drop
}


@dataclass(frozen=True, slots=True)
class Options:
    """The fields that one document may have, and those it must have."""

    kinds: Mapping[str, Kind]
    required: tuple[str, ...]


def options(text: str) -> Options:
    """Read a table such as "key:string! query:object": what ends with "!" is required."""
    pairs = [field.split(":") for field in text.split()]
    kinds = {name: KINDS[kind.rstrip("!")] for name, kind in pairs}
    return Options(kinds, tuple(name for name, kind in pairs if kind.endswith("!")))


def check(owner: str, document: Document, allowed: Options) -> None:
    """Refuse what `allowed` does not have; numbers are made whole and nulls removed in place."""
    nulls = []
    for name, value in document.items():
        kind = allowed.kinds.get(name)
        if kind is None:
            raise DocumentsError(40415, f"BSON field '{owner}.{name}' is an unknown field.")
        if type(value) not in kind.types:
            if value is not None:
                raise _mismatch(f"{owner}.{name}", value, kind)
            nulls.append(name)
        elif kind.is_number:
            document[name] = _whole(name, value, kind.minimum)
    for name in nulls:
        del document[name]
    _check_required(owner, document, allowed)


def _check_required(owner: str, document: Document, allowed: Options) -> None:
    for name in allowed.required:
        if name not in document:
            raise DocumentsError(
                40414, f"BSON field '{owner}.{name}' is missing but a required field"
            )


def check_batch(owner: str, statements: list[Any]) -> None:
    """Refuse an empty or too long list of statements, and one that holds anything but documents."""
    for position, value in enumerate(statements):
        if not isinstance(value, dict | bytes):
            raise _mismatch(f"{owner}.{position}", value, KINDS["object"])
    if not 1 <= len(statements) <= BATCH_MAX:
        raise DocumentsError(
            16, f"Write batch sizes must be between 1 and {BATCH_MAX}. Got {len(statements)}"
        )


def check_longs(owner: str, values: list[Any]) -> None:
    """Refuse a list that holds anything but 64-bit integers."""
    for position, value in enumerate(values):
        if type(value) is not Int64:
            raise _mismatch(f"{owner}.{position}", value, KINDS["long"])


def type_name(value: Any) -> str:
    return TYPE_NAMES.get(type(value), type(value).__name__)


def _mismatch(field: str, value: Any, kind: Kind) -> DocumentsError:
    if kind.code == 73:
        return DocumentsError(73, f"collection name has invalid type {type_name(value)}")
    names = [] if isinstance(kind.types, _AnyType) else [TYPE_NAMES[t] for t in kind.types]
    expected = f"types '[{', '.join(names)}]'" if len(names) > 1 else f"type '{names[0]}'"
    return DocumentsError(
        kind.code,
        f"BSON field '{field}' is the wrong type '{type_name(value)}', expected {expected}",
    )


def _whole(name: str, value: Any, minimum: int) -> int:
    number = float(value.to_decimal()) if isinstance(value, Decimal128) else value
    if isinstance(number, float):
        number = 0 if math.isnan(number) else max(min(number, LONG_MAX), -LONG_MAX - 1)
    whole = min(int(number), LONG_MAX)
    if whole < minimum:
        raise DocumentsError(
            51024, f"BSON field '{name}' value must be >= {minimum}, actual value '{whole}'"
        )
    return whole
