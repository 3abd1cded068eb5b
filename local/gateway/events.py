"""Requests as REST API events (payload 1.0), by rows 1.1 to 1.14 of API Gateway's behaviour.

Pure functions; nothing here knows of sockets. An HTTP API's own events are in `http_events`.
"""

import base64
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from local.gateway.policy import Grant
from local.http.request import Request
from local.template import ApiKey
from local.template.intrinsics import ACCOUNT_ID, REGION
from local.traces.context import TraceContext, of_header, of_traceparent

API_ID = "local"
_ARN_PREFIX = f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{API_ID}"

# Row 1.10, removed headers: the function never sees them.
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
# Row 1.8, header casing: written so whatever the client wrote.
_CANONICAL = {"authorization": "Authorization", "user-agent": "User-Agent", "host": "Host"}
_SET_BY_GATEWAY = frozenset(
    {"x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
)

# Row 1.3, the identity of a caller without IAM, Cognito or an API key; two are then filled in.
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

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ids = random.Random(random.SystemRandom().getrandbits(64))


@dataclass(frozen=True, slots=True)
class Stage:
    """The members that are the same in every event of an API."""

    name: str
    port: str  # that it listens on
    binary_types: tuple[str, ...] = ()  # in lower case
    variables: Mapping[str, str] | None = None


class Context:
    """The identifiers of one request: `$context` of logs, templates and events."""

    __slots__ = (
        "epoch_s",
        "extended_request_id",
        "handler_span_id",
        "incoming",
        "invocation_id",
        "request_id",
        "span_id",
        "trace",
    )

    def __init__(self, fields: dict[str, str], epoch_s: float) -> None:
        client_id = fields.get("x-amzn-requestid")
        digits = _ids.randbytes(16).hex()
        own = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
        # Row 1.29, request ids: a client may choose the request's id as a UUID, never Lambda's.
        self.request_id = client_id if client_id is not None and _UUID.fullmatch(client_id) else own
        self.invocation_id = own
        self.extended_request_id = f"{digits[:15]}="
        self.epoch_s = epoch_s
        self.span_id, self.handler_span_id = digits[:16], digits[16:]
        header, traceparent = fields.get("x-amzn-trace-id"), fields.get("traceparent")
        incoming = None
        if header or traceparent:
            incoming = of_traceparent(traceparent) or of_header(header)
        self.incoming = incoming or TraceContext(f"{int(epoch_s):08x}{digits[8:]}")
        self.trace = header or f"Root={self.incoming.root}"


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
    """Return the raw path and the query of a request target in origin form."""
    path, _, query = target.partition("?")
    return path, query


def collapse(path: str) -> str:
    """Return `//a` as `/a`: only leading slashes are collapsed (row 1.6, slashes inside stay)."""
    return "/" + path.lstrip("/") if path.startswith("//") else path


def staged(stage: str, path: str) -> str:
    """Return the path with the stage before it, which an HTTP API's default stage does without."""
    return path if stage == "$default" else f"/{stage}{path}"


def build_event(
    request: Request,
    context: Context,
    stage: Stage,
    *,
    resource: str,
    path_parameters: dict[str, str] | None,
    grant: Grant | None = None,
    key: ApiKey | None = None,
) -> dict[str, Any]:
    """Return the REST event of `request` (rows 1.1 and 1.2: its members, None for what is absent).

    `grant` is the authorizer's of the caller, `key` the API key.
    """
    raw_path, query = split_target(request.target)
    headers, multi_headers = _headers(request, context, stage.port)
    query_single, query_multi = _query(query)
    body, is_base64 = _body(request, stage.binary_types)
    request_context = _request_context(
        request, context, resource=resource, stage=stage.name, raw_path=raw_path
    )
    if grant is not None:
        request_context["authorizer"] = grant.caller
        request_context["identity"] |= grant.identity
    if key is not None:
        request_context["identity"] |= {"apiKey": key.value, "apiKeyId": key.id}
    return {
        "resource": resource,
        "path": collapse(raw_path),
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": multi_headers,
        "queryStringParameters": query_single,
        "multiValueQueryStringParameters": query_multi,
        "pathParameters": path_parameters,
        "stageVariables": stage.variables,
        "requestContext": request_context,
        "body": body,
        "isBase64Encoded": is_base64,
    }


def method_arn(stage: str, method: str, path: str) -> str:
    """Return the ARN that an authorizer decides on (row 1.50, the method's ARN)."""
    return f"{_ARN_PREFIX}/{stage}/{method}/{path.lstrip('/')}"


def _request_context(
    request: Request, context: Context, *, resource: str, stage: str, raw_path: str
) -> dict[str, Any]:
    fields = request.fields
    domain = domain_of(request)
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
    for name, value in forwarded(request, context, port):
        single[name] = value
        multi[name] = [value]
    return single, multi


def forwarded(request: Request, context: Context, port: str) -> tuple[tuple[str, str], ...]:
    """Return the headers that the gateway adds (row 1.9, those of a regional endpoint)."""
    hops = request.peer
    if "x-forwarded-for" in request.fields:  # a proxy may add a line of its own
        lines = [value for _, name, value in request.headers if name == "x-forwarded-for"]
        hops = ", ".join([*filter(None, lines), request.peer])
    return (
        ("X-Amzn-Trace-Id", context.trace),
        ("X-Forwarded-For", hops),
        ("X-Forwarded-Port", port),
        ("X-Forwarded-Proto", "http"),
    )


def domain_of(request: Request) -> str:
    """Return the name that the client called, without its port."""
    return _without_port(request.fields.get("host", ""))


@lru_cache(maxsize=1000)
def _without_port(host: str) -> str:
    return re.sub(":[0-9]+$", "", host)  # not the end of an address in brackets


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Return a query's parameters, decoded (row 1.12); a URL's length bounds their number."""
    return parse_qsl(query.replace(";", "&"), keep_blank_values=True) if query else []


def _query(query: str) -> tuple[dict[str, str] | None, dict[str, list[str]] | None]:
    pairs = query_pairs(query)
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
