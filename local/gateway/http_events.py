"""Requests as events of an HTTP API (rows 1.70 and 1.71), and of its authorizers (row 1.77)."""

import base64
from typing import Any
from urllib.parse import parse_qsl

from local.gateway.authorizer import Subject
from local.gateway.events import (
    API_ID,
    Stage,
    build_event,
    domain_of,
    forwarded,
    request_time,
    split_target,
    staged,
)
from local.gateway.exchange import Exchange
from local.gateway.identity import Identity
from local.http.request import Request
from local.template.intrinsics import ACCOUNT_ID

# Between two hops, not for the function.
_DROPPED = frozenset(
    {"connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
# What is text for API Gateway; it documents no list, everything else comes as base64.
_TEXT_TYPES = ("application/json", "application/xml", "application/javascript", "text/")
_TEXT_ENDS = ("+json", "+xml")

# What of the function's event an authorizer gets, by the payload.
_ASKED_1_0 = (
    "resource",
    "path",
    "httpMethod",
    "headers",
    "queryStringParameters",
    "pathParameters",
    "stageVariables",
    "requestContext",
)
_ASKED_2_0 = (
    "routeKey",
    "rawPath",
    "rawQueryString",
    "cookies",
    "headers",
    "queryStringParameters",
    "requestContext",
    "pathParameters",
    "stageVariables",
)


def event_1_0(exchange: Exchange, stage: Stage) -> dict[str, Any]:
    """Return a REST API's event but for its version and its decoded path."""
    target, grant, request = exchange.target, exchange.grant, exchange.request
    assert target is not None
    event = build_event(
        request,
        exchange.context,
        stage,
        resource=target.path,
        path_parameters=exchange.parameters,
        grant=grant,
    )
    event["path"] = event["requestContext"]["path"] = staged(stage.name, exchange.path)
    event["body"], event["isBase64Encoded"] = _body(request)
    if length := request.fields.get("content-length"):  # which a REST API drops
        event["headers"]["Content-Length"] = length
        event["multiValueHeaders"]["Content-Length"] = [length]
    return {"version": "1.0", **event}


def event_2_0(exchange: Exchange, stage: Stage) -> dict[str, Any]:
    """Return the event of payload 2.0 (row 1.70); what is absent is left out."""
    target, request = exchange.target, exchange.request
    assert target is not None
    query = split_target(request.target)[1]
    headers = _headers(exchange, stage)
    cookies = headers.pop("cookie", None)
    body, is_base64 = _body(request)
    event = {
        "version": "2.0",
        "routeKey": target.key,
        "rawPath": staged(stage.name, exchange.path),
        "rawQueryString": query,
        "cookies": cookies and [each.strip() for each in cookies.split(";")],
        "headers": headers,
        "queryStringParameters": _query(query) or None,
        "requestContext": _request_context(exchange, stage),
        "body": body,
        "pathParameters": exchange.parameters,
        "isBase64Encoded": is_base64,
        "stageVariables": stage.variables,
    }
    return {name: value for name, value in event.items() if value is not None}


def question_1_0(subject: Subject, identity: Identity) -> dict[str, Any]:
    """Return the event of an authorizer of payload 1.0; the route's event may be of another."""
    event = subject.event("1.0")
    sources = ",".join(identity)
    return {
        "version": "1.0",
        "type": "REQUEST",
        "methodArn": subject.method_arn,
        "identitySource": sources,
        "authorizationToken": sources,
    } | {name: event[name] for name in _ASKED_1_0}


def question_2_0(subject: Subject, identity: Identity) -> dict[str, Any]:
    """Return the event of a Lambda authorizer of payload 2.0."""
    event = subject.event("2.0")
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": subject.method_arn,
        "identitySource": identity or None,
    } | {name: event[name] for name in _ASKED_2_0 if name in event}


def _request_context(exchange: Exchange, stage: Stage) -> dict[str, Any]:
    target, grant, request = exchange.target, exchange.grant, exchange.request
    assert target is not None
    context = exchange.context
    domain = domain_of(request)
    request_context = {
        "accountId": ACCOUNT_ID,
        "apiId": API_ID,
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": staged(stage.name, exchange.path),
            "protocol": request.protocol,
            "sourceIp": request.peer,
            "userAgent": request.fields.get("user-agent", ""),
        },
        "requestId": context.extended_request_id,
        "routeKey": target.key,
        "stage": stage.name,
        "time": request_time(context.epoch_s),
        "timeEpoch": int(context.epoch_s * 1000),
    }
    if grant is not None:
        request_context["authorizer"] = grant.nested
    return request_context


def _headers(exchange: Exchange, stage: Stage) -> dict[str, str]:
    """Return names in lower case, values of one name joined by commas, cookies by semicolons."""
    request = exchange.request
    headers: dict[str, str] = {}
    for _, name, value in request.headers:
        if name in _DROPPED:
            continue
        if name in headers:
            headers[name] += f"; {value}" if name == "cookie" else f",{value}"
        else:
            headers[name] = value
    for name, value in forwarded(request, exchange.context, stage.port):
        headers[name.lower()] = value
    return headers


def _query(query: str) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _body(request: Request) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    kind = request.fields.get("content-type", "text/").partition(";")[0].strip().lower()
    if kind.startswith(_TEXT_TYPES) or kind.endswith(_TEXT_ENDS):
        return request.body.decode("utf-8", "replace"), False
    return base64.b64encode(request.body).decode("ascii"), True
