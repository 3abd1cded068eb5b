"""The HTTP/1.1 that a load generator reads: one response from the bytes of one connection."""

from typing import NamedTuple

MAX_HEAD_BYTES = 64 * 1024  # as most servers bound theirs; more is not a response of ours
MAX_BODY_BYTES = 8 * 1024 * 1024


class BadResponse(Exception):
    """The bytes are not an HTTP/1.1 response, or one beyond the bounds."""


class Response(NamedTuple):
    status: int
    body: bytes
    closes: bool  # the server will not answer again on this connection


def parse(received: bytes, *, ended: bool = False) -> Response | None:
    """Return the response in `received`, or None while it is incomplete.

    `ended` says that the server has closed: a body without a length is then complete.
    """
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        if len(received) > MAX_HEAD_BYTES:
            raise BadResponse("no end of the header")
        return None
    head = received[:head_end].lower()
    if not head.startswith(b"http/1."):
        raise BadResponse("no status line")
    try:
        status = int(head[9:12])
        body = _body(head, received, head_end + 4, ended)
    except ValueError as error:
        raise BadResponse(str(error)) from error
    if body is None:
        return None
    closes = ended or b"\r\nconnection: close" in head or head.startswith(b"http/1.0")
    return Response(status, body, closes)


def _body(head: bytes, received: bytes, start: int, ended: bool) -> bytes | None:
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        end = head.find(b"\r\n", at + 2)
        length = int(head[at + 17 : end if end > 0 else len(head)])
        if not 0 <= length <= MAX_BODY_BYTES:
            raise BadResponse(f"content-length {length}")
        return received[start : start + length] if len(received) >= start + length else None
    if b"\r\ntransfer-encoding: chunked" in head:
        return _dechunked(received, start)
    if head[9:12] in (b"204", b"304"):
        return b""
    return received[start:] if ended else None


def _dechunked(received: bytes, start: int) -> bytes | None:
    chunks: list[bytes] = []
    while True:
        line_end = received.find(b"\r\n", start)
        if line_end < 0:
            return None
        size = int(received[start:line_end].split(b";")[0], 16)
        if not 0 <= size <= MAX_BODY_BYTES:
            raise BadResponse(f"chunk of {size} bytes")
        start = line_end + 2
        if len(received) < start + size + 2:
            return None
        if size == 0:
            return b"".join(chunks)
        chunks.append(received[start : start + size])
        start += size + 2
