"""The events that functions and authorizers get of a WebSocket API (rows 1.80 to 1.83).

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
"""

import time
from dataclasses import dataclass, field
from typing import Any

from local.gateway.events import (
    API_ID,
    Context,
    forwarded,
    query_pairs,
    request_time,
    split_target,
)
from local.http.request import Request
from local.template.intrinsics import ACCOUNT_ID, REGION

_DROPPED = frozenset({"connection", "upgrade", "content-length", "transfer-encoding"})


@dataclass(slots=True)
class Caller:
    """A client, as events name it."""

    id: str  # of its connection
    request: Request  # of its handshake
    domain: str  # by which functions reach it
    stage: str
    connected_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    authorizer: dict[str, Any] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        agent = self.request.fields.get("user-agent")
        return {**({"userAgent": agent} if agent else {}), "sourceIp": self.request.peer}


def method_arn(stage: str) -> str:
    """Return the ARN that an authorizer decides on."""
    return f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{API_ID}/{stage}/$connect"


def connect_event(caller: Caller, context: Context, port: int) -> dict[str, Any]:
    """Return the event of the route $connect, which has the handshake's headers and query."""
    single, multi = _headers(caller.request, context, port)
    event = {"headers": single, "multiValueHeaders": multi}
    if pairs := query_pairs(split_target(caller.request.target)[1]):
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        event |= {"queryStringParameters": dict(pairs), "multiValueQueryStringParameters": values}
    return {
        **event,
        "requestContext": _request_context(caller, context, "$connect", "CONNECT"),
        "isBase64Encoded": False,
    }


def question(event: dict[str, Any], stage: str, variables: dict[str, str]) -> dict[str, Any]:
    """Return the event of an authorizer, of that of $connect."""
    return {
        "type": "REQUEST",
        "methodArn": method_arn(stage),
        "headers": event["headers"],
        "multiValueHeaders": event["multiValueHeaders"],
        "queryStringParameters": event.get("queryStringParameters", {}),
        "multiValueQueryStringParameters": event.get("multiValueQueryStringParameters", {}),
        "stageVariables": variables,
        "requestContext": event["requestContext"],
    }


def message_event(caller: Caller, context: Context, route: str, text: str) -> dict[str, Any]:
    """Return the event of a message."""
    about = _request_context(caller, context, route, "MESSAGE")
    return {
        "requestContext": {**about, "messageId": context.extended_request_id},
        "body": text,
        "isBase64Encoded": False,
    }


def disconnect_event(caller: Caller, context: Context, code: int, reason: str) -> dict[str, Any]:
    """Return the event of the route $disconnect."""
    host = caller.request.fields.get("host", "")
    headers = {"Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    about = _request_context(caller, context, "$disconnect", "DISCONNECT")
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": {**about, "disconnectStatusCode": code, "disconnectReason": reason},
        "isBase64Encoded": False,
    }


def _request_context(caller: Caller, context: Context, route: str, kind: str) -> dict[str, Any]:
    return {
        "routeKey": route,
        **({"authorizer": caller.authorizer} if caller.authorizer is not None else {}),
        "eventType": kind,
        "extendedRequestId": context.extended_request_id,
        "requestTime": request_time(context.epoch_s),
        "messageDirection": "IN",
        "stage": caller.stage,
        "connectedAt": caller.connected_ms,
        "requestTimeEpoch": int(context.epoch_s * 1000),
        "identity": caller.identity,
        "requestId": context.extended_request_id,
        "domainName": caller.domain,
        "connectionId": caller.id,
        "apiId": API_ID,
    }


def _headers(
    request: Request, context: Context, port: int
) -> tuple[dict[str, str], dict[str, list[str]]]:
    multi: dict[str, list[str]] = {}
    for name, lower, value in request.headers:
        if lower not in _DROPPED:
            multi.setdefault(name, []).append(value)
    for name, value in forwarded(request, context, str(port)):
        multi[name] = [value]
    return {name: values[-1] for name, values in multi.items()}, multi
