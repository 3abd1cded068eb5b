"""The access log of API Gateway: one line of JSON a request."""

import orjson

from local.gateway.events import Context, request_time, split_target
from local.http.request import Request


def access_line(
    request: Request,
    context: Context,
    *,
    resource: str,
    status: int,
    length: int,
    latency_s: float,
    integration_s: float,
) -> bytes:
    """Return a request as a JSON line of the access log (row 1.39, its members)."""
    return orjson.dumps(
        {
            "requestId": context.request_id,
            "extendedRequestId": context.extended_request_id,
            "xrayTraceId": context.trace,
            "ip": request.peer,
            "requestTime": request_time(context.epoch_s),
            "requestTimeEpoch": int(context.epoch_s * 1000),
            "httpMethod": request.method,
            "resourcePath": resource,
            "path": split_target(request.target)[0],
            "status": status,
            "protocol": request.protocol,
            "responseLength": length,
            "responseLatency": int(latency_s * 1000),
            "integrationLatency": int(integration_s * 1000),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
