"""The spans of one invocation, made of its times when it has ended.

Names and attributes are those of OpenTelemetry's conventions for functions (`faas.*`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from time import monotonic
from typing import Any

from local.lambda_service.dispatch import End, Invocation, Outcome
from local.template import Function
from local.traces.context import TraceContext, header, new_span_id, new_trace_id, of_header
from local.traces.sampling import Clock, Recorder
from local.traces.span import SLOW_S, Event, Span

WAITED_MIN_S = 0.000_5  # a shorter wait is none: an environment was idle
TEXT_MAX_CHARS = 4_000  # of an error's message, and of its stack


def invocation_spans(
    invocation: Invocation, function: Function, context: TraceContext, trigger: str, clock: Clock
) -> Iterator[Span]:
    """Yield the spans of the wait for an environment, of its start, and of the handler.

    `context` is the span that all of them are children of.
    """
    name = function.logical_id
    ended_s = invocation.ended_s or monotonic()
    begun_s = invocation.started_s or ended_s
    outcome = invocation.outcome
    if outcome is not None and outcome.end is End.THROTTLED:
        yield throttled_span(context, name, clock.ns(ended_s), outcome.end.value)
        return
    wait = _child(context, name, "wait for an environment", clock.ns(invocation.queued_s))
    if not invocation.started_s:  # its time was over, or whoever waited has gone
        message = outcome.end.value if outcome else "nobody waits any more"
        yield replace(wait, end_ns=clock.ns(ended_s), is_error=True, message=message)
        return
    if begun_s - invocation.queued_s > WAITED_MIN_S:
        yield replace(wait, end_ns=clock.ns(begun_s))
    if invocation.init and invocation.init[0] >= invocation.queued_s:
        since_s, init_ms = invocation.init
        init = _child(context, name, f"init {name}", clock.ns(since_s - init_ms / 1000))
        yield replace(init, end_ns=clock.ns(since_s), attributes={"faas.coldstart": True})
    handled = handler_span(
        function,
        context,
        invocation.span_id,
        times_ns=(clock.ns(begun_s), clock.ns(ended_s)),
        faas={
            "faas.invocation_id": invocation.request_id,
            "faas.trigger": trigger,
            "faas.coldstart": invocation.init is not None,
        },
    )
    error = _error_of(outcome)
    yield handled if error is None else failed(handled, error)


def handler_span(
    function: Function,
    context: TraceContext,
    span_id: str,
    *,
    times_ns: tuple[int, int],
    faas: Mapping[str, Any],
) -> Span:
    """Return the span of a handler with an event in hand."""
    return Span(
        trace_id=context.trace_id,
        span_id=span_id,
        parent_id=context.parent_id,
        name=function.logical_id,
        service=function.logical_id,
        kind="server",
        start_ns=times_ns[0],
        end_ns=times_ns[1],
        attributes={
            "faas.name": function.name,
            "faas.max_memory": function.memory_mb * 2**20,
            **faas,
        },
    )


def failed(span: Span, error: Mapping[str, Any]) -> Span:
    """Return the span of a handler that ended with Lambda's error object."""
    kind, text = str(error.get("errorType", "")), str(error.get("errorMessage", ""))
    stack = "".join(map(str, error.get("stackTrace") or ()))
    exception = {
        "exception.type": kind,
        "exception.message": text[:TEXT_MAX_CHARS],
        "exception.stacktrace": stack[:TEXT_MAX_CHARS],
    }
    return replace(
        span,
        is_error=True,
        message=f"{kind}: {text}"[:TEXT_MAX_CHARS] if kind else text[:TEXT_MAX_CHARS],
        attributes={**span.attributes, "error.type": kind or "_OTHER"},
        events=(Event(name="exception", at_ns=span.end_ns, attributes=exception),),
    )


def throttled_span(context: TraceContext, service: str, at_ns: int, reason: str) -> Span:
    """Return the span of a refusal by a limit: it takes no time."""
    return replace(
        _child(context, service, "throttled", at_ns), end_ns=at_ns, is_error=True, message=reason
    )


def _child(context: TraceContext, service: str, name: str, start_ns: int) -> Span:
    return Span(
        trace_id=context.trace_id,
        span_id=new_span_id(),
        parent_id=context.parent_id,
        name=name,
        service=service,
        start_ns=start_ns,
        end_ns=start_ns,
    )


def _error_of(outcome: Outcome | None) -> Mapping[str, Any] | None:
    """Return Lambda's error object; None where the handler has returned, or nobody waits."""
    if outcome is None or outcome.end is End.RESULT:
        return None
    return outcome.error or {"errorType": outcome.end.name, "errorMessage": outcome.end.value}


class TracedEvent:
    """The trace of one event that comes without a request: by the Invoke API, or asynchronously."""

    def __init__(self, recorder: Recorder, epoch_s: float, incoming: str = "") -> None:
        context = of_header(incoming) or TraceContext(new_trace_id(epoch_s))
        is_sampled = recorder.decide(context.is_sampled, epoch_s)
        self._context = context._replace(is_sampled=is_sampled)
        self._recorder = recorder
        self.span_id = new_span_id()  # of the handler
        self.header = header(context.trace_id, self.span_id, is_sampled=is_sampled)

    def ended(self, invocation: Invocation, function: Function, trigger: str) -> None:
        """Record the invocation if it is traced, was slow or has not ended well."""
        outcome = invocation.outcome
        is_slow = invocation.ended_s - invocation.queued_s > SLOW_S
        has_failed = outcome is None or outcome.end is not End.RESULT
        if self._context.is_sampled or is_slow or has_failed:
            context, clock = self._context, Clock()
            self._recorder.keep([*invocation_spans(invocation, function, context, trigger, clock)])
