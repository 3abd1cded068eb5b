"""The store of traces: its bounds, what it forgets first, and what is shown of it."""

from typing import Any

import psutil
import pytest

from local.traces.reading import BadQuery, detail, rows
from local.traces.span import SLOW, Link
from local.traces.store import SPANS_MAX, TRACE_BYTES_MAX, TraceStore
from tests.unit.local.traces.spans import START_NS, span, trace_id


def detail_of(store: TraceStore, text: str) -> dict[str, Any]:
    """Return the detail of a trace, which has to be there."""
    shown = detail(store, text)
    assert shown is not None
    return shown


def ids(store: TraceStore, **query: str) -> list[int]:
    return [int(row["id"], 16) for row in rows(store, query)["traces"]]


def test_the_oldest_ordinary_trace_is_forgotten_first():
    store = TraceStore(traces_max=4)
    store.add([span(1, is_error=True), span(2, attributes={SLOW: True}), span(3), span(4)])

    store.add([span(5)])
    store.add([span(6)])

    assert ids(store) == [6, 5, 2, 1]
    assert store.evicted == 2


def test_a_trace_that_fails_late_is_kept_as_long_as_one_that_failed_early():
    store = TraceStore(traces_max=2)
    store.add([span(1), span(2)])

    store.add([span(1, 2, is_error=True), span(3)])

    assert ids(store) == [3, 1]


def test_errors_do_not_take_all_the_room():
    store = TraceStore(traces_max=20)
    store.add(span(number, is_error=True) for number in range(1, 41))

    store.add(span(number) for number in range(41, 44))

    assert set(ids(store)) >= {42, 43}
    assert len(store) == 20


def test_memory_is_bounded_by_bytes():
    store = TraceStore(bytes_max=100_000)

    for number in range(1, 2_000):
        store.add([span(number, attributes={"a": "x" * 1_000})])

    assert store.size <= 100_000
    assert ids(store, limit="1") == [1_999]


def test_nothing_is_left_of_traces_that_are_forgotten():
    store = TraceStore(traces_max=1)
    store.add([span(1, attributes={"aws.request_id": "first"})])

    store.add([span(2)])

    assert store.find("first") is None
    assert store.size == sum(trace.size for trace in store.newest(bool))


def test_a_trace_takes_a_bounded_number_of_spans():
    store = TraceStore()

    refused = store.add(span(1, number) for number in range(1, SPANS_MAX + 11))

    assert refused == store.refused == 10
    assert rows(store, {})["traces"][0]["spans"] == SPANS_MAX


def test_a_trace_takes_a_bounded_number_of_bytes():
    store = TraceStore()

    refused = store.add(span(1, n, attributes={"a": "x" * 60_000}) for n in range(1, 100))

    assert refused > 0
    assert store.size <= TRACE_BYTES_MAX


def test_a_span_that_is_sent_twice_is_kept_once():
    store = TraceStore()

    assert store.add([span(1), span(1)]) == 0
    assert rows(store, {})["traces"][0]["spans"] == 1


def test_a_row_tells_of_the_span_that_began_it():
    store = TraceStore()
    store.add([span(1, 2, parent_id=f"{1:016x}", name="Pages", service="Pages")])
    attributes = {"http.route": "/p", "http.response.status_code": 502, "aws.request_id": "r-1"}
    store.add([span(1, 1, name="GET /p", attributes=attributes, is_error=True)])

    row = rows(store, {})["traces"][0]

    assert row == {
        "id": trace_id(1),
        "start_ms": (START_NS + 1_000_000_000) / 1e6,
        "name": "GET /p",
        "route": "/p",
        "status": 502,
        "duration_ms": 1.0,
        "error": True,
        "slow": False,
        "services": ["Pages", "gateway"],
        "spans": 2,
        "request_id": "r-1",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"route": "/1"}, [1]),
        ({"status": "500"}, [2]),
        ({"status": "5xx"}, [2]),
        ({"status": "error"}, [3, 2]),
        ({"status": "404"}, []),
        ({"min_ms": "5"}, [3]),
        ({"text": "WORKER"}, [3]),
        ({"text": trace_id(2)}, [2]),
        ({"limit": "2"}, [3, 2]),
        ({"limit": "0"}, [3]),
        ({"unknown": "x"}, [3, 2, 1]),
    ],
)
def test_a_list_has_the_newest_that_fit(query, expected):
    store = TraceStore()
    failed = {"http.response.status_code": 500}
    store.add([span(1), span(2, attributes=failed, is_error=True)])
    end_ns = START_NS + 3_010_000_000
    store.add([span(3, service="Worker", is_error=True, end_ns=end_ns)])

    assert ids(store, **query) == expected


def test_a_list_can_be_without_the_schedules_that_went_well():
    store = TraceStore()
    by_the_clock = {"faas.trigger": "timer"}
    store.add([span(1), span(2, attributes=by_the_clock)])
    store.add([span(3, attributes=by_the_clock, is_error=True)])

    assert ids(store, schedules="no") == [3, 1]
    assert ids(store) == [3, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        *({"status": "9xx"}, {"status": "<b>"}, {"limit": "-1"}, {"limit": "9999999"}),
        *({"min_ms": "1.5"}, {"min_ms": "\u0661"}, {"text": "x" * 201}, {"schedules": "yes"}),
    ],
)
def test_a_query_that_cannot_be_used_is_refused_by_name(query):
    with pytest.raises(BadQuery, match=next(iter(query))):
        rows(TraceStore(), query)


def test_spans_are_told_in_the_order_of_a_tree():
    store = TraceStore()
    store.add(
        [
            span(1, 4, parent_id=f"{2:016x}", start_ns=START_NS + 4),
            span(1, 3, parent_id=f"{1:016x}", start_ns=START_NS + 5),
            span(1, 2, parent_id=f"{1:016x}", start_ns=START_NS + 3),
            span(
                1,
                1,
                parent_id=f"{9:016x}",
                start_ns=START_NS,
                links=(Link(trace_id=trace_id(7), span_id=f"{1:016x}"),),
            ),
        ]
    )

    shown = detail_of(store, trace_id(1))

    order = [(int(each["id"], 16), each["depth"]) for each in shown["trace_spans"]]
    assert order == [(1, 0), (2, 1), (4, 2), (3, 1)]
    assert shown["linked"] == [trace_id(7)]
    assert shown["xray_id"] == "1-00000000-000000000000000000000001"


def test_spans_that_go_in_a_circle_are_told_too():
    store = TraceStore()
    store.add([span(1, 1, parent_id=f"{2:016x}"), span(1, 2, parent_id=f"{1:016x}")])

    assert len(detail_of(store, trace_id(1))["trace_spans"]) == 2


def test_a_trace_is_known_by_the_request_and_by_the_form_of_aws():
    store = TraceStore()
    store.add([span(1, attributes={"aws.request_id": "r-1"})])

    for text in (trace_id(1), "Root=1-00000000-000000000000000000000001", "r-1"):
        assert detail_of(store, text)["id"] == trace_id(1)
    assert detail(store, "nobody") is None


def test_traces_take_about_the_memory_that_is_counted():
    process, store = psutil.Process(), TraceStore()
    before = process.memory_info().rss
    for number in range(4_000):
        store.add([span(number, attributes={"url.path": "/payments" * 20})])

    assert process.memory_info().rss - before < 2 * store.size
