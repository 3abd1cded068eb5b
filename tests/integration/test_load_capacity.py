"""`python -m loadtest capacity` as a process, in steps of a second, against systems with faults."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from loadtest.wording import counted
from tests.conftest import free_port, wait_until
from tests.integration.load_runs import end, start
from tests.integration.load_system import running

COMMAND = ("loadtest", "capacity")
ATTEMPTS = 3  # the machine may be too busy for a generator that can be trusted


def settings(base: str, folder: Path, first_rate: int = 100) -> dict[str, str]:
    return {
        "TARGET": base,
        "CONSOLE": base,
        "REPORTS": str(folder),
        "FIRST_RATE": str(first_rate),
        "STEP_S": "1",
        "CONFIRM_S": "1",
        "TIME_S": "60",
    }


def record_in(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(max(folder.rglob("capacity.json")).read_bytes())
    return record


def test_the_rate_that_a_system_holds_is_found_confirmed_and_drawn(tmp_path: Path):
    with running("refuses payments beyond 50 a second") as (base, _):
        for attempt in range(ATTEMPTS):
            folder = tmp_path / str(attempt)
            code, errors = end(start(settings(base, folder, first_rate=400), *COMMAND))
            if code in (0, 3):
                break
    record = record_in(folder)

    assert code in (0, 3), errors
    assert 5 <= record["result"]["rate_per_s"] < 300
    assert record["result"]["is_confirmed"]
    assert "http_503" in record["trials"][0]["reasons"][0]
    assert record["trials"][-1]["confirms"]
    assert f"capacity: {record['result']['rate_per_s']} arrivals a second held for 1 s" in errors
    assert "<svg" in next(folder.rglob("capacity.html")).read_text()


def test_a_rate_at_which_messages_wait_does_not_hold(tmp_path: Path):
    with running("lets messages wait") as (base, _):
        code, errors = end(start(settings(base, tmp_path, first_rate=10), *COMMAND))
    trials = record_in(tmp_path)["trials"]

    assert code == 1
    assert [trial["rate_per_s"] for trial in trials] == [10, 5]
    assert "oldest message of payments 60.0 s (at most 10 s)" in trials[0]["reasons"]
    assert "no rate of 5/s and more holds: " in errors


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("refuses with 503", "fails at 4 arrivals a second: 1 of 4 failed (http_503 1)"),
        ("answers nonsense", "fails at 4 arrivals a second: 1 of 4 failed (bad_body 1)"),
    ],
)
def test_a_system_that_fails_without_load_ends_the_search_with_one_sentence(
    fault: str, sentence: str, tmp_path: Path
):
    with running(fault) as (base, _):
        code, errors = end(start(settings(base, tmp_path), *COMMAND))

    assert code == 1
    assert sentence in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"TARGET": f"http://127.0.0.1:{free_port()}"}, "start it or set TARGET"),
        ({"STEP_S": "0"}, "STEP_S is '0'; it must be a whole number above 0"),
        ({"TIME_S": "10"}, "TIME_S is 10; it must be at least 22"),
        ({"CONNECTIONS": "none"}, "CONNECTIONS is 'none'; it must be reuse or per-arrival"),
    ],
)
def test_a_search_that_cannot_begin_says_why_in_one_sentence(
    changes: dict[str, str], sentence: str, tmp_path: Path
):
    code, errors = end(start(settings("http://127.0.0.1:1", tmp_path) | changes, *COMMAND))

    assert code == 2
    assert sentence in errors
    assert errors.count("\n") == 1


def test_an_interrupted_search_is_gone_on_with_and_one_whose_target_died_says_so(tmp_path: Path):
    with running("none") as (base, system):
        first = start(settings(base, tmp_path), *COMMAND)
        wait_until(lambda: list(tmp_path.rglob("capacity.json")), timeout_s=30)
        first.send_signal(signal.SIGINT)
        code, errors = end(first)
        second = start(settings(base, tmp_path), *COMMAND)
        before = record_in(tmp_path)["trials"]
        wait_until(lambda: len(record_in(tmp_path)["trials"]) > len(before), timeout_s=30)
        system.kill()
        code_then, errors_then = end(second)

    assert (code, code_then) == (1, 1)
    assert "interrupted; the same command goes on with the search" in errors
    assert "Traceback" not in errors + errors_then
    assert f"going on after {counted(len(before), 'trial')} of " in errors_then
    assert record_in(tmp_path)["trials"][: len(before)] == before
    assert "the target is gone after " in errors_then
