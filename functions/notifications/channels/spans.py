"""The spans of a batch that a channel sends: one for each notification, in the trace it came by."""

from collections.abc import Callable, Sequence

from backend import tracing
from backend.telemetry import trace_of
from notifications.answers import Accepted, Answer
from notifications.schema import Notification


def around(
    batch: Sequence[Notification],
    name: str,
    attributes: tracing.Attributes,
    send: Callable[[], list[Answer]],
) -> list[Answer]:
    """Return the answers of `send`, and record how long each of the batch took to be answered."""
    if not tracing.is_recording():
        return send()
    spans = [_start(each, name, attributes) for each in batch]
    answers = send()
    for span, answer in zip(spans, answers, strict=True):
        if span:
            span.end("" if isinstance(answer, Accepted) else type(answer).__name__)
    return answers


def trace_in_hand(notification: Notification) -> str:
    """Return the trace of a notification's message, or else the one that its document keeps."""
    return trace_of(notification.id, notification.trace or "")


def _start(
    notification: Notification, name: str, attributes: tracing.Attributes
) -> tracing.Span | None:
    own = {**attributes, "spillway.notification.id": notification.id}
    return tracing.start(name, own, trace=trace_in_hand(notification))
