"""The open-workload driver, and `python -m loadtest` as a process, against systems with faults."""

import csv
import re
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from loadtest.generator.driver import Address, Driver, Share
from loadtest.generator.journal import OK
from loadtest.generator.profile import schedule, steady
from loadtest.generator.scenarios import PAYMENTS, SCENARIOS, Requests, workload
from loadtest.witnesses.api import Api
from loadtest.witnesses.claims import claims_of, resolve
from tests.conftest import free_port, wait_until
from tests.integration.load_runs import (
    EVERY_ONE,
    RUN,
    end,
    has_charges,
    report_in,
    run_valid,
    run_valid_on,
    settings,
    start,
)
from tests.integration.load_system import STALL_S, running

PAUSE_S = 0.4


def drive(base: str, count: int, **options: Any) -> tuple[Driver, Requests]:
    """Drive `count` arrivals in one second from this process."""
    work = workload(schedule(steady(count, 1)))
    keep_alive = options.get("keep_alive", True)
    requests = Requests(work, run=RUN, token="token", host="127.0.0.1", keep_alive=keep_alive)
    where = urlsplit(base)
    driver = Driver(work, requests, Address(where.hostname or "", where.port or 0), **options)
    driver.run()
    return driver, requests


def payments_in(driver: Driver) -> int:
    return driver.work.scenario.count(PAYMENTS)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """Return the exit code, the output and the reports of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("healthy")
    with running("none") as (base, _):
        return *run_valid(settings(base, folder)), folder


def test_a_healthy_system_passes_with_exit_code_0_and_a_whole_report(
    healthy: tuple[int, str, Path],
):
    code, errors, folder = healthy
    report = report_in(folder)

    assert (code, report["verdict"], report["reasons"]) == (0, "passed", [])
    assert report["totals"] == EVERY_ONE
    assert report["audit"]["payments_accepted"] == report["audit"]["provider_effects"] > 30
    assert report["servers"][0]["process"] == "documents"
    assert report["queues"][0]["dlq"] == 0
    assert "PASSED  200 of 200 answered" in errors
    assert next(folder.rglob("report.html")).stat().st_size > 10_000


def test_each_second_of_a_run_is_recorded_and_drawn_on_the_axis_of_its_latency(
    healthy: tuple[int, str, Path],
):
    _, _, folder = healthy
    report = report_in(folder)
    seconds = report["recorded"]["seconds"]
    page = max(folder.rglob("report.html")).read_text()
    axes = re.findall(r"<svg.*?</svg>", page, re.DOTALL)

    assert [second["at_s"] for second in seconds[:2]] == [0, 1]
    assert report["recorded"]["notes"] == []
    assert {"documents", "generator"} <= seconds[1]["processes"].keys()
    assert seconds[0]["queues"]["payments"]["depth"] == 0
    assert seconds[0]["pools"]["PaymentsFunction"]["busy"] == 8
    assert sum(second["syncs"] for second in seconds) > 30
    assert 0 < seconds[0]["cpu"] <= 1
    assert "<h3>Processors</h3>" in page
    assert [each["requests"] for each in report["aws"]["functions"]] == [
        200 // len(SCENARIOS)
    ] * len(SCENARIOS)
    assert "What it would be on AWS" in page
    assert len({axis.count('class="hover"') for axis in axes}) == 1


def test_an_earlier_payment_whose_event_is_still_queued_is_not_taken_for_one_of_the_run(
    tmp_path: Path,
):
    with running("counts an earlier payment's event late") as (base, _):
        code, errors = run_valid(settings(base, tmp_path))

    assert (code, "PASSED" in errors) == (0, True)


def test_what_was_left_before_the_run_is_noted_and_not_judged(tmp_path: Path):
    code, errors = run_valid_on("has leftovers", tmp_path, duration_s=1)
    report = report_in(tmp_path)

    assert (code, report["verdict"], report["reasons"]) == (0, "passed", [])
    assert report["notes"] == [
        "queue payments held 2 messages before the run; this is not judged",
        "2 messages of payments were in its dead-letter queue before the run",
    ]
    assert "note: queue payments held 2 messages before the run" in errors
    assert "held 2 messages" in max(tmp_path.rglob("report.html")).read_text()


def test_a_dead_letter_of_somebody_else_is_noted_and_does_not_fail_the_run(tmp_path: Path):
    with running("another tenant's message dies") as (base, _):
        code, _ = run_valid(settings(base, tmp_path, duration_s=1))
        report = report_in(tmp_path)

    assert (code, report["reasons"]) == (0, [])
    assert report["notes"] == ["1 message of payments that somebody else sent died meanwhile"]


def test_a_fault_of_the_run_happens_and_what_is_slow_because_of_it_passes(tmp_path: Path):
    with running("none") as (base, _):
        faults = {"FAULTS": "stop documents 1s at 1s"}  # that system is one process
        code, errors = run_valid({**settings(base, tmp_path, duration_s=3), **faults})
        report = report_in(tmp_path)
    (fault,) = report["faults"]

    assert (code, report["reasons"], report["profile"]) == (0, [], "100-per-s-faults")
    assert (fault["happened"], fault["sentence"]) == (True, "documents stood still for 1 s")
    assert report["phases"][0]["latency_ms"]["p99"] > report["slo_p99_ms"]
    assert "fault: pause documents for 1s at 1s: documents stood still for 1 s" in errors


def test_a_charge_of_another_tenants_payment_is_noted_and_not_blamed(tmp_path: Path):
    with running("charges another tenant's payment") as (base, _):
        code, _ = run_valid(settings(base, tmp_path, duration_s=1))
        report = report_in(tmp_path)

    assert (code, report["reasons"], report["client"]) == (0, [], "load")
    assert report["audit"]["notes"] == ["other tenants had 1 payment charged meanwhile"]


def test_a_system_without_the_client_of_load_runs_is_tested_as_the_demo_client(tmp_path: Path):
    with running("knows no load client") as (base, _):
        code, _ = run_valid(settings(base, tmp_path, duration_s=1))
        report = report_in(tmp_path)

    assert (code, report["client"]) == (0, "demo")


def test_arrivals_are_sent_on_time_while_the_system_stalls(tmp_path: Path):
    with running("stalls") as (base, _):
        code, _ = run_valid(settings(base, tmp_path))
        report = report_in(tmp_path)

    assert code == 1
    assert report["totals"]["ok"] == 200
    assert report["generator"]["in_flight_max"] > STALL_S * 100 / 2
    assert report["phases"][0]["latency_ms"]["max"] > STALL_S * 1000 * 0.9
    (reason,) = report["reasons"]
    assert reason.startswith("p99 in the ste")
    assert re.search(r": at \d s .*documents waited 500 ms for the disk, in \d+ syncs", reason)
    assert re.search(r"; CPU was \d+ % busy", reason)


@pytest.mark.parametrize("command", [("history",), ("compare", "one", "two")])
def test_a_command_on_kept_reports_that_has_none_says_so_with_exit_code_2(
    command: tuple[str, ...], tmp_path: Path
):
    code, errors = end(start({"REPORTS": str(tmp_path / "none")}, "loadtest", *command))

    assert code == 2
    assert len(errors.splitlines()) == 1
    assert "there is no such" in errors


def test_a_late_generator_sends_late_charges_the_delay_and_calls_the_run_invalid(tmp_path: Path):
    with running("none") as (base, _):
        process = start(settings(base, tmp_path))
        wait_until(lambda: has_charges(base))
        process.send_signal(signal.SIGSTOP)
        resumed_at = time.monotonic() + PAUSE_S
        wait_until(lambda: time.monotonic() >= resumed_at)
        process.send_signal(signal.SIGCONT)
        code, _ = end(process)
        report = report_in(tmp_path)

    figures = report["phases"][0]
    assert (code, report["verdict"]) == (3, "invalid")
    assert report["totals"]["ok"] == 200
    assert figures["lag_ms"]["max"] > PAUSE_S * 1000 / 2
    assert figures["latency_ms"]["max"] >= figures["lag_ms"]["max"]
    assert figures["service_ms"]["p50"] < PAUSE_S * 1000 / 2
    assert report["reasons"][0].startswith("the generator was late")


def test_a_system_that_goes_away_is_refused_connections_and_exit_code_1(tmp_path: Path):
    with running("none") as (base, system):
        process = start(settings(base, tmp_path, rate_per_s=50))
        wait_until(lambda: has_charges(base))
        system.kill()
        code, _ = end(process)
        report = report_in(tmp_path)

    assert code in (1, 3)
    assert report["errors"]["ECONNREFUSED"] > 0
    assert report["totals"]["sent"] == 100
    assert any("could not be audited" in reason for reason in report["reasons"])


def test_an_interrupted_run_still_drains_audits_and_reports(tmp_path: Path):
    with running("none") as (base, _):
        process = start(settings(base, tmp_path, duration_s=60))
        wait_until(lambda: has_charges(base))
        process.send_signal(signal.SIGINT)
        code, _ = end(process)
        report = report_in(tmp_path)

    assert code in (1, 3)
    assert report["totals"]["sent"] == report["totals"]["ok"] < 6000
    assert any(reason.startswith("stopped early") for reason in report["reasons"])
    assert report["audit"]["differences"] == []


def test_locusts_own_command_line_runs_the_same_and_shows_corrected_latency(tmp_path: Path):
    command = ("locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary")
    with running("none") as (base, _):
        table = ("--csv", str(tmp_path / "locust"))
        code, errors = run_valid(settings(base, tmp_path), *command, *table)
        report = report_in(tmp_path)
    rows = list(csv.DictReader((tmp_path / "locust_stats.csv").read_text().splitlines()))

    assert (code, report["verdict"]) == (0, "passed"), errors
    assert {row["Name"]: int(row["Request Count"]) for row in rows} == {
        **{each.path: 200 // len(SCENARIOS) for each in SCENARIOS},
        "Aggregated": 200,
    }
    assert all(float(row["Average Content Size"]) > 10 for row in rows)
    slowest_ms = report["phases"][0]["latency_ms"]["max"]
    assert float(rows[-1]["Max Response Time"]) == pytest.approx(slowest_ms, abs=1)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"RATE": "many"}, "RATE is 'many'; it must be a whole number above 0"),
        ({"RATE": "", "PROFILE": "2k"}, "no profile '2k'; there are: 1k, smoke"),
        ({"AWS_LIMITS": "10,many"}, "AWS_LIMITS is '10,many'; it must be whole numbers above 0"),
        ({"TARGET": "ftp://127.0.0.1"}, "TARGET is 'ftp://127.0.0.1'; it must be http://"),
        ({"TARGET": "https://127.0.0.1:1", "CA_FILE": "/none"}, "CA_FILE is '/none'; it must be"),
        ({"TARGET": f"http://127.0.0.1:{free_port()}"}, "start it or set TARGET"),
    ],
)
def test_a_run_that_cannot_begin_says_why_with_exit_code_2(
    environment: dict[str, str], sentence: str, tmp_path: Path
):
    code, errors = end(start(settings("http://127.0.0.1:1", tmp_path) | environment))

    assert code == 2
    assert sentence in errors
    assert "Traceback" not in errors


def test_a_share_of_the_schedule_is_every_nth_arrival_and_nothing_else():
    with running("none") as (base, _):
        driver, _ = drive(base, 100, share=Share(1, 3))
    sent = [index for index, outcome in enumerate(driver.journal.outcome) if outcome == OK]

    assert sent == list(range(1, 100, 3))
    assert driver.journal.errors() == {}


def test_connections_are_kept_unless_each_arrival_shall_have_its_own():
    with running("none") as (base, _):
        reused, _ = drive(base, 100)
        api = Api(base)
        opened = api.get("/connections")
        single, _ = drive(base, 100, keep_alive=False)
        opened_then = api.get("/connections")
        api.close()

    assert opened < 50
    assert opened_then - opened == 100
    assert reused.journal.errors() == single.journal.errors() == {}


@pytest.mark.parametrize(
    ("fault", "error"), [("refuses with 503", "http_503"), ("answers nonsense", "bad_body")]
)
def test_an_answer_that_is_not_the_right_one_is_classed(fault: str, error: str):
    with running(fault) as (base, _):
        driver, _ = drive(base, 40)

    assert driver.journal.errors() == {error: payments_in(driver)}


def test_an_answer_of_503_leaves_open_what_was_stored_and_no_answer_asks_again():
    with running("refuses with 503") as (base, _):
        refused, _ = drive(base, 40)
    with running("resets") as (base, _):
        cut, _ = drive(base, 40)
    answered = claims_of(refused.work, refused.journal, RUN)
    unanswered = claims_of(cut.work, cut.journal, RUN)

    assert len(answered.uncertain[PAYMENTS]) == payments_in(refused)
    assert answered.unresolved == set()
    assert len(unanswered.unresolved) == payments_in(cut) // 5
    assert unanswered.uncertain[PAYMENTS] == set()


def test_a_connection_reset_is_classed_as_node_names_it():
    with running("resets") as (base, _):
        driver, _ = drive(base, 40)

    assert driver.journal.errors() == {"ECONNRESET": payments_in(driver) // 5}


def test_an_arrival_without_an_answer_times_out_and_is_charged_the_whole_time():
    with running("hangs") as (base, _):
        driver, _ = drive(base, 40, timeout_s=0.3)
    journal, due_s = driver.journal, driver.work.schedule.due_s

    assert journal.errors() == {"ETIMEDOUT": payments_in(driver)}
    waited = [journal.done_s[i] - due_s[i] for i in range(40) if journal.outcome_of(i) != "ok"]
    assert min(waited) >= 0.3
    assert driver.in_flight == 0


def test_arrivals_beyond_the_bound_in_flight_are_counted_as_skipped():
    with running("hangs") as (base, _):
        driver, _ = drive(base, 40, timeout_s=2.0, max_in_flight=3)
    outcomes = [driver.journal.outcome_of(index) for index in range(40)]

    assert driver.in_flight_max == 3
    assert outcomes.count("ETIMEDOUT") == 3
    assert outcomes.count("skipped") == 40 - 3 - outcomes.count("ok") > 0


def test_a_payment_whose_answer_was_lost_is_settled_by_its_own_key():
    with running("stores, then never answers") as (base, _):
        driver, requests = drive(base, 40, timeout_s=0.3)
        claims = claims_of(driver.work, driver.journal, RUN)
        (unknown,) = claims.unresolved
        api = Api(base)
        resolve(claims, driver.work, requests, api)
        stored = api.get("/v1/payments", limit=100)["data"]
        api.close()

    assert not claims.unresolved
    assert sorted(claims.payments.values()) == sorted(payment["id"] for payment in stored)
    assert unknown in claims.payments
