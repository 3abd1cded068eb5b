"""Events as their domain announces them: their types, public ids, and the body that is signed.

Whoever shows an event, and whoever signs it, makes its body here: it is the same text.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from backend.clock import rfc3339

EventType = Literal[
    "payment.succeeded",
    "payment.requires_capture",
    "payment.requires_action",
    "payment.failed",
    "payment.canceled",
    "payment.hold_released",
    "payment.refunded",
    "payment.capture_failed",
    "payment.cancel_failed",
    "payment.refund_failed",
    "payment.dispute_created",
    "payment.dispute_updated",
    "payment.dispute_closed",
    "payment.dispute_evidence_failed",
    "payment.dispute_acceptance_failed",
]
EventPattern = Literal[EventType, "payment.*", "*"]  # a type, all types of a domain, or all
TYPES: tuple[str, ...] = get_args(EventType)


class EventClock(Struct, frozen=True, kw_only=True):
    """A test clock, and its time at an event."""

    id: str
    now_ms: int


class Event(Struct, frozen=True, kw_only=True):
    """An event as its domain announces it; its id is its object's id, a dot and a number."""

    event_id: str
    name: str
    occurred_at_ms: int
    value: int | None = None
    properties: Mapping[str, Any] = {}
    sequence: int | None = None  # of its object's events; none in what older versions announced
    data: Mapping[str, Any] = {}  # what the object was right after the event
    clock: EventClock | None = None  # the test clock of its object

    @property
    def object_id(self) -> str:
        """The id of the object that it happened to."""
        return self.event_id.partition(".")[0]


def public_id(event_id: str) -> str:
    """Return the id of an event as clients see it."""
    object_id, _, number = event_id.partition(".")
    return f"evt_{object_id.partition('_')[2]}_{number}"


def body(event: Event) -> str:
    """Return the JSON of an event that is signed and shown."""
    domain = event.name.partition(".")[0]
    details = event.data or {"amount": event.value, **event.properties}
    data = {f"{domain}_id": event.object_id, **details}
    return body_of(event.name, data, at_ms=event.occurred_at_ms, sequence=event.sequence)


def body_of(
    event_type: str, data: Mapping[str, Any], *, at_ms: int, sequence: int | None = None
) -> str:
    """Return the JSON of what happened `at_ms`, as Standard Webhooks has it."""
    members: dict[str, Any] = {"type": event_type, "timestamp": rfc3339(at_ms)}
    if sequence is not None:
        members["sequence"] = sequence
    members["data"] = data
    return msgspec.json.encode(members).decode()


def matches(pattern: str, event_type: str) -> bool:
    """Tell whether a type of event is one of those that a pattern stands for."""
    if pattern.endswith(".*"):
        return event_type.startswith(pattern[:-1])
    return pattern in ("*", event_type)


def types_of(pattern: str) -> list[str]:
    """Return the types of events that a pattern stands for."""
    return [each for each in TYPES if matches(pattern, each)]
