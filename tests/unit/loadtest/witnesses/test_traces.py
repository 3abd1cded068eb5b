"""The traces of the slowest arrivals: what is asked of a console, and what a report shows."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from loadtest.generator.journal import Journal
from loadtest.generator.profile import Phase, Profile, schedule
from loadtest.generator.scenarios import Requests, Workload, workload
from loadtest.generator.tracing import trace_id
from loadtest.reporting.traces_html import waterfalls
from loadtest.witnesses.api import Api
from loadtest.witnesses.traces import slowest

RUN = "20261130t120000abcd"
PROFILE = Profile("one", (Phase(name="peak", duration_s=5, rate_per_s=500),))
SPAN = {
    "depth": 1,
    "name": "POST <b>/charges</b>",
    "service": "PaymentsWorker",
    "start_ms": 1.5,
    "duration_ms": 20.25,
    "error": True,
}


@pytest.fixture(scope="module")
def work() -> Workload:
    return workload(schedule(PROFILE))


@pytest.fixture
def journal(work: Workload) -> Journal:
    """Of the three traced arrivals the second took longest, the third was never answered."""
    journal = Journal(len(work))
    for index, latency_s in {0: 0.01, 1000: 0.5}.items():
        journal.done_s[index] = work.schedule.due_s[index] + latency_s
    return journal


class Console(ThreadingHTTPServer):
    """A console that has one trace, of the slower arrival."""

    def __init__(self) -> None:
        path_of_trace = f"/api/traces/{trace_id(RUN, 1000)}"

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"trace_spans": [SPAN] * 100}).encode()
                self.send_response(200 if self.path == path_of_trace else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture(scope="module")
def console() -> Iterator[Api]:
    with Console() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield Api(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_one_arrival_in_a_thousand_asks_for_its_trace_and_is_else_the_same(work: Workload):
    requests = Requests(work, run=RUN, token="t", host="h", keep_alive=True)
    traced = [index for index in range(len(work)) if b"\r\ntraceparent: " in requests.of(index)]
    header = f"traceparent: 00-{trace_id(RUN, 1000)}-".encode()

    assert traced == [0, 1000, 2000]
    assert header in requests.of(1000)
    head, _, _ = requests.of(1000).partition(b"\r\n\r\n")
    last = head.split(b"\r\n")[-1]
    assert last.startswith(header)
    assert last.endswith(b"-01")
    assert len({requests.of(index).split(b"traceparent: ")[1][:35] for index in traced}) == 3


def test_the_slowest_are_told_with_their_spans_within_bounds(
    console: Api, work: Workload, journal: Journal
):
    traced = slowest(console, work, journal, run=RUN)

    assert (traced["traced"], traced["note"]) == (2, "the console has no trace of some of them")
    assert [each["latency_ms"] for each in traced["slowest"]] == [500.0, 10.0]
    assert len(traced["slowest"][0]["spans"]) == 60
    assert traced["slowest"][0]["spans"][0] == [
        *(1, "POST <b>/charges</b>", "PaymentsWorker", 1.5, 20.25, True)
    ]
    assert traced["slowest"][1]["spans"] == []
    assert len(json.dumps(traced)) < 10_000


@pytest.mark.parametrize(
    ("console_url", "note"),
    [("", "there is no console"), ("http://127.0.0.1:1", "the console shows no traces")],
)
def test_without_traces_a_report_says_why_and_nothing_fails(
    work: Workload, journal: Journal, console_url: str, note: str
):
    traced = slowest(Api(console_url) if console_url else None, work, journal, run=RUN)

    assert traced["slowest"] == []
    assert note in traced["note"]
    assert note[1:] in waterfalls(traced)


def test_a_waterfall_shows_names_as_text_and_each_span_where_it_was(
    console: Api, work: Workload, journal: Journal
):
    page: Any = waterfalls(slowest(console, work, journal, run=RUN))

    assert "<b>" not in page
    assert "PaymentsWorker: POST &lt;b&gt;/charges&lt;/b&gt;" in page
    assert 'class="bar failed"' in page
    assert "from 1.50 ms, 20.25 ms long" in page
    assert "Its trace is not there." in page
