"""The trace of a batch: the time on the queue, the batch with a link a message, the handler.

A message's own spans stand in the trace that it carries, so that this goes on behind the queue. The
batch stands there too if all its messages carry the same one, else in a trace of its own.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.lambda_service.invocation_spans import failed, handler_span
from local.template import Function
from local.traces.context import (
    TraceContext,
    header,
    new_span_id,
    new_trace_id,
    of_header,
    of_traceparent,
)
from local.traces.sampling import Recorder
from local.traces.span import Link, Span
from redis_sqs import Message, Typed

SERVICE = "worker"


@dataclass(slots=True)
class Handling:
    """An event on its way through a handler: the trace it is in, and what the invoker notes."""

    context: TraceContext  # that the handler's span is a child of
    span_id: str
    request_id: str = ""
    start_ns: int = 0  # epoch
    end_ns: int = 0
    is_cold: bool = False
    error: Mapping[str, Any] | None = None  # Lambda's

    @classmethod
    def begun(cls, context: TraceContext) -> "Handling":
        """Return the handling of an event that is a part of `context`."""
        return cls(context, new_span_id())

    @property
    def header(self) -> str:
        """Return what _X_AMZN_TRACE_ID is while the handler runs."""
        trace_id, is_sampled = self.context.trace_id, bool(self.context.is_sampled)
        return header(trace_id, self.span_id, is_sampled=is_sampled)

    def spans(self, function: Function, trigger: str) -> Iterator[Span]:
        """Yield the handler's span, if it has run."""
        if self.start_ns:
            faas = {
                "faas.invocation_id": self.request_id,
                "faas.trigger": trigger,
                "faas.coldstart": self.is_cold,
            }
            times_ns = (self.start_ns, self.end_ns or time.time_ns())
            span = handler_span(function, self.context, self.span_id, times_ns=times_ns, faas=faas)
            yield failed(span, self.error) if self.error is not None else span


def begin_run(recorder: Recorder) -> Handling:
    """Return the handling of a schedule's event, in a trace of its own."""
    now_s = time.time()
    context = TraceContext(new_trace_id(now_s), "", recorder.decide(None, now_s))
    return Handling.begun(context)


class BatchTrace:
    """The trace of one batch in hand."""

    def __init__(
        self, recorder: Recorder, queue: str, function: Function, batch: Sequence[Message]
    ) -> None:
        self._recorder = recorder
        self._queue = queue
        self._function = function
        self._batch = batch
        self._received_ns = time.time_ns()
        self._contexts = [_context_of(message) for message in batch]
        self._parent = _parent(self._contexts)
        self._is_sampled = _is_sampled(self._contexts, recorder)
        self._span_id = new_span_id()
        context = TraceContext(self._parent.trace_id, self._span_id, self._is_sampled)
        self.handling = Handling.begun(context)

    def ended(self, reasons: Mapping[str, str]) -> None:
        """Record the batch if it is traced, or a message has failed; `reasons` are by message."""
        if self._is_sampled or reasons:
            self._recorder.keep([*self._spans(reasons, time.time_ns())])

    def _spans(self, reasons: Mapping[str, str], end_ns: int) -> Iterator[Span]:
        links = [
            Link(trace_id=context.trace_id, span_id=context.parent_id)
            for context in self._contexts
            if context is not None and context.parent_id
        ]
        error = self.handling.error
        yield Span(
            trace_id=self._parent.trace_id,
            span_id=self._span_id,
            parent_id=self._parent.parent_id,
            name=f"receive {self._queue}",
            service=SERVICE,
            kind="consumer",
            start_ns=self._received_ns,
            end_ns=end_ns,
            is_error=error is not None,
            message=str(error.get("errorMessage", "")) if error is not None else "",
            attributes={
                **self._messaging("receive"),
                "messaging.batch.message_count": len(self._batch),
            },
            links=tuple(links),
        )
        yield from self.handling.spans(self._function, "pubsub")
        for message, context in zip(self._batch, self._contexts, strict=True):
            reason = reasons.get(message.message_id)
            wants = self._is_sampled if context is None else context.is_sampled is not False
            if reason is not None or (wants and self._is_sampled):
                yield from self._message_spans(message, context, reason, end_ns)

    def _message_spans(
        self, message: Message, context: TraceContext | None, reason: str | None, end_ns: int
    ) -> Iterator[Span]:
        """Yield the spans of a message in the trace that it carries, else in the batch's."""
        batch = TraceContext(self._parent.trace_id, self._span_id)
        is_elsewhere = context is not None and context.trace_id != batch.trace_id
        sender = context or batch
        attributes = {
            **self._messaging("process"),
            "messaging.message.id": message.message_id,
            "messaging.aws_sqs.receive_count": message.receive_count,
        }
        if message.receive_count == 1:
            yield Span(
                trace_id=sender.trace_id,
                span_id=new_span_id(),
                parent_id=sender.parent_id,
                name=f"wait on {self._queue}",
                service=self._queue,
                start_ns=min(message.sent_at_ms * 1_000_000, self._received_ns),
                end_ns=self._received_ns,
                attributes=attributes,
            )
        yield Span(
            trace_id=sender.trace_id,
            span_id=new_span_id(),
            parent_id=sender.parent_id if is_elsewhere else batch.parent_id,
            name=f"process {self._queue}",
            service=SERVICE,
            kind="consumer",
            start_ns=self._received_ns,
            end_ns=end_ns,
            is_error=reason is not None,
            message=reason or "",
            attributes=attributes,
            links=(Link(trace_id=batch.trace_id, span_id=self._span_id),) if is_elsewhere else (),
        )

    def _messaging(self, operation: str) -> dict[str, Any]:
        return {
            "messaging.system": "aws_sqs",
            "messaging.destination.name": self._queue,
            "messaging.operation.type": operation,
            "messaging.operation.name": operation,
        }


def _context_of(message: Message) -> TraceContext | None:
    """Return the trace that a message carries: W3C's attribute goes before AWS's."""
    sent = message.attributes.get("traceparent")
    text = sent.value if isinstance(sent, Typed) else sent
    context = of_traceparent(text) if isinstance(text, str) else None
    return context or of_header(message.system.get("AWSTraceHeader"))


def _parent(contexts: Sequence[TraceContext | None]) -> TraceContext:
    """Return the span that the batch is a part of; a new trace unless all carry the same."""
    first = contexts[0]
    if first is not None and all(each and each.trace_id == first.trace_id for each in contexts):
        return first
    return TraceContext(new_trace_id(time.time()))


def _is_sampled(contexts: Sequence[TraceContext | None], recorder: Recorder) -> bool:
    """Return whether any message is traced; where no sender has decided, whether to begin."""
    decisions = [each.is_sampled for each in contexts if each is not None]
    return any(decisions) or (
        not any(each is False for each in decisions) and recorder.decide(None)
    )
