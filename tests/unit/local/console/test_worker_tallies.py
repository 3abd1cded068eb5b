"""The sums of what workers say of their functions."""

import json
import os
import time
from pathlib import Path
from typing import Any

from local.console.worker_tallies import WorkerTallies
from local.lambda_service.tallies import Tally
from local.machine import worker_functions


def counts(invocations: int, environments: int = 1, busy: int = 0) -> dict[str, Any]:
    tally = Tally()
    for number in range(invocations):
        tally.add(12.0, memory_mb=40, is_cold=number == 0, error_type="ValueError")
    return {"environments": environments, "busy": busy, **tally.as_dict()}


def rewrite(path: Path, **members: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **members}))


def test_workers_are_summed_and_a_replaced_one_is_not_forgotten(tmp_path: Path):
    workers = WorkerTallies(tmp_path)
    first = worker_functions.path_of(tmp_path, 0)
    worker_functions.say(first, {"Sums": counts(3, busy=1)})
    worker_functions.say(worker_functions.path_of(tmp_path, 1), {"Sums": counts(2)})
    workers.read()
    before = workers.of("Sums")
    worker_functions.say(first, {"Sums": counts(1)})
    rewrite(first, pid=os.getpid() + 1)
    workers.read()
    after = workers.of("Sums")

    assert before
    assert after
    assert (before["invocations"], before["environments"], before["busy"]) == (5, 2, 1)
    assert (after["invocations"], after["environments"], after["busy"]) == (6, 2, 0)
    assert (after["errors"], after["cold_starts"]) == ({"ValueError": 6}, 3)
    assert workers.of("Nobody") is None


def test_a_silent_worker_has_no_environments_and_an_earlier_systems_does_not_count(tmp_path: Path):
    old, silent = (worker_functions.path_of(tmp_path, index) for index in (0, 1))
    worker_functions.say(old, {"Sums": counts(9)})
    rewrite(old, at_s=time.time() - 3600)
    workers = WorkerTallies(tmp_path)
    worker_functions.say(silent, {"Sums": counts(2)})
    workers.read()
    rewrite(silent, at_s=time.time() - 60)
    workers.read()
    sums = workers.of("Sums")

    assert sums
    assert (sums["invocations"], sums["environments"]) == (2, 0)


def test_files_that_are_no_statements_are_left_out(tmp_path: Path):
    folder = worker_functions.path_of(tmp_path, 0).parent
    folder.mkdir(parents=True)
    for name, text in {"half": '{"pid"', "null": "null", "older": '{"pid": 1}'}.items():
        (folder / f"{name}.json").write_text(text)

    assert worker_functions.read(tmp_path) == {}


def test_kinds_of_errors_have_a_bound(tmp_path: Path):
    tally = Tally()
    for number in range(200):
        tally.add(1.0, memory_mb=1, is_cold=False, error_type=f"Error{number}" + "x" * 1_000)

    assert len(tally.errors) == 51
    assert tally.errors["other"] == 150
    assert max(map(len, tally.errors)) == 100
