"""Spans for tests, of which most members do not matter."""

from typing import Any

from local.traces.span import Span

START_NS = 1_732_966_000_000_000_000


def trace_id(number: int) -> str:
    return f"{number:032x}"


def span(number: int = 1, span_id: int = 1, **members: Any) -> Span:
    """Return a span of trace `number` that begins `number` seconds after START_NS for 1 ms."""
    start_ns = members.pop("start_ns", START_NS + number * 1_000_000_000)
    return Span(
        **{
            "trace_id": trace_id(number),
            "span_id": f"{span_id:016x}",
            "name": f"GET /{number}",
            "service": "gateway",
            "start_ns": start_ns,
            "end_ns": start_ns + 1_000_000,
            **members,
        }
    )
