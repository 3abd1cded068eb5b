"""The integration of a route with something else than a function's proxy (row 1.40, integrations).

Templates and calls run in threads: they are for few requests, and a slow one keeps nobody waiting.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from local.gateway import mapping, responses
from local.gateway.integration_reply import IntegrationError, Reply, answer_of
from local.gateway.outward_calls import call
from local.gateway.responses import Refusal
from local.lambda_service.dispatch import End, Invocation, Outcome, Pool
from local.template import Integration

if TYPE_CHECKING:
    from local.gateway.exchange import Exchange

T = TypeVar("T")
log = logging.getLogger(__name__)

CALLS_MAX = 32  # at a time, of all routes; beyond it requests are refused
_FAILED = Refusal("DEFAULT_5XX", 500, "Internal server error", "InternalServerErrorException")
_UNSUPPORTED = Refusal(
    "UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported Media Type", "BadRequestException"
)

_threads = ThreadPoolExecutor(CALLS_MAX, thread_name_prefix="integration")
_tasks: set[asyncio.Task[None]] = set()


class Caller:
    """The integration of one route; `pool` is a function's, where it is called by mapped events."""

    def __init__(self, integration: Integration, pool: Pool | None, patience_s: float) -> None:
        self._integration = integration
        self.place = integration.place
        self._pool = pool
        self._patience_s = patience_s

    def serve(self, exchange: "Exchange") -> None:
        """Answer a request in the background; refuse it where too many are being answered."""
        if len(_tasks) >= CALLS_MAX:
            exchange.refuse(responses.OVERLOADED)
            return
        task = asyncio.get_running_loop().create_task(self._answer(exchange))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    async def _answer(self, exchange: "Exchange") -> None:
        integration, event = self._integration, exchange.event("1.0")
        try:
            async with asyncio.timeout(self._patience_s):
                body = await _in_thread(mapping.request_body, integration, event)
                if self._pool is not None:
                    reply = await _invoke(self._pool, body, exchange, self._patience_s)
                else:
                    arguments = (integration, event, body, self._patience_s, exchange.inner_trace)
                    reply = await _in_thread(call, *arguments)
                answer = await _in_thread(answer_of, integration, event, reply)
        except mapping.UnsupportedMediaType:
            exchange.refuse(_UNSUPPORTED)
        except TimeoutError:
            exchange.refuse(responses.TIMED_OUT)
        # Whoever sends brackets inside brackets without end is the last of these.
        except (IntegrationError, mapping.BadTemplate, RecursionError) as error:
            log.warning("the integration with %s failed: %s", integration.place, error)
            exchange.refuse(_FAILED)
        else:
            exchange.answer(*answer)


class IntegrationFailed(Exception):
    """An integration that does not answer, or not as it should."""


async def integrated(
    integration: Integration, event: dict[str, Any], patience_s: float, trace: str
) -> str:
    """Return the body of what an integration with no function answers. Raises IntegrationFailed."""
    try:
        async with asyncio.timeout(patience_s):
            body = await _in_thread(mapping.request_body, integration, event)
            reply = await _in_thread(call, integration, event, body, patience_s, trace)
            _, _, answer = await _in_thread(answer_of, integration, event, reply)
    except (
        *(IntegrationError, mapping.BadTemplate, mapping.UnsupportedMediaType),
        *(TimeoutError, RecursionError),
    ) as error:
        log.warning("the integration with %s failed: %s", integration.place, error)
        raise IntegrationFailed from error
    return answer.decode()


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(_threads, function, *arguments)


async def _invoke(pool: Pool, body: str, exchange: "Exchange", patience_s: float) -> Reply:
    """Return a function's answer to a mapped event. Raises IntegrationError."""
    outcomes: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    try:
        event = json.dumps(json.loads(body or "{}")).encode()
    except ValueError as error:
        raise IntegrationError(f"the template made no JSON: {error}") from error
    context = exchange.context
    invocation = Invocation(
        context.invocation_id, exchange.inner_trace, event, outcomes.set_result, patience_s
    )
    invocation.span_id = context.handler_span_id
    exchange.mapped = (invocation, pool.function)
    pool.invoke(invocation, asyncio.get_running_loop().time())
    try:
        outcome = await outcomes
    finally:
        if not outcomes.done():
            pool.abandon(invocation)
    if outcome.end is End.RESULT:
        return Reply(200, {}, json.dumps(outcome.result))
    if outcome.end is not End.ERROR:
        raise IntegrationError(outcome.end.value)
    failure = outcome.error or {}
    return Reply(200, {}, json.dumps(failure), error=str(failure.get("errorMessage", "")))
