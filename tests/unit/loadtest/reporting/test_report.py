"""From a journal to figures and reports, and the bytes of responses to their parts."""

import re
from typing import Any

import pytest

from loadtest.generator.http1 import BadResponse, Response, parse
from loadtest.generator.journal import OK, SKIPPED, Journal
from loadtest.generator.profile import Phase, Profile, schedule
from loadtest.generator.scenarios import SCENARIOS, Workload, workload
from loadtest.recording.measure import Figures, figures, milliseconds
from loadtest.recording.monitor import CpuMeter
from loadtest.reporting import report, report_html
from loadtest.verdict import Facts, judge
from loadtest.witnesses.audit import Audit
from loadtest.witnesses.servers import used

TWO_PHASES = Profile(
    "two",
    (
        Phase(name="warmup", duration_s=1, rate_per_s=4),
        Phase(name="peak", duration_s=6, rate_per_s=40),
    ),
)


def a_run() -> tuple[Workload, Journal]:
    """Record a run: each arrival sent 1 ms late and answered 20 ms later, three fail."""
    work = workload(schedule(TWO_PHASES))
    journal = Journal(len(work))
    for index, due_s in enumerate(work.schedule.due_s):
        journal.sent_s[index] = due_s + 0.001
        journal.done_s[index] = due_s + 0.021
        journal.outcome[index] = OK
    journal.failed(10, "ETIMEDOUT")
    journal.done_s[10] = journal.sent_s[10] + 10
    journal.failed(11, "http_503")
    journal.failed(12, "http_503")
    journal.outcome[13] = SKIPPED
    journal.sent_s[13] = journal.done_s[13] = -1.0
    return work, journal


def a_report(readings: Figures | None = None, audit: Audit | None = None) -> dict[str, Any]:
    readings = readings or figures(*a_run())
    facts = Facts(
        scheduled=readings.scheduled,
        sent=readings.sent,
        failed=readings.failed,
        skipped=readings.skipped,
        errors=readings.errors,
        worst_window_s=readings.worst_window.start_s,
        reached=readings.worst_window.reached,
        judged_phase="peak",
        p99_ms=1.0,
        slo_p99_ms=150.0,
        lag_p99_ms=1.0,
        generator_cpu=0.1,
        differences=("<b>lost</b>",),
        undrained=(),
    )
    run = report.Run(
        id="20261123t101500abcd",
        profile="two",
        target="http://127.0.0.1:5002",
        connections="reuse",
        started_at_s=1_795_428_900.0,
        duration_s=17.0,
        generator_cpu_s=0.02,
        generator_cpu_mean=0.01,
        in_flight_max=3,
        load_before=0.1,
        servers=[
            {
                "process": "gateway",
                "cpu_s": 0.5,
                "cpu_us_per_arrival": 2049.2,
                "rss_mb": 30.0,
                "restarts": 0,
            }
        ],
        servers_note="",
        queues=[
            {"name": "payments", "depth_max": 9, "age_max_s": 0.2, "drained_after_s": 0.5, "dlq": 0}
        ],
    )
    return report.document(run, readings, audit or Audit(), facts, judge(facts))


def test_counts_of_a_journal_add_up_by_phase_and_by_scenario():
    readings = figures(*a_run())

    assert (readings.scheduled, readings.sent, readings.ok, readings.failed, readings.skipped) == (
        244,
        243,
        240,
        3,
        1,
    )
    assert readings.errors == {"http_503": 2, "ETIMEDOUT": 1}
    assert [(group.name, group.scheduled) for group in readings.phases] == [
        ("warmup", 4),
        ("peak", 240),
    ]
    assert sum(group.ok for group in readings.scenarios) == readings.ok
    assert [group.name for group in readings.scenarios] == [each.name for each in SCENARIOS]


def test_latency_runs_from_the_scheduled_start_and_service_from_the_send():
    warmup = figures(*a_run()).phase("warmup").times

    assert milliseconds(warmup.latency)["p50"] == pytest.approx(21, rel=0.001)
    assert milliseconds(warmup.service)["p50"] == pytest.approx(20, rel=0.001)
    assert milliseconds(warmup.lag)["p50"] == pytest.approx(1, rel=0.001)


