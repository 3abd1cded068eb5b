"""MongoDB's frames: OP_MSG both ways, and the OP_QUERY handshake that drivers still begin with."""

import struct
from dataclasses import dataclass
from typing import Any

import bson
from bson.errors import InvalidBSON

from local.documents.collection import CODEC, decode
from local.documents.errors import DocumentsError
from local.documents.paths import Document

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
CHECKSUM_PRESENT, MORE_TO_COME = 1, 2
REQUIRED_FLAGS = 0xFFFF  # whoever does not know one of these must not go on
MESSAGE_BYTES_MAX = 48_000_000  # MongoDB's maxMessageSizeBytes
Body = dict[str, Any] | bytes  # of an answer; bytes are BSON already

_HEADER = struct.Struct("<iiii")  # length, request id, response to, operation


@dataclass(frozen=True, slots=True)
class Request:
    id: int
    body: Document
    operation: int
    wants_reply: bool


def frame_length(buffer: bytes | bytearray) -> int:
    """Return the length of the first frame in `buffer`, 0 while its head is not there yet."""
    if len(buffer) < 16:
        return 0
    length = int.from_bytes(buffer[:4], "little")
    if not 16 <= length <= MESSAGE_BYTES_MAX:
        raise DocumentsError(17, f"a message of {length} bytes is not between 16 and 48,000,000")
    return length


def parse(frame: bytes) -> Request:
    """Return one request; the documents of a sequence stay undecoded."""
    _, request_id, _, operation = _HEADER.unpack_from(frame)
    try:
        if operation == OP_MSG:
            (flags,) = struct.unpack_from("<I", frame, 16)
            if flags & REQUIRED_FLAGS & ~(CHECKSUM_PRESENT | MORE_TO_COME):
                raise ValueError(f"a flag of {flags:#x} is not known")
            end = len(frame) - 4 if flags & CHECKSUM_PRESENT else len(frame)
            return Request(request_id, _sections(frame, end), operation, not flags & MORE_TO_COME)
        if operation == OP_QUERY:
            start = frame.index(b"\x00", 20) + 9  # after the namespace, skip and limit
            database = frame[20 : frame.index(b".", 20)].decode()
            body = decode(_document_at(frame, start))
            return Request(request_id, body | {"$db": database}, operation, True)
    except (InvalidBSON, ValueError, struct.error) as error:
        raise DocumentsError(22, f"malformed message: {error}") from error
    raise DocumentsError(17, f"operation {operation} is not supported, only OP_MSG is")


def _sections(frame: bytes, end: int) -> Document:
    body: Document | None = None
    sequences: Document = {}
    position = 20
    while position < end:
        kind = frame[position]
        size = int.from_bytes(frame[position + 1 : position + 5], "little")
        if kind > 1 or size < 5 or position + 1 + size > end:
            raise ValueError(f"section of kind {kind} with {size} bytes")
        section = frame[position + 1 : position + 1 + size]
        position += 1 + size
        if kind == 0:
            if body is not None:
                raise ValueError("two bodies")
            body = decode(section)
        else:
            name_end = section.index(b"\x00", 4)
            name = section[4:name_end].decode()
            if name in sequences:
                raise ValueError(f"two sequences are called {name!r}")
            sequences[name] = _sequence(section, name_end + 1)
    body = body or {}
    if twice := body.keys() & sequences.keys():
        raise ValueError(f"body and sequence are both called {min(twice)!r}")
    return body | sequences


def _sequence(section: bytes, position: int) -> list[bytes]:
    documents = []
    while position < len(section):
        document = _document_at(section, position)
        documents.append(document)
        position += len(document)
    return documents


def _document_at(data: bytes, position: int) -> bytes:
    size = int.from_bytes(data[position : position + 4], "little")
    if size < 5 or position + size > len(data):
        raise ValueError(f"a document of {size} bytes does not fit")
    return data[position : position + size]


def reply(request_id: int, operation: int, body: Body) -> bytes:
    """Return the frame that answers a request of this operation."""
    encoded = body if isinstance(body, bytes) else bson.encode(body, codec_options=CODEC)
    if operation == OP_QUERY:
        head = struct.pack("<iqii", 8, 0, 0, 1)  # flags (await capable), cursor, from, count
        return _HEADER.pack(36 + len(encoded), 0, request_id, OP_REPLY) + head + encoded
    head = b"\x00\x00\x00\x00\x00"  # no flags, section of kind 0
    return _HEADER.pack(21 + len(encoded), 0, request_id, OP_MSG) + head + encoded


def cursor_reply(field: str, batch: list[bytes], cursor: int, namespace: str) -> bytes:
    """Return the BSON of {cursor: {field: batch, id, ns}, ok: 1}, without decoding the batch."""
    items = b"".join([b"\x03%d\x00%b" % pair for pair in enumerate(batch)])
    parts = [b"\x04", field.encode(), b"\x00", _enclosed(items)]
    parts += [b"\x12id\x00", struct.pack("<q", cursor)]
    text = namespace.encode() + b"\x00"
    parts += [b"\x02ns\x00", struct.pack("<i", len(text)), text]
    return _enclosed(b"\x03cursor\x00" + _enclosed(b"".join(parts)) + _OK)


_OK = b"\x01ok\x00" + struct.pack("<d", 1.0)


def _enclosed(elements: bytes) -> bytes:
    return struct.pack("<i", len(elements) + 5) + elements + b"\x00"
