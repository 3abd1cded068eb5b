"""The spans of one request, made of its times when it is answered.

Nothing is made for a request that is not traced, unless it has failed or was slow.
"""

from collections.abc import Iterator
from typing import Any

from local.gateway.events import split_target
from local.gateway.exchange import Exchange
from local.gateway.responses import QUOTA_EXCEEDED, THROTTLED
from local.lambda_service.invocation_spans import invocation_spans, throttled_span
from local.traces.context import TraceContext, new_span_id
from local.traces.sampling import Clock, Recorder
from local.traces.span import SLOW, SLOW_S, Span

SERVICE = "gateway"
# A route's usual time is the mean of its last requests, each weighted by this much.
NEWEST_WEIGHT = 0.02
SLOW_FACTOR = 3
SLOW_MIN_S = 0.02  # nobody notices what is three times as slow as usual, and faster than this
# Requests a second that are kept because they took longer than usual: at the edge of what a machine
# can do, one in twenty does.
SLOWER_PER_S = 10
# OpenTelemetry's; any other method is _OTHER, so that nobody makes names without end.
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}


class RequestTracer:
    """The choice of the requests that are traced, and their spans."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.decide = recorder.decide
        self._second = 0
        self._slower = 0  # requests of this second that took longer than usual

    def ended(self, exchange: Exchange, status: int, ended_s: float) -> bool:
        """Keep the spans of an answered request that is traced, has failed or was slow.

        Returns whether they are kept.
        """
        latency_s = ended_s - exchange.request.received_s
        is_slow = self._is_slow(exchange, latency_s, ended_s)
        if not (exchange.is_traced or is_slow or status >= 500):
            return False
        self._recorder.keep([*request_spans(exchange, status, ended_s, is_slow=is_slow)])
        exchange.meter.durations.exemplify(latency_s, exchange.context.incoming.trace_id)
        return True

    def _is_slow(self, exchange: Exchange, latency_s: float, now_s: float) -> bool:
        meter = exchange.meter
        usual_s = meter.usual_s or latency_s
        meter.usual_s = usual_s + (latency_s - usual_s) * NEWEST_WEIGHT
        if latency_s < SLOW_MIN_S or latency_s <= SLOW_FACTOR * usual_s:
            return latency_s > SLOW_S
        if int(now_s) != self._second:
            self._second, self._slower = int(now_s), 0
        self._slower += 1
        return latency_s > SLOW_S or self._slower <= SLOWER_PER_S


def request_spans(
    exchange: Exchange, status: int, ended_s: float, *, is_slow: bool
) -> Iterator[Span]:
    """Yield the spans of a request: its own, the authorizer's, a throttle's and its function's."""
    clock = Clock()
    span = _request_span(exchange, status, clock.ns(ended_s), clock, is_slow=is_slow)
    yield span
    inner = TraceContext(span.trace_id, span.span_id)
    if exchange.asked_s:
        yield from _authorizer_spans(exchange, inner, ended_s, clock)
    if exchange.refusal in (THROTTLED, QUOTA_EXCEEDED):
        yield throttled_span(inner, SERVICE, span.end_ns, exchange.refusal.kind)
    invocation, target = exchange.invocation, exchange.target
    if exchange.mapped is not None:
        yield from invocation_spans(*exchange.mapped, inner, "http", clock)
    elif invocation is not None and target is not None and target.pool is not None:
        yield from invocation_spans(invocation, target.pool.function, inner, "http", clock)
    elif target is not None and target.caller is not None and exchange.started_s:
        yield _integration_span(exchange, target.caller.place, span, clock)


def _request_span(
    exchange: Exchange, status: int, end_ns: int, clock: Clock, *, is_slow: bool
) -> Span:
    request, context, target = exchange.request, exchange.context, exchange.target
    method = request.method if request.method in METHODS else "_OTHER"
    attributes: dict[str, Any] = {
        "http.request.method": method,
        "http.response.status_code": status,
        "url.path": split_target(request.target)[0],
        "url.scheme": "http",
        "client.address": request.peer,
        "aws.request_id": context.request_id,
    }
    if method == "_OTHER":
        attributes["http.request.method_original"] = request.method
    if target is not None:
        attributes["http.route"] = target.path
    if agent := request.fields.get("user-agent"):
        attributes["user_agent.original"] = agent
    if status >= 500:
        attributes["error.type"] = str(status)
    if is_slow:
        attributes[SLOW] = True
    return Span(
        trace_id=context.incoming.trace_id,
        span_id=context.span_id,
        parent_id=context.incoming.parent_id,
        name=f"{method} {target.path}" if target is not None else method,
        service=SERVICE,
        kind="server",
        start_ns=clock.ns(request.received_s),
        end_ns=end_ns,
        is_error=status >= 500,
        message=(exchange.refusal.message or "") if exchange.refusal and status >= 500 else "",
        attributes=attributes,
    )


def _integration_span(exchange: Exchange, place: str, request: Span, clock: Clock) -> Span:
    """Return the span of a call of a service, or of what else is no function."""
    return Span(
        trace_id=request.trace_id,
        span_id=exchange.context.handler_span_id,
        parent_id=request.span_id,
        name=place,
        service=SERVICE,
        kind="client",
        start_ns=clock.ns(exchange.started_s),
        end_ns=request.end_ns,
        is_error=request.is_error,
        message=request.message,
    )


def _authorizer_spans(
    exchange: Exchange, request: TraceContext, ended_s: float, clock: Clock
) -> Iterator[Span]:
    question = exchange.question
    span_id = new_span_id()
    yield Span(
        trace_id=request.trace_id,
        span_id=span_id,
        parent_id=request.parent_id,
        name="authorizer",
        service=SERVICE,
        start_ns=clock.ns(exchange.asked_s),
        end_ns=clock.ns(exchange.authorized_s or ended_s),
        attributes={"spillway.authorizer.was_invoked": question is not None},
    )
    if question is not None:
        invocation, function = question
        inner = TraceContext(request.trace_id, span_id)
        yield from invocation_spans(invocation, function, inner, "http", clock)
