"""Frames between an execution environment and its invoker: a length and a JSON object.

The environment's blocking connection lives here too; an invoker brings its own event loop and uses
`encode` and `FrameReader`.
"""

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

import orjson

# Lambda's 6 MB of event or answer, what the handler printed, and room for the frame's other fields.
FRAME_MAX_BYTES = 8 * 1024 * 1024
RECEIVE_BYTES = (
    64 * 1024
)  # an ordinary event in one read; malloc maps larger buffers anew each time
LENGTH = struct.Struct(">I")
ZEROS = bytes.maketrans(b"123456789", b"000000000")
LONG_NUMBER = b"0" * 19  # of digits: it may be beyond 64 bits
UNIX_PATH_MAX_BYTES = 107  # sockaddr_un.sun_path without its final zero


class FrameError(Exception):
    """The peer sent, or we were about to send, what is not a frame."""


class AddressError(ValueError):
    """An address that is neither `unix:/path` nor `tcp:host:port`."""


class NotJson(str):
    """The result of a handler that is no JSON: Lambda passes it on as it is."""

    __slots__ = ()


def encode(message: object) -> bytes:
    payload = orjson.dumps(message)
    if len(payload) > FRAME_MAX_BYTES:
        raise FrameError(f"a frame of {len(payload)} bytes is over the limit of {FRAME_MAX_BYTES}")
    return LENGTH.pack(len(payload)) + payload


LEAVE = encode({"leave": 1})  # tells an environment that another has taken its place


def result_of(answer: Mapping[str, Any]) -> Any:
    """Return what the handler returned, by the frame that answers an event."""
    return NotJson(answer["not_json"]) if "not_json" in answer else answer.get("result")


def decode(payload: bytes) -> dict[str, Any]:
    try:
        message = loads(payload)
    except ValueError as error:
        raise FrameError(f"a frame is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise FrameError(f"a frame is a {type(message).__name__}, not an object")
    return message


def loads(payload: bytes) -> Any:
    """Return the value of JSON as Lambda's Python client reads it: whole numbers have every digit.

    orjson needs less than half the time, makes floats of those beyond 64 bits, refuses a lone
    surrogate, NaN and 1e400, and reads what is nested deeper than Python's stack.
    """
    if LONG_NUMBER not in payload.translate(ZEROS):
        try:
            return orjson.loads(payload)
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(payload)
    except RecursionError:
        return orjson.loads(payload)


def dumps(value: object) -> bytes:
    """Return JSON that `loads` reads as `value`, from a value that came from JSON."""
    try:
        text = _encode_json(value)
    except RecursionError:
        return orjson.dumps(value)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate stays as it was escaped
        return json.dumps(value, separators=(",", ":")).encode()


_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class FrameReader:
    """A cutter of a byte stream into the payloads of its frames."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of a frame that is not complete
        self._missing = 0  # bytes until it is worth looking again

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the payloads that `chunk` completes, usually one."""
        if self._parts:
            self._parts.append(chunk)
            self._missing -= len(chunk)
            if self._missing > 0:
                return []
            chunk = b"".join(self._parts)  # once: a large frame comes in many chunks
            self._parts.clear()
        payloads = []
        start, end, size = 0, LENGTH.size, len(chunk)
        while end <= size:
            (length,) = LENGTH.unpack_from(chunk, start)
            if length > FRAME_MAX_BYTES:
                raise FrameError(f"a frame of {length} bytes is over the limit")
            end = start + LENGTH.size + length
            if end > size:
                break
            payloads.append(chunk[start + LENGTH.size : end])
            start, end = end, end + LENGTH.size
        if start < size:
            self._parts.append(chunk[start:])
            self._missing = end - size
        return payloads


class Connection:
    """A blocking connection on which one side asks and the other answers, one frame at a time."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._reader = FrameReader()

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next frame; None when the peer has closed."""
        while chunk := self._stream.recv(RECEIVE_BYTES):
            payloads = self._reader.feed(chunk)
            if len(payloads) > 1:
                raise FrameError("a second frame arrived before the first was answered")
            if payloads:
                return decode(payloads[0])
        return None

    def send(self, frame: bytes) -> None:
        self._stream.sendall(frame)

    def stop_receiving(self) -> None:
        """Let `receive` return what has already arrived, then None; answers can still be sent."""
        self._stream.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        self._stream.close()


def parse_address(address: str) -> str | tuple[str, int]:
    """Return the path of `unix:/path` or the host and port of `tcp:host:port`."""
    kind, _, rest = address.partition(":")
    if kind == "unix" and rest:
        if len(rest.encode()) > UNIX_PATH_MAX_BYTES:
            raise AddressError(
                f"the socket path {rest} is over {UNIX_PATH_MAX_BYTES} bytes;"
                " choose a shorter state directory"
            )
        return rest
    host, _, port = rest.rpartition(":")
    if kind == "tcp" and host and port.isdecimal() and 0 < int(port) < 65_536:
        return host, int(port)
    raise AddressError(f"{address!r} is no address; write unix:/path or tcp:host:port")


def dial(address: str) -> Connection:
    target = parse_address(address)
    if isinstance(target, tuple):
        stream = socket.create_connection(target)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Connection(stream)
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.connect(target)
    except OSError:
        stream.close()
        raise
    return Connection(stream)
