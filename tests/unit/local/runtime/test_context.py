"""The time that a handler has left, whatever the time of day becomes meanwhile."""

import time
from pathlib import Path

import pytest

from local.runtime.environment import Context
from local.template import Function

FUNCTION = Function(
    logical_id="Pages",
    name="Pages",
    handler="pages.handler",
    code_uri=Path("/nowhere"),
    layers=(),
    timeout_s=5,
    memory_mb=128,
    environment={},
    reserved_concurrency=None,
    environments=1,
)


@pytest.mark.parametrize("set_by_s", [-3600, -120, 0, 120, 3600])
def test_a_clock_that_is_set_while_an_event_is_in_hand_takes_and_gives_no_time(
    monkeypatch: pytest.MonkeyPatch, set_by_s: int
):
    now_s = time.time()
    context = Context(FUNCTION, "request-1", round((now_s + 5) * 1000))
    monkeypatch.setattr("time.time", lambda: now_s + set_by_s)

    assert 0 < context.get_remaining_time_in_millis() <= 5000


def test_a_deadline_that_has_passed_leaves_nothing():
    context = Context(FUNCTION, "request-1", round((time.time() - 5) * 1000))

    assert context.get_remaining_time_in_millis() == 0
