"""A trace in a terminal."""

from typing import Any

import pytest

from local.traces.reading import detail
from local.traces.span import Link
from local.traces.store import TraceStore
from local.traces.waterfall import lines
from tests.unit.local.traces.spans import START_NS, span, trace_id

MS = 1_000_000


def shown(*spans: Any, width: int = 100) -> list[str]:
    store = TraceStore()
    store.add(spans)
    trace = detail(store, trace_id(1))
    assert trace is not None
    return [*lines(trace, width)]


def at(start_ms: int, end_ms: int, span_id: int, parent: int = 0, **members: Any) -> Any:
    times = {"start_ns": START_NS + start_ms * MS, "end_ns": START_NS + end_ms * MS}
    parent_id = f"{parent:016x}" if parent else ""
    return span(1, span_id, parent_id=parent_id, **times, **members)


def test_each_span_has_a_bar_where_it_was():
    attributes = {"http.response.status_code": 502}
    written = shown(
        at(0, 100, 1, name="GET /a", attributes=attributes, is_error=True),
        at(50, 100, 2, 1, name="Pages", service="Pages", is_error=True, message="Boom: no"),
        at(0, 0, 3, 2, name="at once", service="Pages"),
    )

    assert written == [
        "GET /a  100.0 ms  status 502, error, 3 spans",
        f"trace {trace_id(1)} (1-00000000-000000000000000000000001)",
        "",
        "gateway: GET /a status_code=502                100.0 ms  " + "▓" * 43,
        "  Pages                                         50.0 ms  " + " " * 21 + "▓" * 22,
        "    ! Boom: no",
        "    Pages: at once                               0.0 ms  ▏",
    ]


@pytest.mark.parametrize("width", [1, 60, 300])
def test_names_of_strangers_are_cut_and_steer_no_terminal(width):
    written = shown(
        at(
            0,
            2_500,
            1,
            name="\x1b[2J" + "x" * 500,
            service="a\nb",
            is_error=True,
            message="\r" * 999,
        ),
        *(at(1, 2, number, number - 1, name="deep") for number in range(2, 60)),
        width=width,
    )

    assert all(line.isprintable() for line in written)
    assert all(len(line) <= max(width, 60) for line in written[3:])
    assert "2.50 s" in written[3]


def test_linked_traces_are_named():
    link = Link(trace_id=trace_id(7), span_id=f"{1:016x}")

    assert shown(at(0, 1, 1, links=(link,)))[-1] == f"linked with trace {trace_id(7)}"
