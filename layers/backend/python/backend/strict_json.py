"""JSON from outside: parsed once, strictly, into a msgspec Struct.

RFC 8259 leaves duplicate names, depth and numbers to the reader; here they are refused, because
what two readers understand differently must not reach money.
"""

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeVar

import msgspec

from backend import faults
from backend.errors import InvalidRequest

T = TypeVar("T")

BODY_MAX_BYTES = 256 * 1024  # contract of the HTTP API; an SQS message holds it four times
DEPTH_MAX = 16  # metadata is flat, so this is generous
INTEGER_MAX = 2**63 - 1  # BSON's int64


def parse(raw: bytes, shape: type[T]) -> T:
    """Return `raw` as `shape`; raises InvalidRequest 400 (not JSON), 413 (too large) or 422."""
    return convert(loads(raw), shape)


def convert(value: object, shape: type[T]) -> T:
    """Return parsed JSON as `shape`; raises InvalidRequest 422 naming every wrong field."""
    return _convert(value, shape, strict=True)


def convert_text(values: Mapping[str, Any], shape: type[T]) -> T:
    """Return query parameters or form fields as `shape`, numbers parsed; raises InvalidRequest."""
    return _convert(dict(values), shape, strict=False)


def loads(raw: bytes) -> Any:
    """Return `raw` parsed; raises InvalidRequest 400 or 413."""
    if len(raw) > BODY_MAX_BYTES:
        raise InvalidRequest(
            f"The body is over {BODY_MAX_BYTES} bytes.", status=413, code="request_too_large"
        )
    try:
        text = raw.decode()
        _refuse_depth(text)
        value = _decode(text)
        if "\\u" in text:
            _refuse_text(value)
        return value
    except (ValueError, RecursionError) as error:
        raise _malformed(f"The body is not acceptable JSON: {error}.") from error


def _convert(value: object, shape: type[T], *, strict: bool) -> T:
    try:
        converted = msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError as error:
        raise InvalidRequest.of(faults.find(value, shape, strict=strict)) from error
    if not faults.holds(converted):
        raise InvalidRequest.of(faults.find(value, shape, strict=strict))
    return converted


def _refuse_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= DEPTH_MAX:
        return
    depth = 0
    inside = escaped = False
    for character in text:
        if inside:
            inside = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            inside = True
        elif character in "{[":
            depth += 1
            if depth > DEPTH_MAX:
                raise ValueError(f"nested deeper than {DEPTH_MAX} levels")
        elif character in "}]":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {twice!r} stands twice")
    return unique


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _number(text: str) -> int | float:
    """Return a number with a fraction or an exponent; `27363.0` is an integer by JSON Schema."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is out of range")
    if number.is_integer() and abs(number) <= INTEGER_MAX:
        try:
            exact = Decimal(text)
        except InvalidOperation:  # an exponent beyond Decimal's own: so small a number, or 0
            return number
        whole = exact.to_integral_value()
        if whole == exact and abs(whole) <= INTEGER_MAX:
            return int(whole)
    return number


def _integer(text: str) -> int:
    number = int(text) if len(text) < 21 else INTEGER_MAX + 1
    if not -INTEGER_MAX <= number <= INTEGER_MAX:
        raise ValueError("an integer is out of range")
    return number


def _refuse_text(value: Any) -> None:
    """Refuse NUL and lone surrogates, which JSON can escape but a store cannot hold."""
    if isinstance(value, str):
        value.encode()
        if "\x00" in value:
            raise ValueError("text holds a NUL")
    elif isinstance(value, dict):
        for name, each in value.items():
            _refuse_text(name)
            _refuse_text(each)
    elif isinstance(value, list):
        for each in value:
            _refuse_text(each)


_decode = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_refuse_constant,
    parse_float=_number,
    parse_int=_integer,
).decode


def _malformed(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, status=400, code="malformed_json")
