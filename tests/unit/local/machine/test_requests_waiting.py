"""The time since requests last waited, by any clock of the day."""

import os
from pathlib import Path

import pytest

from local.machine import requests_waiting

HOUR_S = 3600
WALL_CLOCK_S = 1_800_000_000


def test_they_never_waited_where_nobody_said_so(tmp_path: Path):
    assert requests_waiting.ago_s(tmp_path / "requests-wait") == requests_waiting.NEVER_S


@pytest.mark.parametrize("set_by_s", [-HOUR_S, -120, 0, 120, HOUR_S])
def test_they_waited_just_now_whatever_time_of_day_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_by_s: int
):
    path = tmp_path / "shared" / "requests-wait"
    requests_waiting.say(path)
    monkeypatch.setattr("time.time", lambda: WALL_CLOCK_S + set_by_s)

    assert requests_waiting.ago_s(path) < 10


def test_what_was_said_before_the_machine_was_started_anew_is_passed_over(tmp_path: Path):
    path = tmp_path / "shared" / "requests-wait"
    requests_waiting.say(path)
    os.utime(path, (WALL_CLOCK_S, WALL_CLOCK_S))

    assert requests_waiting.ago_s(path) == requests_waiting.NEVER_S
