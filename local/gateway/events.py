"""Requests as REST API events (payload 1.0), and what a handler returned as a response.

Pure functions, by rows 1.1 to 1.28 of API Gateway's behaviour; nothing here knows of sockets.
"""

import base64
import binascii
import random
import re
import time
from typing import Any
from urllib.parse import parse_qsl

from local.gateway.request import Request
from local.template.intrinsics import ACCOUNT_ID, REGION

API_ID = "local"

# 1.10: what the function never sees.
_DROPPED = frozenset(
    {
        "connection",
        "content-length",
        "content-md5",
        "expect",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "transfer-encoding",
        "trailer",
        "upgrade",
        "www-authenticate",
    }
)
# 1.8: written so whatever the client wrote.
_CANONICAL = {"authorization": "Authorization", "user-agent": "User-Agent", "host": "Host"}
_SET_BY_GATEWAY = frozenset(
    {"x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
)

# 1.3: who comes without IAM, Cognito or an API key; two of these are then filled in.
_NOBODY = dict.fromkeys(
    (
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "sourceIp",
        "user",
        "userAgent",
        "userArn",
    )
)

_RESPONSE_KEYS = frozenset(
    {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
)
# 1.28: headers of the gateway's own; the function's come under another name.
_REMAPPED = frozenset({"connection", "content-length", "date", "server", "www-authenticate"})
_HOP_BY_HOP = frozenset({"keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"})
_OURS = frozenset({"x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"})
RESPONSE_MAX_BYTES = 6_291_556  # 2.6: Lambda's limit on a response

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ids = random.Random(random.SystemRandom().getrandbits(64))


class MalformedResponse(Exception):
    """The handler's result is none that API Gateway takes from an integration (1.20 to 1.22)."""


class Context:
    """The identifiers of one request: `$context` of logs, templates and events."""

    __slots__ = ("epoch_s", "extended_request_id", "request_id", "trace")

    def __init__(self, fields: dict[str, str], epoch_s: float) -> None:
        given = fields.get("x-amzn-requestid")
        digits = _ids.randbytes(16).hex()
        # 1.29: a client's own id is honoured where it is a UUID; ours is one of version 4.
        self.request_id = (
            given
            if given is not None and _UUID.fullmatch(given)
            else f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
        )
        self.extended_request_id = f"{digits[:15]}="
        self.epoch_s = epoch_s
        trace = fields.get("x-amzn-trace-id")
        self.trace = trace or f"Root=1-{int(epoch_s):08x}-{digits[8:]}"


class _RequestTime:
    """The request time as CLF, which changes once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def text(self, epoch_s: float) -> str:
        second = int(epoch_s)
        if second != self._second:
            self._text = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
            self._second = second
        return self._text


request_time = _RequestTime().text


def split_target(target: str) -> tuple[str, str]:
    """The raw path and the query of a request target in origin form."""
    path, _, query = target.partition("?")
    return path, query


def collapse(path: str) -> str:
    """`//a` as `/a`: leading slashes only, what lies inside is the client's business (1.6)."""
    return "/" + path.lstrip("/") if path.startswith("//") else path


def build_event(  # noqa: PLR0913 - an event has as many sources
    request: Request,
    context: Context,
    *,
    resource: str,
    stage: str,
    port: str,
    path_parameters: dict[str, str] | None,
    authorizer: dict[str, str] | None,
    binary_types: tuple[str, ...],
) -> dict[str, Any]:
    """The event of row 1.1 for `request`; what is absent is None (1.2)."""
    raw_path, query = split_target(request.target)
    headers, multi_headers = _headers(request, context, port)
    query_single, query_multi = _query(query)
    body, is_base64 = _body(request, binary_types)
    request_context = _request_context(
        request, context, resource=resource, stage=stage, raw_path=raw_path
    )
    if authorizer is not None:
        request_context["authorizer"] = authorizer
    return {
        "resource": resource,
        "path": collapse(raw_path),
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": multi_headers,
        "queryStringParameters": query_single,
        "multiValueQueryStringParameters": query_multi,
        "pathParameters": path_parameters,
        "stageVariables": None,
        "requestContext": request_context,
        "body": body,
        "isBase64Encoded": is_base64,
    }


def method_arn(stage: str, method: str, path: str) -> str:
    """What an authorizer is asked about (1.50)."""
    prefix = f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{API_ID}"
    return f"{prefix}/{stage}/{method}/{path.lstrip('/')}"


def _request_context(
    request: Request, context: Context, *, resource: str, stage: str, raw_path: str
) -> dict[str, Any]:
    fields = request.fields
    host = fields.get("host", "")
    domain = host.rpartition(":")[0] or host
    return {
        "accountId": ACCOUNT_ID,
        "apiId": API_ID,
        "deploymentId": API_ID,
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "extendedRequestId": context.extended_request_id,
        "httpMethod": request.method,
        "identity": {
            **_NOBODY,
            "sourceIp": request.peer,
            "userAgent": fields.get("user-agent"),
        },
        "path": f"/{stage}{raw_path}",
        "protocol": request.protocol,
        "requestId": context.request_id,
        "requestTime": request_time(context.epoch_s),
        "requestTimeEpoch": int(context.epoch_s * 1000),
        "resourceId": resource,
        "resourcePath": resource,
        "stage": stage,
    }


def _headers(
    request: Request, context: Context, port: str
) -> tuple[dict[str, str], dict[str, list[str]]]:
    single: dict[str, str] = {}
    multi: dict[str, list[str]] = {}
    for name, lower, value in request.headers:
        if lower in _DROPPED or lower in _SET_BY_GATEWAY:
            continue
        written = _CANONICAL.get(lower, name)
        single[written] = value
        if written in multi:
            multi[written].append(value)
        else:
            multi[written] = [value]
    before = request.fields.get("x-forwarded-for")
    added = (
        ("X-Amzn-Trace-Id", context.trace),
        ("X-Forwarded-For", f"{before}, {request.peer}" if before else request.peer),
        ("X-Forwarded-Port", port),
        ("X-Forwarded-Proto", "http"),
    )
    for name, value in added:
        single[name] = value
        multi[name] = [value]
    return single, multi


def _query(query: str) -> tuple[dict[str, str] | None, dict[str, list[str]] | None]:
    if not query:
        return None, None
    # `;` splits as well (1.12). The number of pairs is bounded by the length of a URL.
    pairs = parse_qsl(query.replace(";", "&"), keep_blank_values=True)
    if not pairs:
        return None, None
    multi: dict[str, list[str]] = {}
    for name, value in pairs:
        multi.setdefault(name, []).append(value)
    return dict(pairs), multi


def _body(request: Request, binary_types: tuple[str, ...]) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    if binary_types and _is_binary(request.fields.get("content-type", ""), binary_types):
        return base64.b64encode(request.body).decode("ascii"), True
    return request.body.decode("utf-8", "replace"), False


def _is_binary(content_type: str, binary_types: tuple[str, ...]) -> bool:
    return "*/*" in binary_types or content_type.partition(";")[0].strip().lower() in binary_types


def read_result(
    result: Any, *, accept: str | None, binary_types: tuple[str, ...]
) -> tuple[int, str, bytes]:
    """Status, header lines (each ended by CRLF) and body of what a handler returned.

    `accept` is the request's Accept. Raises MalformedResponse, which is a 502 to the client.
    """
    if not isinstance(result, dict):
        raise MalformedResponse("the handler returned no object")
    if not result.keys() <= _RESPONSE_KEYS:
        unknown = ", ".join(sorted(result.keys() - _RESPONSE_KEYS))
        raise MalformedResponse(f"unknown keys in the handler's response: {unknown}")
    status = _status(result.get("statusCode", 200))
    lines = _header_lines(result.get("headers"), result.get("multiValueHeaders"))
    return status, lines, _response_body(result, accept, binary_types)


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) <= 3 else 0
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise MalformedResponse("statusCode is no number from 200 to 599")
    return value


def _header_lines(headers: Any, multi: Any) -> str:
    lines: list[str] = []
    has_content_type = False
    for name, value in _pairs(headers, multi):
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
    return _checked(lines)


def _checked(lines: list[str]) -> str:
    """The lines as one text, if no value smuggles a line of its own."""
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        raise MalformedResponse("a response header has a line break or NUL in it")
    return text


def _pairs(headers: Any, multi: Any) -> list[tuple[str, str]]:
    """All headers, the values of `multi` first and in its casing (1.23)."""
    pairs: list[tuple[str, str]] = []
    casing: dict[str, str] = {}
    if multi:
        if not isinstance(multi, dict):
            raise MalformedResponse("multiValueHeaders is no object")
        for name, values in multi.items():
            if not isinstance(values, list):
                raise MalformedResponse("a value in multiValueHeaders is no list")
            casing[name.lower()] = name
            pairs += [(_name(name), _value(value)) for value in values]
    if headers:
        if not isinstance(headers, dict):
            raise MalformedResponse("headers is no object")
        for name, value in headers.items():
            pairs.append((casing.get(name.lower()) or _name(name), _value(value)))
    return pairs


def _name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise MalformedResponse("a response header's name is not one")
    return name


def _value(value: Any) -> str:
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
    """Only the first type that the client accepts counts, and only literally (1.25)."""
    first = (accept or "").split(",", 1)[0].partition(";")[0].strip().lower()
    return first in binary_types or "*/*" in binary_types
