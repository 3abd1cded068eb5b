"""The response of an HTTP API, from a handler's result: few forms are refused (row 1.72)."""

import base64
import binascii
import json
from typing import Any

from local.gateway.results import (
    RESPONSE_MAX_BYTES,
    MalformedResponse,
    checked,
    merged,
    status_of,
    value_of,
)

Pairs = list[tuple[str, str]]

# The gateway's own, or between two hops.
_DROPPED = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}
)
_DEFAULT_TYPE = "text/plain;charset=UTF-8"


def read_http_result(result: Any, payload: str) -> tuple[int, Pairs, bytes]:
    """Return status, headers and body of a handler's result for an event of that payload.

    Raises MalformedResponse, which is a 500 to the client.
    """
    if payload == "2.0" and not (isinstance(result, dict) and "statusCode" in result):
        # Written as the runtime does, which is what API Gateway hands on.
        return 200, [("content-type", "application/json")], _text(result)
    if not isinstance(result, dict) or "statusCode" not in result:
        raise MalformedResponse("the handler returned no object with a statusCode")
    status = status_of(result["statusCode"])
    pairs = _pairs(result, payload)
    if not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("content-type", _DEFAULT_TYPE))
    checked([f"{name}: {value}\r\n" for name, value in pairs])
    return status, pairs, _body(result)


def _pairs(result: dict[str, Any], payload: str) -> Pairs:
    if payload == "2.0":
        pairs = merged(result.get("headers"), None)
        pairs += [("set-cookie", value_of(cookie)) for cookie in _list(result.get("cookies"))]
    else:
        pairs = merged(result.get("headers"), result.get("multiValueHeaders"))
    return [pair for pair in pairs if pair[0].lower() not in _DROPPED]


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedResponse("cookies are no list")
    return value


def _body(result: dict[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if result.get("isBase64Encoded") is not True:
        return _text(body)
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise MalformedResponse("body is not base64") from error


def _text(value: Any) -> bytes:
    """Return a text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    content = text.encode("utf-8", "surrogatepass")
    if len(content) > RESPONSE_MAX_BYTES:
        raise MalformedResponse(f"body is over {RESPONSE_MAX_BYTES} bytes")
    return content
