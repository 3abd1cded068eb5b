"""The route that a message names, and the call of what is behind a route."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from local.gateway.events import Context
from local.gateway.integrations import IntegrationFailed, integrated
from local.lambda_service.dispatch import End, Invocation, Outcome, Pool
from local.template import Route
from local.traces.context import header
from local.websockets.events import Caller

DEFAULT = "$default"
_INTERNAL = "Internal server error"
_STATUSES = {End.THROTTLED: 429, End.EXPIRED: 503, End.TIMED_OUT: 504}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a route."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = _INTERNAL  # what a client is told of a failure
    has_failed: bool = False
    fault: str = ""  # of a function's answer, for its log

    def header(self, name: str) -> str | None:
        """Return a header that the function set."""
        return next((text for key, text in self.headers.items() if key.lower() == name), None)


def wanted_route(text: str, selection: tuple[str, ...], routes: Mapping[str, Route]) -> str | None:
    """Return the key of the route of a message, None where it has none."""
    try:
        value: Any = json.loads(text)
        for name in selection:
            value = value[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        value = None
    is_text = isinstance(value, str | int) and not isinstance(value, bool)
    key = str(value) if is_text else DEFAULT
    if key not in routes or key in ("$connect", "$disconnect"):
        key = DEFAULT
    return key if key in routes else None


def message_of(reason: str, caller: Caller, context: Context) -> str:
    """Return the message by which the gateway itself refuses a message."""
    about = {"connectionId": caller.id, "requestId": context.extended_request_id}
    return json.dumps({"message": reason, **about})


async def call(
    route: Route, pool: Pool | None, event: dict[str, Any], context: Context, *, is_traced: bool
) -> Answer:
    """Return the answer of a route's function, or of its integration with something else."""
    patience_s = route.timeout_ms / 1000
    trace = header(context.incoming.trace_id, context.handler_span_id, is_sampled=is_traced)
    if route.integration is not None and pool is None:
        try:
            body = await integrated(route.integration, event, patience_s, trace)
        except IntegrationFailed:
            return Answer(500, has_failed=True)
        return Answer(200, body)
    assert pool is not None
    outcome = await _invoked(pool, event, context, trace, patience_s)
    if outcome.end is End.RESULT:
        return Answer(200) if route.integration is not None else answer_of(outcome.result)
    return Answer(_STATUSES.get(outcome.end, 502), has_failed=True)


async def _invoked(
    pool: Pool, event: dict[str, Any], context: Context, trace: str, patience_s: float
) -> Outcome:
    loop = asyncio.get_running_loop()
    outcomes: asyncio.Future[Outcome] = loop.create_future()
    text = orjson.dumps(event)
    invocation = Invocation(context.invocation_id, trace, text, outcomes.set_result, patience_s)
    invocation.span_id = context.handler_span_id
    pool.invoke(invocation, loop.time())
    try:
        return await outcomes
    finally:
        if not outcomes.done():
            pool.abandon(invocation)


def answer_of(result: Any) -> Answer:
    """Return a handler's result as an answer; it may be none, and has no fixed form on AWS."""
    if not isinstance(result, dict):
        fault = "" if result is None else "the handler returned no object"
        return Answer(502, has_failed=True, fault=fault or "the handler returned nothing")
    status = result.get("statusCode", 200)
    is_number = isinstance(status, int | str) and str(status).isdigit()
    if not is_number or not 100 <= int(status) <= 599:
        return Answer(502, has_failed=True, fault="statusCode is no number from 100 to 599")
    headers, body = result.get("headers") or {}, result.get("body")
    return Answer(
        int(status),
        body if isinstance(body, str) else "" if body is None else json.dumps(body),
        headers if isinstance(headers, dict) else {},
        "Forbidden" if int(status) in (401, 403) else _INTERNAL,
    )
