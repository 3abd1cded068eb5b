"""Protocol Buffers' wire format, as much of it as OTLP uses.

By hand, because the library would take the gateway 6 MB and a tenth of a second, and would decode a
whole body at once, while every client waits.
"""

import struct
from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
VARINT_MAX_BYTES = 10
_WIDTHS = {FIXED64: 8, FIXED32: 4}
_MASK = (1 << 64) - 1


class Malformed(ValueError):
    """Bytes that are no message."""


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and the value of each field: a number, or bytes. Raises Malformed."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == BYTES:
            width, at = _varint(data, at)
        elif kind in _WIDTHS:
            width = _WIDTHS[kind]
        else:
            raise Malformed(f"a field of the unknown wire type {kind}")
        if width > end - at:
            raise Malformed("a field is longer than its message")
        part = data[at : at + width]
        at += width
        yield number, part if kind == BYTES else int.from_bytes(part, "little")


def signed(value: int) -> int:
    """Return the int64 that a varint stands for."""
    return value - (1 << 64) if value >> 63 else value


def double(value: int) -> float:
    """Return the double that eight bytes stand for."""
    number: float = struct.unpack("<d", value.to_bytes(8, "little"))[0]
    return number


def write_varint(number: int, value: int) -> bytes:
    """Return a field that is a number; zero is the default, and left out."""
    return _key(number, VARINT) + _written(value & _MASK) if value else b""


def write_fixed64(number: int, value: int) -> bytes:
    """Return a field of eight bytes."""
    return _key(number, FIXED64) + (value & _MASK).to_bytes(8, "little")


def write_double(number: int, value: float) -> bytes:
    """Return a field that is a double."""
    return _key(number, FIXED64) + struct.pack("<d", value)


def write_bytes(number: int, value: bytes) -> bytes:
    """Return a field that is bytes, or a message in a message."""
    return _key(number, BYTES) + _written(len(value)) + value


def write_text(number: int, value: str) -> bytes:
    """Return a field that is text; none is the default, and left out."""
    return write_bytes(number, value.encode("utf-8", "replace")) if value else b""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and where the next byte is."""
    value = shift = 0
    for byte in data[at : at + VARINT_MAX_BYTES]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value & _MASK, at + shift // 7
    raise Malformed("a number does not end")


def _key(number: int, kind: int) -> bytes:
    return _written(number << 3 | kind)


def _written(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
