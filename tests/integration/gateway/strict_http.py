"""HTTP/1.1 requests as the strictest reader sees them (RFC 9112), for comparison."""

import re

RequestParts = tuple[bytes, bytes, bytes]  # method, path, body

_LINE = re.compile(rb"([A-Z-]+) +([!-~]+) +HTTP/1\.([01])")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(;[^\r\n\x00]*)?\r\n")


def strict(stream: bytes) -> list[RequestParts]:
    """Return the requests of a connection, up to the last or to the first that is not whole."""
    requests: list[RequestParts] = []
    while True:
        head, end, rest = stream.lstrip(b"\r\n").partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        line = _LINE.fullmatch(first)
        fields = _fields(lines)
        if not end or line is None or fields is None:
            return requests
        hosts = len(fields.get(b"host", []))
        body = _body(fields, rest)
        if hosts > 1 or (not hosts and line[3] == b"1") or body is None:
            return requests
        content, stream = body
        text = content.decode("utf-8", "replace").encode()  # as events have it
        requests.append((line[1], line[2].partition(b"?")[0], text))
        if line[3] == b"0" or b"close" in fields.get(b"connection", []):
            return requests


def _fields(lines: list[bytes]) -> dict[bytes, list[bytes]] | None:
    fields: dict[bytes, list[bytes]] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            return None
        fields.setdefault(header[1].lower(), []).append(header[2])
    return fields


def _body(fields: dict[bytes, list[bytes]], rest: bytes) -> tuple[bytes, bytes] | None:
    """Return the body and what follows it; None where its end is not there or in doubt."""
    framing = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    match framing:
        case [], []:
            return b"", rest
        case [length], [] if re.fullmatch(rb"[0-9]{1,8}", length):
            size = int(length)
            return (rest[:size], rest[size:]) if len(rest) >= size else None
        case [], [coding] if coding.lower() == b"chunked":
            return _chunks(rest)
    return None


def _chunks(rest: bytes) -> tuple[bytes, bytes] | None:
    content = b""
    while True:
        match = _SIZE.match(rest)
        if match is None:
            return None
        size, rest = int(match[1], 16), rest[match.end() :]
        if not size:
            break
        if rest[size : size + 2] != b"\r\n":
            return None
        content, rest = content + rest[:size], rest[size + 2 :]
    trailers, end, rest = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not end or _fields(trailers.split(b"\r\n")[1:]) is None:
        return None
    return content, rest