def test_a_time_out_counts_in_the_latency_with_its_whole_time():
    peak = figures(*a_run()).phase("peak")

    assert milliseconds(peak.times.latency)["max"] == pytest.approx(10_001, rel=0.001)


def test_the_five_seconds_with_most_late_arrivals_are_found():
    work, journal = a_run()
    for index in range(204, 214):
        journal.sent_s[index] = work.schedule.due_s[index] + 0.3
    window = figures(work, journal).worst_window

    assert (window.start_s, window.scheduled) == (5, 80)
    assert window.reached == 70 / 80


def test_each_second_shows_what_was_offered_and_what_came_of_it():
    seconds = figures(*a_run()).seconds

    assert sum(second.offered for second in seconds) == 244
    assert sum(second.ok for second in seconds) == 240
    assert sum(second.failed for second in seconds) == 3
    assert seconds[1].failed == 2
    assert seconds[0].p50_ms == pytest.approx(21, abs=0.1)
    assert seconds[-1].p50_ms is None


def test_the_report_has_every_field_of_the_contract():
    document = a_report()

    assert document["verdict"] == "failed"
    assert document["totals"] == {
        "scheduled": 244,
        "sent": 243,
        "ok": 240,
        "failed": 3,
        "skipped": 1,
    }
    for name in ("reasons", "profile", "started_at", "duration_s", "machine", "versions", "errors"):
        assert name in document
    for group in (*document["phases"], *document["scenarios"]):
        assert {"scheduled", "ok", "failed"} < group.keys()
        for times in ("latency_ms", "service_ms", "lag_ms"):
            assert set(group[times]) == {"p50", "p90", "p95", "p99", "p99_9", "max"}
    assert {"cpu", "lag_ms", "in_flight_max"} < document["generator"].keys()
    assert {"process", "cpu_s", "rss_mb"} < document["servers"][0].keys()
    assert {"depth_max", "age_max_s", "drained_after_s", "dlq"} < document["queues"][0].keys()
    assert {
        *("payments_accepted", "payments_stored", "provider_effects", "lost", "doubled"),
        *("ledger_imbalance", "events_accepted", "events_counted", "notifications_accepted"),
        *("notifications_delivered", "notifications_doubled", "unresolved"),
    } < document["audit"].keys()


def test_the_aggregate_reads_like_artillerys():
    aggregate = a_report()["aggregate"]
    counters, times = aggregate["counters"], aggregate["summaries"]["http.response_time"]

    assert counters["vusers.created"] == 244
    assert counters["http.requests"] == 243
    assert counters["http.responses"] == 242
    assert counters["http.codes.503"] == 2
    assert counters["errors.ETIMEDOUT"] == 1
    assert sum(n for name, n in counters.items() if name.startswith("http.codes.2")) == 240
    assert times["median"] == times["p50"] == pytest.approx(20, abs=0.1)


def test_the_page_needs_no_network_and_escapes_what_it_shows():
    document = a_report()
    document["machine"]["cpu_model"] = "A & B"
    page = report_html.page(document)

    assert "<td>A &amp; B</td>" in page
    assert page.count("<svg") == 2
    assert "<b>lost</b>" not in page
    assert "&lt;b&gt;lost&lt;/b&gt;" in page
    assert not re.search(r"<(link|script|img|iframe)|@import|url\(", page)


def test_the_page_of_a_clean_audit_shows_no_difference():
    assert "✗" not in report_html.page(a_report(audit=Audit(events_accepted=3, events_counted=3)))
    assert "-1 ✗" in report_html.page(a_report(audit=Audit(events_accepted=3, events_counted=2)))


def test_the_page_shows_the_latency_that_was_judged():
    document = a_report()
    for judged in document["phases"]:
        page = report_html.page({**document, "judged_phase": judged["name"]})
        assert f"<b>{judged['latency_ms']['p50']:,.1f} ms</b>p50 in the {judged['name']}" in page


