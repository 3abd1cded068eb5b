"""Values as bytes that sort as MongoDB compares: one encoding for filters, sorts and indexes.

Every encoding is prefix-free, so encodings joined together sort field by field.
"""

import re
import struct
from collections.abc import Callable
from typing import Any

import bson
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.regex import Regex

from local.documents.errors import refused

EMPTY_ARRAY = b"\x08"  # sorts before null, where MongoDB puts an array without elements
NULL = b"\x0a"
NUMBER, STRING, OBJECT, ARRAY, BINARY, OBJECT_ID, BOOLEAN, DATE = range(0x14, 0x1C)
TIMESTAMP, PATTERN, CODE, SCOPED_CODE = range(0x1C, 0x20)
NOT_A_NUMBER = struct.pack(">BQH", NUMBER, 0, 0)
AFTER = b"\xff"  # greater than any byte that can follow an encoded value
_INVERTED = bytes(range(255, -1, -1))


class Missing:
    """The type of MISSING, which stands for a field that is not there; it compares as null."""


MISSING = Missing()


def encode(value: Any) -> bytes:
    """Return the bytes that order `value` among all others; numbers share one order."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise refused("comparing a value of type", type(value).__name__)
    return encoder(value)


def descending(encoded: bytes) -> bytes:
    return encoded.translate(_INVERTED)


def _number(value: float) -> bytes:
    if value != value:  # noqa: PLR0124  # only NaN differs from itself
        return NOT_A_NUMBER
    nearest = float(value) + 0.0  # turns -0.0 into 0.0
    # A 64-bit integer may lie up to 512 beside its nearest double: the rest keeps them apart.
    rest = value - int(nearest) if isinstance(value, int) else 0
    (bits,) = struct.unpack(">q", struct.pack(">d", nearest))
    return struct.pack(">BQH", NUMBER, ~bits if bits < 0 else bits + 2**63, rest + 2**15)


def _text(value: str) -> bytes:
    return value.encode().replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def _object(value: dict[str, Any]) -> bytes:
    # MongoDB compares the fields' types first, then their names, then their values.
    fields = ((encode(item), _text(name)) for name, item in value.items())
    return bytes([OBJECT]) + b"".join(key[:1] + name + key[1:] for key, name in fields) + b"\x00"


def _array(value: list[Any]) -> bytes:
    return bytes([ARRAY]) + b"".join(map(encode, value)) + b"\x00"


def _binary(value: bytes) -> bytes:
    subtype = value.subtype if isinstance(value, Binary) else 0
    return struct.pack(">BIB", BINARY, len(value), subtype) + value


def _pattern(value: Regex[Any]) -> bytes:
    flags = "".join(name for name in "imsx" if value.flags & getattr(re, name.upper()))
    return bytes([PATTERN]) + _text(str(value.pattern)) + _text(flags)


def _code(value: Code) -> bytes:
    if value.scope is None:
        return bytes([CODE]) + _text(value)
    return bytes([SCOPED_CODE]) + _text(value) + _object(dict(value.scope))


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: NULL,
    Missing: lambda _: NULL,
    int: _number,
    Int64: _number,
    float: _number,
    str: lambda value: bytes([STRING]) + _text(value),
    dict: _object,
    list: _array,
    bytes: _binary,
    Binary: _binary,
    ObjectId: lambda value: bytes([OBJECT_ID]) + value.binary,
    bool: lambda value: bytes([BOOLEAN, value]),
    bson.Timestamp: lambda value: struct.pack(">BII", TIMESTAMP, value.time, value.inc),
    Regex: _pattern,
    Code: _code,
    DBRef: lambda value: _object(dict(value.as_doc())),
    DatetimeMS: lambda value: struct.pack(">BQ", DATE, int(value) + 2**63),
}
