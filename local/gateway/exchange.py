"""One request on its way through an API: route, key, throttle, authorizer, function, answer.

The differences of REST APIs and HTTP APIs stand in their dialects.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

import orjson

from local.gateway import responses
from local.gateway.access_log import access_line
from local.gateway.authorizer import RequestAuthorizer
from local.gateway.events import Context, Stage, method_arn
from local.gateway.policy import Grant
from local.gateway.responses import Refusal
from local.gateway.results import MalformedResponse
from local.gateway.target import Answer, Slot, Target
from local.gateway.usage import Keys
from local.gateway.variables import Situation, Text
from local.http.request import Request, no_reply
from local.lambda_service.buffered_log import BufferedLog
from local.lambda_service.dispatch import End, Invocation, Outcome
from local.lambda_service.metrics import RouteMeter
from local.lambda_service.output import FunctionOutput
from local.runtime.frames import dumps
from local.template import ApiKey, Function
from local.traces.context import header

# Row 1.38, payload sizes: Lambda's limit on an event; a body, escaped, reaches it before 10 MB.
EVENT_MAX_BYTES = 6 * 1024 * 1024
METHOD_ARN_MAX_BYTES = 1600  # row 1.37, of an authorizer's method ARN

REPEATABLE = ("PUT", "DELETE")  # by RFC 9110, 9.2.2; others by their Idempotency-Key
CLIENT_GONE = 499  # nginx's number for a client that closed before its answer

_REFUSAL_OF_END = {
    End.ERROR: responses.FUNCTION_ERROR,
    End.EXPIRED: responses.OVERLOADED,
    End.THROTTLED: responses.FUNCTION_THROTTLED,
    End.TIMED_OUT: responses.TIMED_OUT,
}


class Dialect(Protocol):
    """The differences between a REST API and an HTTP API."""

    stage: Stage

    def path(self, request: Request) -> str:
        """Return the path by which `request` is routed."""

    def event(self, exchange: "Exchange", payload: str) -> dict[str, Any]:
        """Return the event of the function, in that format."""

    def answer(self, exchange: "Exchange", result: Any) -> Answer:
        """Return the answer that a handler returned. Raises MalformedResponse."""

    def refusal(self, refusal: Refusal, situation: Situation) -> Answer:
        """Return the gateway's own answer."""

    def identifiers(self, context: Context) -> str:
        """Return the header lines that every answer has."""

    def unrouted(self, request: Request) -> Answer | None:
        """Return the answer to a request without route, None where it is refused."""


class Router(Protocol):
    """The finder of the route of a request."""

    def match(self, method: str, path: str) -> tuple[Target, dict[str, str] | None] | None:
        """Return the target of `method` on `path` with its path parameters (None without any)."""


class Tracer(Protocol):
    """The choice of the requests that are traced, and the place of their spans."""

    def decide(self, wish: bool | None, epoch_s: float) -> bool:
        """Return whether a request is traced that begins now; `wish` is the client's."""

    def ended(self, exchange: "Exchange", status: int, ended_s: float) -> bool:
        """Take a request that is answered, or whose client has gone; return whether it is kept."""


@dataclass(slots=True, kw_only=True)
class Shared:
    """The parts that all exchanges of an API share."""

    dialect: Dialect
    router: Router
    keys_by_header: bool  # else the authorizer tells them
    unrouted: RouteMeter
    access_log: BufferedLog
    log_line: Text | None  # the template's wording of a line of the access log
    output: FunctionOutput
    # Each that ended, with its time and whether its trace is kept.
    record: Callable[["Exchange", Answer, float, bool], None]
    tracer: Tracer
    in_flight: int = 0


