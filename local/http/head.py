"""The head of a request: its headers, and the status that refuses it.

The parser has refused what it can already; the rest it leaves to its caller.
"""

import re
from functools import lru_cache

from local.http.limits import HEADERS_MAX_BYTES, TARGET_MAX_BYTES
from local.http.request import Request

_HOST = re.compile(r"([A-Za-z0-9._~-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_ABSOLUTE = re.compile(r"https?://(?P<authority>[^/?]*)(?P<rest>.*)", re.IGNORECASE)
_ONLY_ONCE = frozenset({"content-length", "host", "transfer-encoding"})


def read_headers(request: Request, raw: list[tuple[bytes, bytes]]) -> int | None:
    """Give the request its headers; return the status that refuses them, or None."""
    fields, headers = request.fields, request.headers
    size = 0
    for name, value in raw:
        written, lower = _read_name(name)
        if lower in fields and lower in _ONLY_ONCE:
            return 400
        # The parser leaves the whitespace behind a value to its caller (RFC 9110 5.5).
        text = value.decode("latin-1").rstrip(" \t")
        fields[lower] = text
        headers.append((written, lower, text))
        size += len(name) + len(value) + 4  # with colon, space and line end
    return 413 if size > HEADERS_MAX_BYTES else None


@lru_cache(maxsize=1000)
def _read_name(name: bytes) -> tuple[str, str]:
    """Return a header's name as sent and in lower case; clients send the same few names."""
    written = name.decode("latin-1")
    return written, written.lower()


def head_error(request: Request, target: bytes, body_max_bytes: int) -> int | None:
    """Return the status that refuses a head, None where it is as it should be."""
    fields = request.fields
    if not _is_http(request):
        return 400
    if len(target) > TARGET_MAX_BYTES:
        return 413
    length = fields.get("content-length")
    if length is not None and int(length) > body_max_bytes:
        return 413
    host = fields.get("host", "")
    # A fragment is never sent; API Gateway takes no bare `|` (row 1.12, query strings).
    if not _is_host(host) or b"#" in target or b"|" in target:
        return 400
    if not target.startswith(b"/") and not _names_host(target, host):
        return 400
    return None


def _is_http(request: Request) -> bool:
    """Check version, method, host and transfer coding, which the parser leaves to its caller."""
    if request.protocol not in ("HTTP/1.1", "HTTP/1.0") or request.method == "CONNECT":
        return False
    is_1_1 = request.protocol == "HTTP/1.1"
    if is_1_1 and "host" not in request.fields:
        return False
    coding = request.fields.get("transfer-encoding")
    return coding is None or (is_1_1 and coding.lower() == "chunked")


@lru_cache(maxsize=1000)
def _is_host(host: str) -> bool:
    """Return whether a Host header is a name or address with or without a port; it may be empty."""
    return _HOST.fullmatch(host) is not None


def _names_host(target: bytes, host: str) -> bool:
    """Return whether a target in absolute form is for the host that the Host header names."""
    match = _ABSOLUTE.fullmatch(target.decode("latin-1"))
    return match is not None and match["authority"].lower() == host.lower()


def origin_form(target: str) -> str:
    """Return the path and query of a target that `head_error` has let pass."""
    if target.startswith("/"):
        return target
    match = _ABSOLUTE.fullmatch(target)
    rest = match["rest"] if match else ""
    return rest if rest.startswith("/") else f"/{rest}"
