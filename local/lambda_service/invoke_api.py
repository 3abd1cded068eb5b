"""The Lambda Invoke API: what boto3's `invoke` and `aws lambda invoke` speak (rows 2.2 to 2.19)."""

import asyncio
import base64
import logging
import time
import uuid
from collections.abc import Mapping
from time import monotonic

import orjson

from local.http.request import Request
from local.http.same_origin import FOREIGN
from local.lambda_service.asynchronous import Background
from local.lambda_service.dispatch import End, Invocation, Outcome, Pool
from local.lambda_service.event_store import Unavailable
from local.lambda_service.hosts import Hosts
from local.lambda_service.invocation_spans import TracedEvent
from local.lambda_service.invoke_request import InvokeParameters, Refused, not_found, read
from local.runtime.frames import NotJson, dumps
from local.traces.sampling import Recorder

log = logging.getLogger(__name__)

LOG_TAIL_BYTES = 4096  # what Lambda tells of the log
AS_LONG_AS_IT_TAKES_S = float("inf")  # the function's own time-out ends it

_NOT_HTTP = ("InvalidRequestContentException", "the request is not HTTP as it should be")
_REFUSED = {
    403: ("AccessDeniedException", FOREIGN),
    413: ("RequestTooLargeException", "the request is too large"),
}


class InvokeApi:
    """Answers Invoke by the functions of a template."""

    def __init__(
        self,
        pools: Mapping[str, Pool],
        hosts: Hosts,
        background: Background | None,
        recorder: Recorder,
    ) -> None:
        self._pools = {pool.function.name: pool for pool in pools.values()} | dict(pools)
        self._hosts = hosts
        self._background = background
        self._recorder = recorder
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, request: Request) -> None:
        request_id = str(uuid.uuid4())
        try:
            parameters = read(request)
            pool = self._pools.get(parameters.function)
            if pool is None:
                raise not_found(parameters.function)
        except Refused as refused:
            _refuse(request, request_id, refused)
            return
        if parameters.kind == "DryRun":
            _reply(request, request_id, 204)
        elif parameters.kind == "Event":
            task = asyncio.get_running_loop().create_task(
                self._accept(request, request_id, pool, parameters)
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._invoke(request, request_id, pool, parameters)

    def refuse(self, request: Request, status: int) -> None:
        """Answer what is not HTTP as it should be, too large, or not for whoever sends it."""
        kind, sentence = _REFUSED.get(status, _NOT_HTTP)
        _refuse(request, str(uuid.uuid4()), Refused(status, kind, sentence))

    def _invoke(
        self, request: Request, request_id: str, pool: Pool, parameters: InvokeParameters
    ) -> None:
        incoming = request.fields.get("x-amzn-trace-id", "")
        traced = TracedEvent(self._recorder, time.time(), incoming)

        def ended(outcome: Outcome) -> None:
            request.dropped = None
            traced.ended(invocation, pool.function, "other")
            _answer(request, invocation, outcome, parameters.wants_log)

        invocation = Invocation(
            request_id, traced.header, parameters.event, ended, AS_LONG_AS_IT_TAKES_S
        )
        invocation.span_id = traced.span_id
        invocation.client_context = parameters.client_context
        request.dropped = lambda: pool.abandon(invocation)
        self._hosts.want(pool)
        pool.invoke(invocation, monotonic())

    async def _accept(
        self, request: Request, request_id: str, pool: Pool, parameters: InvokeParameters
    ) -> None:
        waiting = [request]
        request.dropped = waiting.clear
        refused = None
        try:
            if self._background is None:
                raise Unavailable("asynchronous events are kept in Redis; set REDIS_URL")
            await self._background.accept(
                pool.function.logical_id,
                parameters.event.decode(),
                request_id=request_id,
                client_context=parameters.client_context,
                trace=request.fields.get("x-amzn-trace-id", ""),
            )
        except Unavailable as error:
            refused = Refused(500, "ServiceException", str(error))
        except ValueError as error:  # it grew over a message's limit where it had to be escaped
            refused = Refused(413, "RequestTooLargeException", str(error))
        if not waiting:
            return
        request.dropped = None
        if refused is None:
            _reply(request, request_id, 202)
        else:
            _refuse(request, request_id, refused)


def _answer(request: Request, invocation: Invocation, outcome: Outcome, wants_log: bool) -> None:
    request_id = invocation.request_id
    if outcome.end in (End.THROTTLED, End.EXPIRED):
        _refuse(request, request_id, _throttled(outcome))
        return
    lines = "X-Amz-Executed-Version: $LATEST\r\n"
    if wants_log:
        tail = base64.b64encode(invocation.log[-LOG_TAIL_BYTES:]).decode()
        lines += f"X-Amz-Log-Result: {tail}\r\n"
    if outcome.end is End.RESULT:
        result = outcome.result
        body = result.encode() if isinstance(result, NotJson) else dumps(result)
        _reply(request, request_id, 200, body, lines)
    else:
        lines += "X-Amz-Function-Error: Unhandled\r\n"
        _reply(request, request_id, 200, orjson.dumps(outcome.error), lines)


def _throttled(outcome: Outcome) -> Refused:
    """Refuse as over the concurrency (row 2.2), also what waited too long for a process."""
    reason = (outcome.error or {}).get("Reason", "ConcurrentInvocationLimitExceeded")
    return Refused(429, "TooManyRequestsException", "Rate Exceeded.", reason)


def _refuse(request: Request, request_id: str, refused: Refused) -> None:
    lines = f"x-amzn-ErrorType: {refused.kind}\r\n"
    if refused.status in (429, 500):
        lines += "Retry-After: 1\r\n"
    _reply(request, request_id, refused.status, refused.body(), lines)


def _reply(
    request: Request, request_id: str, status: int, body: bytes = b"", lines: str = ""
) -> None:
    lines += f"x-amzn-RequestId: {request_id}\r\nContent-Type: application/json\r\n"
    request.reply(status, lines, body)