class Exchange:
    """A request and what has become known of it."""

    __slots__ = (
        "_shared",
        "_slot",
        "asked_s",
        "authorized_s",
        "context",
        "grant",
        "invocation",
        "is_traced",
        "key",
        "mapped",
        "method_arn",
        "parameters",
        "path",
        "question",
        "refusal",
        "request",
        "started_s",
        "target",
    )

    def __init__(self, shared: Shared, request: Request) -> None:
        self._shared = shared
        self._slot: Slot | None = None
        self.started_s = 0.0
        self.request = request
        self.context = context = Context(request.fields, time.time())
        self.is_traced = shared.tracer.decide(context.incoming.is_sampled, context.epoch_s)
        self.invocation: Invocation | None = None
        self.mapped: tuple[Invocation, Function] | None = None  # of an integration by mapped events
        self.question: tuple[Invocation, Function] | None = None  # to the authorizer
        self.asked_s = 0.0  # when the authorizer was; the monotonic clock, as the next
        self.authorized_s = 0.0
        self.path = ""
        self.target: Target | None = None
        self.parameters: dict[str, str] | None = None
        self.method_arn = ""
        self.grant: Grant | None = None  # the authorizer's
        self.key: ApiKey | None = None
        self.refusal: Refusal | None = None  # what is answered instead

    @property
    def meter(self) -> RouteMeter:
        """Return the meter of the route."""
        return self.target.meter if self.target else self._shared.unrouted

    @property
    def inner_trace(self) -> str:
        """Return the trace as what the route calls gets it, with its own span for a parent."""
        trace_id, span_id = self.context.incoming.trace_id, self.context.handler_span_id
        return header(trace_id, span_id, is_sampled=self.is_traced)

    @property
    def scopes(self) -> tuple[str, ...]:
        """Return the scopes of which a JSON Web Token has to have one, where there are any."""
        return self.target.scopes if self.target else ()

    def begin(self) -> None:
        """Find the route; then refuse the request, or go on with it."""
        shared, request = self._shared, self.request
        self.path = shared.dialect.path(request)
        match = shared.router.match(request.method, self.path)
        if match is None:
            self._unrouted()
            return
        self.target, self.parameters = match
        target = self.target
        if (
            target.keys is not None
            and shared.keys_by_header
            and not self._use_key(target.keys, request.fields.get("x-api-key"))
        ):
            return
        if target.bucket is not None and not target.bucket.take(monotonic()):
            self.refuse(responses.THROTTLED)
        elif target.authorizer is None:
            self._admit(target)
        else:
            self._ask(target.authorizer)

    def drop(self) -> None:
        """Note that the client has gone: an event that has not started never will."""
        self._note(CLIENT_GONE, "", b"")
        if self.invocation is not None:
            assert self.target is not None
            assert self.target.pool is not None
            self.target.pool.abandon(self.invocation)

    def refuse(self, refusal: Refusal) -> None:
        """Answer in the gateway's own words."""
        self.refusal = refusal
        self._reply(*self._shared.dialect.refusal(refusal, self.situation()))

    def answer(self, status: int, lines: str, body: bytes) -> None:
        """Answer in the words of an integration; `lines` are header lines, each with its CRLF."""
        self._reply(status, lines + self._shared.dialect.identifiers(self.context), body)

    def event(self, payload: str) -> dict[str, Any]:
        """Return the event of the function as far as it is known, in that format."""
        return self._shared.dialect.event(self, payload)

    def situation(self, **more: int) -> Situation:
        """Return the values that variables can name."""
        target, grant, key, refusal = self.target, self.grant, self.key, self.refusal
        return Situation(
            request=self.request,
            context=self.context,
            stage=self._shared.dialect.stage.name,
            resource=target.path if target else "",
            route_key=target.key if target else "",
            error_message=refusal.message if refusal else None,
            error_type=refusal.kind if refusal else "",
            invalid=refusal.reason if refusal else "",
            caller=grant.caller if grant else {},
            key_id=key.id if key else "",
            **more,
        )

    def _unrouted(self) -> None:
        answer = self._shared.dialect.unrouted(self.request)
        if answer is None:
            self.refuse(responses.NO_ROUTE)
        else:
            self._reply(*answer)

    def _use_key(self, keys: Keys, value: str | None) -> bool:
        """Return whether the request may go on with the API key of that value."""
        assert self.target is not None
        key = keys.use(value, self.target.path, self.target.method, monotonic())
        if isinstance(key, Refusal):
            self.refuse(key)
            return False
        self.key = key
        return True

    def _ask(self, authorizer: RequestAuthorizer) -> None:
        arn = method_arn(self._shared.dialect.stage.name, self.request.method, self.path)
        if len(arn) > METHOD_ARN_MAX_BYTES:
            self.refuse(responses.ARN_TOO_LONG)
            return
        self.method_arn = arn
        self.asked_s = monotonic()
        authorizer.authorize(self, self._authorized)

    def _authorized(self, answer: Grant | Refusal) -> None:
        target = self.target
        assert target is not None
        self.authorized_s = monotonic()
        if isinstance(answer, Refusal):
            self.refuse(answer)
            return
        if self.request.reply is no_reply:
            return
        self.grant = answer
        if (
            target.keys is None
            or self._shared.keys_by_header
            or self._use_key(target.keys, answer.usage_key)
        ):
            self._admit(target)

    def _admit(self, target: Target) -> None:
        if target.validator is not None and (refusal := target.validator.refusal(self)):
            self.refuse(refusal)
            return
        if target.caller is not None:
            self.started_s = monotonic()
            target.caller.serve(self)
            return
        if target.pool is None:
            assert target.fixed is not None
            self.answer(*target.fixed)
            return
        event = _json(self._shared.dialect.event(self, target.payload))
        if len(event) > EVENT_MAX_BYTES:
            self.refuse(responses.TOO_LARGE)
            return
        context = self.context
        self.started_s = monotonic()
        self.invocation = Invocation(
            context.invocation_id, self.inner_trace, event, self._ended, target.patience_s
        )
        self.invocation.span_id = context.handler_span_id
        if self.grant is not None:
            self.invocation.caller = self.grant.name
        elif self.key is not None:
            self.invocation.caller = self.key.id
        self.invocation.is_repeatable = is_repeatable(self.request)
        slot = target.slot
        if slot is not None and not slot.is_taken:
            slot.is_taken = self.invocation.has_slot = True
            self._slot = slot
        target.pool.invoke(self.invocation, self.started_s)

    def _ended(self, outcome: Outcome) -> None:
        if outcome.end is not End.RESULT:
            self.refuse(_REFUSAL_OF_END[outcome.end])
            return
        try:
            status, lines, body = self._shared.dialect.answer(self, outcome.result)
        except MalformedResponse as error:
            self._shared.output.failed(
                self._function(), self.context.invocation_id, {"errorMessage": str(error)}
            )
            self.refuse(responses.FUNCTION_ERROR)
            return
        self._reply(status, lines, body)

    def _function(self) -> str:
        assert self.target is not None
        assert self.target.pool is not None
        return self.target.pool.function.logical_id

    def _reply(self, status: int, lines: str, body: bytes) -> None:
        request = self.request
        if request.reply is no_reply:
            return
        request.reply(status, lines, body)
        request.dropped = None
        self._note(status, lines, body)

    def _note(self, status: int, lines: str, body: bytes) -> None:
        """Count the request and log it, once."""
        shared, target = self._shared, self.target
        shared.in_flight -= 1
        if self._slot is not None:
            self._slot.is_taken = False
        now_s = monotonic()
        latency_s = now_s - self.request.received_s
        integration_s = now_s - self.started_s if self.started_s else 0.0
        self.meter.answered(status, latency_s)
        is_traced = shared.tracer.ended(self, status, now_s)
        if shared.log_line is None:
            line = access_line(
                self.request,
                self.context,
                resource=target.path if target else "-",
                status=status,
                length=len(body),
                latency_s=latency_s,
                integration_s=integration_s,
            )
        else:
            situation = self.situation(
                status=status,
                length=len(body),
                latency_ms=int(latency_s * 1000),
                integration_ms=int(integration_s * 1000),
            )
            line = f"{shared.log_line(situation)}\n".encode("utf-8", "replace")
        shared.access_log.append(line)
        shared.record(self, (status, lines, body), now_s, is_traced)


def is_repeatable(request: Request) -> bool:
    """Return whether a request is a write that does the same when it is sent again."""
    method = request.method
    return method in REPEATABLE or (method != "GET" and "idempotency-key" in request.fields)


def _json(event: object) -> bytes:
    try:
        return orjson.dumps(event)
    except orjson.JSONEncodeError:  # an authorizer's context may have whole numbers beyond 64 bits
        return dumps(event)