def test_the_page_of_an_invalid_run_blames_what_its_reasons_blame():
    reasons = ["the machine was disturbed in 9 of 9 slow seconds: the disk stood still"]
    page = report_html.page({**a_report(), "verdict": "invalid", "reasons": reasons})
    head = page.partition("<header")[2].partition("</header>")[0]

    assert "generator" not in head
    assert "the disk stood still" in head


def test_a_report_is_written_under_its_time_and_profile(tmp_path):
    folder = report.write(tmp_path, a_report(), "<html>")

    assert folder.name == "20261123T101500Z-two"
    assert {path.name for path in folder.iterdir()} == {"report.json", "report.html"}


def test_the_generators_cpu_is_that_of_its_busiest_ten_seconds():
    idle = [(float(second), 0.1 * second) for second in range(10)]
    busy = [(10.0 + second, 1.0 + 0.9 * second) for second in range(11)]
    meter = CpuMeter(idle + busy)

    assert meter.busiest == pytest.approx(0.9)
    assert meter.mean == pytest.approx(10 / 20)
    assert CpuMeter(idle[:3]).busiest == pytest.approx(0.1)


def test_a_process_that_was_replaced_counts_from_its_start():
    before = [
        {"name": "gateway", "pid": 1, "cpu_s": 10.0, "rss_mb": 9.0, "restarts": 0},
        {"name": "worker-0", "pid": 2, "cpu_s": 50.0, "rss_mb": 9.0, "restarts": 1},
    ]
    after = [
        {"name": "gateway", "pid": 1, "cpu_s": 12.0, "rss_mb": 8.0, "restarts": 0},
        {"name": "worker-0", "pid": 3, "cpu_s": 1.0, "rss_mb": 7.0, "restarts": 2},
    ]
    rows = used(before, after, 1000)

    assert [(row["process"], row["cpu_s"], row["restarts"]) for row in rows] == [
        ("gateway", 2.0, 0),
        ("worker-0", 1.0, 1),
    ]
    assert rows[0]["cpu_us_per_arrival"] == 2000.0


@pytest.mark.parametrize(
    ("received", "response"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Response(200, b"{}", False)),
        (b"HTTP/1.1 202 X\r\ncontent-length:2\r\na: b\r\n\r\n{}", Response(202, b"{}", False)),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            Response(200, b"", True),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2;x=y\r\n{}\r\n3\r\nabc\r\n0\r\n\r\n",
            Response(200, b"{}abc", False),
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Response(204, b"", False)),
    ],
)
def test_a_response_is_read_when_its_last_byte_is_there_and_not_before(
    received: bytes, response: Response
):
    assert parse(received) == response
    for length in range(len(received)):
        assert parse(received[:length]) is None


def test_a_body_without_a_length_ends_with_the_connection():
    received = b"HTTP/1.0 200 OK\r\n\r\n{}"

    assert parse(received) is None
    assert parse(received, ended=True) == Response(200, b"{}", True)


@pytest.mark.parametrize(
    "received",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"x" * 70_000,
    ],
)
def test_bytes_that_are_no_response_are_refused(received: bytes):
    with pytest.raises(BadResponse):
        parse(received)


def test_a_fault_stands_in_the_page_and_shades_every_chart_for_its_time():
    document = a_report()
    row = {"began_s": 1.2, "ended_s": 3.4, "explains_until_s": 14, "failed": 7, "happened": True}
    document["faults"] = [
        row | {"fault": "kill worker at 1s", "sentence": "worker-0 was killed"},
        row | {"fault": "kill gateway at 2s", "sentence": "no gateway ran", "happened": False},
    ]

    page = report_html.page(document)

    assert "<td>worker-0 was killed</td><td>1 s to 14 s</td><td>7</td>" in page
    assert "<td>did not happen: no gateway ran</td><td>-</td>" in page
    assert page.count('class="mark"') == 2
    assert page.count(">kill worker</text>") == 2
    assert "kill gateway</text>" not in page
