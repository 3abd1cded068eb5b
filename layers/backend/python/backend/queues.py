"""The queues of this backend: `redis_sqs` with the carrier that the settings name.

What is sent carries its trace on: as X-Ray's header, and where the trace is sampled also as the
message attribute `traceparent`, by which OpenTelemetry reads it.
"""

from collections.abc import Sequence
from typing import Any, cast

from backend import tracing
from backend.settings import settings
from backend.tracing import SAMPLED, Kind
from redis_sqs import NO_ATTRIBUTES, Attributes, Depth, Message, Queue, QueueFull, QueueUnavailable
from redis_sqs.carrier import Carrier

__all__ = ["Depth", "Message", "Queue", "QueueFull", "QueueUnavailable", "connect"]

MARKED_BODY_MAX = 200_000  # characters; a larger message might be too large with one attribute more

carrier = Carrier(
    kind=settings.queue_backend,
    redis_url=settings.redis_url,
    region=settings.aws_region,
    depth_max=settings.queue_depth_max,
    disorder=settings.queue_disorder,
)


def connect(url: str) -> Queue:
    """Return the queue at `url`; it connects at its first call, so also before a fork."""
    return cast(Queue, _TracedQueue(carrier.connect(url)))


class _TracedQueue:
    """Sends as `queue` does; a sampled trace goes on below a span of the sending."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.name = queue.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    def send(self, body: str, *, trace: str = "", **options: Any) -> str:
        if SAMPLED not in trace:
            return self._queue.send(body, trace=trace, **options)
        return self._send_traced([body], [trace], options)[0]

    def send_batch(
        self, bodies: Sequence[str], *, traces: Sequence[str] = (), **options: Any
    ) -> list[str]:
        if not any(SAMPLED in each for each in traces):
            return self._queue.send_batch(bodies, traces=traces, **options)
        return self._send_traced(bodies, traces, options)

    def _send_traced(
        self, bodies: Sequence[str], traces: Sequence[str], options: dict[str, Any]
    ) -> list[str]:
        """Send messages of which some are in a sampled trace: one span for those of the same."""
        counts = {each: traces.count(each) for each in dict.fromkeys(traces)}
        spans = {each: self._start(each, count) for each, count in counts.items()}
        continued = [span.trace if (span := spans[each]) else each for each in traces]
        marks = [_mark(*each) for each in zip(bodies, continued, strict=True)]
        error = ""
        try:
            with tracing.below(next(filter(None, spans.values()), None)):
                return self._queue.send_batch(bodies, traces=continued, attributes=marks, **options)
        except QueueUnavailable as failure:
            error = type(failure).__name__
            raise
        finally:
            for span in filter(None, spans.values()):
                span.end(error)

    def _start(self, trace: str, count: int) -> tracing.Span | None:
        attributes: dict[str, str | int] = {
            "messaging.system": "aws_sqs",
            "messaging.destination.name": self.name,
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
        }
        if count > 1:
            attributes["messaging.batch.message_count"] = count
        return tracing.start(f"send {self.name}", attributes, kind=Kind.PRODUCER, trace=trace)


def _mark(body: str, trace: str) -> Attributes:
    """Return the attribute by which OpenTelemetry continues a trace that is sampled."""
    if SAMPLED not in trace or len(body) > MARKED_BODY_MAX:
        return NO_ATTRIBUTES
    traceparent = tracing.traceparent_of(trace)
    return {"traceparent": traceparent} if traceparent else NO_ATTRIBUTES
