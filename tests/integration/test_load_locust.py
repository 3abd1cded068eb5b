"""The load under Locust's own command line: users, and a schedule that workers share."""

import json
import re
import signal
from pathlib import Path

import psutil
import pytest

from loadtest.generator.scenarios import SCENARIOS
from loadtest.witnesses.api import Api
from tests.conftest import free_port, wait_until
from tests.integration.load_runs import (
    EVERY_ONE,
    end,
    has_charges,
    report_in,
    settings,
    start,
)
from tests.integration.load_system import running

LOCUST = ("locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary")


def two_workers() -> tuple[str, ...]:
    port = str(free_port())
    return (*LOCUST, "--processes", "2", "--master-bind-port", port, "--master-port", port)


def counts_in(prefix: Path) -> dict[str, tuple[int, int]]:
    """Return the number of requests and of failures by route, as Locust's last word has them."""
    rows = json.loads(prefix.with_suffix(".json").read_bytes())
    return {row["name"]: (row["num_requests"], row["num_failures"]) for row in rows}


def test_a_number_of_users_means_so_many_clients_of_the_four_scenarios(tmp_path: Path):
    users = ("-u", "20", "-r", "20", "-t", "5s", "--json-file", str(tmp_path / "locust"))
    with running("none") as (base, _):
        code, errors = end(start(settings(base, tmp_path), *LOCUST, *users))
        api = Api(base)
        connections = api.get("/connections")
        api.close()
    counts = counts_in(tmp_path / "locust")

    assert code == 0, errors
    assert counts.keys() == {each.path for each in SCENARIOS}
    assert 20 <= sum(requests for requests, _ in counts.values()) <= 20 * 6
    assert all(failures == 0 for _, failures in counts.values())
    assert connections >= 20
    assert not list(tmp_path.rglob("report.json"))


def test_an_answer_that_is_not_the_right_one_is_a_users_failure(tmp_path: Path):
    users = ("-u", "2", "-r", "2", "-t", "4s", "--json-file", str(tmp_path / "locust"))
    with running("answers nonsense") as (base, _):
        code, _ = end(start(settings(base, tmp_path), *LOCUST, *users, "PaymentsUser"))
    counts = counts_in(tmp_path / "locust")

    assert code == 1
    assert counts.keys() == {"/v1/payments"}
    assert counts["/v1/payments"][0] == counts["/v1/payments"][1] > 0


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("-u", "5", "OpenWorkload"), "the schedule and users are both asked for"),
        (("-u", "5", "--model", "open"), "the schedule and users are both asked for"),
        (("-u", "5"), "POST http://127.0.0.1:1/oauth2/token"),
        (("--rate", "many", "--model", "users"), "RATE is 'many'; it must be a whole number"),
        (("--rate", "many"), "RATE is 'many'; it must be a whole number"),
    ],
)
def test_what_cannot_begin_under_locust_says_why_with_exit_code_2(
    flags: tuple[str, ...], sentence: str, tmp_path: Path
):
    code, errors = end(start(settings("http://127.0.0.1:1", tmp_path), *LOCUST, *flags))

    assert code == 2
    assert sentence in errors
    assert "Traceback" not in errors


def test_a_time_limit_ends_the_schedule_with_its_report(tmp_path: Path):
    with running("none") as (base, _):
        long = settings(base, tmp_path, duration_s=60)
        code, _ = end(start(long, *LOCUST, "-t", "1s"))
        report = report_in(tmp_path)

    assert code in (1, 3)
    assert 0 < report["totals"]["sent"] == report["totals"]["ok"] < 6000
    assert any(reason.startswith("stopped early") for reason in report["reasons"])


def test_two_workers_share_the_schedule_and_the_master_judges_it_once(tmp_path: Path):
    with running("none") as (base, _):
        code, errors = end(start(settings(base, tmp_path), *two_workers()))
        report = report_in(tmp_path)

    assert code in (0, 3), errors
    assert report["totals"] == EVERY_ONE
    assert report["generator"]["processes"] == 2
    assert report["audit"]["payments_accepted"] == report["audit"]["provider_effects"] > 30
    assert report["audit"]["differences"] == []
    assert report["phases"][0]["latency_ms"]["p99"] > 0
    assert errors.count("200 of 200 answered") == 1


def test_a_worker_that_vanishes_makes_the_run_invalid_and_is_named(tmp_path: Path):
    with running("none") as (base, _):
        master = start(settings(base, tmp_path, duration_s=6), *two_workers())
        wait_until(lambda: has_charges(base), timeout_s=30)
        psutil.Process(master.pid).children()[0].send_signal(signal.SIGKILL)
        code, errors = end(master)
        report = report_in(tmp_path)

    assert (code, report["verdict"]) == (3, "invalid"), errors
    assert re.match(r"Locust worker [12] of 2 vanished \d s into the run: ", report["reasons"][0])
    assert report["totals"]["scheduled"] == 600 > report["totals"]["ok"] >= 300
    assert report["audit"]["differences"] == []
