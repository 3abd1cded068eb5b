"""The response of a REST API, from a handler's result, by AWS's rules 1.20 to 1.28."""

import base64
import binascii
import re
from typing import Any

_RESPONSE_KEYS = frozenset(
    {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
)
# Row 1.28, renamed headers: headers of the gateway's own; the function's come under another name.
_REMAPPED = frozenset({"connection", "content-length", "date", "server", "www-authenticate"})
_HOP_BY_HOP = frozenset({"keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"})
_OURS = frozenset({"x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"})
RESPONSE_MAX_BYTES = 6_291_556  # row 2.6, payload sizes: Lambda's limit on a response

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class MalformedResponse(Exception):
    """The handler's result has no form that API Gateway takes (rows 1.20 to 1.22, results)."""


def read_result(
    result: Any, *, accept: str | None, binary_types: tuple[str, ...]
) -> tuple[int, str, bytes]:
    """Return status, header lines (each ended by CRLF) and body of a handler's result.

    `accept` is the request's Accept. Raises MalformedResponse, which is a 502 to the client.
    """
    if not isinstance(result, dict):
        raise MalformedResponse("the handler returned no object")
    if not result.keys() <= _RESPONSE_KEYS:
        unknown = ", ".join(sorted(result.keys() - _RESPONSE_KEYS))
        raise MalformedResponse(f"unknown keys in the handler's response: {unknown}")
    status = status_of(result.get("statusCode", 200))
    lines = _header_lines(result.get("headers"), result.get("multiValueHeaders"))
    return status, lines, _response_body(result, accept, binary_types)


def status_of(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) <= 3 else 0
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise MalformedResponse("statusCode is no number from 200 to 599")
    return value


def _header_lines(headers: Any, multi: Any) -> str:
    lines: list[str] = []
    has_content_type = False
    for name, value in merged(headers, multi):
        lower = name.lower()
        if lower in _HOP_BY_HOP or lower in _OURS:
            continue
        if lower in _REMAPPED:
            name = f"x-amzn-Remapped-{name}"  # noqa: PLW2901
        elif lower == "content-type":
            has_content_type = True
        lines.append(f"{name}: {value}\r\n")
    if not has_content_type:
        lines.append("Content-Type: application/json\r\n")
    return checked(lines)


def checked(lines: list[str]) -> str:
    """Return the lines as one text, if no value smuggles a line of its own."""
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        raise MalformedResponse("a response header has a line break or NUL in it")
    return text


def merged(headers: Any, multi: Any) -> list[tuple[str, str]]:
    """Return all headers, the values of `multi` first and in its casing (row 1.23, the merge).

    A pair that stands in both, whatever the casing of its name, is one.
    """
    pairs: list[tuple[str, str]] = []
    casing: dict[str, str] = {}
    for name, values in _object(multi, "multiValueHeaders").items():
        if not isinstance(values, list):
            raise MalformedResponse("a value in multiValueHeaders is no list")
        casing[name.lower()] = name
        pairs += [(name_of(name), value_of(value)) for value in values]
    present = {(name.lower(), value) for name, value in pairs}
    for name, value in _object(headers, "headers").items():
        pair = (casing.get(name.lower()) or name_of(name), value_of(value))
        if (pair[0].lower(), pair[1]) not in present:
            pairs.append(pair)
    return pairs


def _object(value: Any, name: str) -> dict[str, Any]:
    if not value:
        return {}
    if not isinstance(value, dict):
        raise MalformedResponse(f"{name} is no object")
    return value


def name_of(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise MalformedResponse("a response header's name is not one")
    return name


def value_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise MalformedResponse("a response header's value is no text")


def _response_body(
    result: dict[str, Any], accept: str | None, binary_types: tuple[str, ...]
) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponse("body is no text")
    is_base64 = result.get("isBase64Encoded", False)
    if is_base64 is True and _accepts_binary(accept, binary_types):
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedResponse("body is not base64") from error
    content = body.encode("utf-8", "surrogatepass")
    if len(content) > RESPONSE_MAX_BYTES:
        raise MalformedResponse(f"body is over {RESPONSE_MAX_BYTES} bytes")
    return content


def _accepts_binary(accept: str | None, binary_types: tuple[str, ...]) -> bool:
    """Return whether the client's first type is one of these, literally (row 1.25, Accept)."""
    first = (accept or "").split(",", 1)[0].partition(";")[0].strip().lower()
    return first in binary_types or "*/*" in binary_types
