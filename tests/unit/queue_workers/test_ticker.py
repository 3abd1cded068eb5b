"""The invocations of a schedule: when, and with which event."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.machine.requests_waiting import NEVER_S
from local.template import Schedule
from local.template.cron import Cron, read_cron
from local.traces.sampling import Recorder
from queue_workers.ticker import QueueWay, Ticker
from queue_workers.yield_to_requests import RequestPriority
from redis_sqs import QueueUnavailable
from tests.conftest import wait_until

ARN = "arn:aws:events:eu-west-1:000000000000:rule/PagesOften"


class SoonSchedule(Cron):
    """A schedule that is due a moment after the last time, instead of at the next minute."""

    def after(self, now: datetime) -> datetime | None:
        return now + timedelta(seconds=0.02)


class Function:
    """A function that keeps its events."""

    function = None

    def __init__(self) -> None:
        self.events: list[Any] = []

    def ready(self, _timeout_s: float) -> bool:
        return True

    def invoke(self, event: Any, _handling: Any) -> None:
        self.events.append(event)


class CountedWaits(threading.Event):
    """An event whose waits are over at once, and which is set after so many of them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.waits_s: list[float] = []
        self._most = most

    def wait(self, timeout: float | None = None) -> bool:
        if self._most:
            self.waits_s.append(timeout or 0.0)
        self._most -= 1
        return self._most < 0


def run(schedule: Schedule) -> list[Any]:
    """Return the events of the first three runs."""
    function, stop = Function(), threading.Event()
    ticker = Ticker(
        function,  # type: ignore[arg-type]
        schedule,
        every_s=None,
        stop=stop,
        request_priority=RequestPriority(lambda: NEVER_S, Path("/nowhere")),
        recorder=Recorder(lambda spans: None),
    )
    thread = threading.Thread(target=ticker.run)
    thread.start()
    try:
        wait_until(lambda: len(function.events) >= 3)
    finally:
        stop.set()
        thread.join()
    return function.events


def test_a_function_is_invoked_each_time_its_expression_is_due():
    every = (0,)
    soon = SoonSchedule("", UTC, every, every, every, every, None, every)

    assert run(Schedule(function="Pages", cron=soon, event={"a": 1}))[:3] == [{"a": 1}] * 3


@pytest.mark.parametrize("jump_s", [-3600, -120, 120, 3600])
def test_a_clock_that_is_set_moves_a_cron_with_it_and_never_stalls_it(jump_s: int):
    noon_s = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC).timestamp()
    clock = [noon_s, noon_s + jump_s, noon_s + jump_s + 45, noon_s + jump_s + 60]
    function, stop = Function(), CountedWaits(len(clock) - 1)
    ticker = Ticker(
        function,  # type: ignore[arg-type]
        Schedule(function="Pages", cron=read_cron("cron(* * * * ? *)", UTC), event={}),
        every_s=None,
        stop=stop,
        request_priority=RequestPriority(lambda: NEVER_S, Path("/nowhere")),
        recorder=Recorder(lambda spans: None),
        now_s=lambda: clock.pop(0),
    )
    ticker.run()

    assert len(function.events) == (2 if jump_s > 0 else 1)
    assert max(stop.waits_s) <= 30


def test_a_rate_does_not_look_at_the_time_of_day():
    function, stop = Function(), CountedWaits(3)
    ticker = Ticker(
        function,  # type: ignore[arg-type]
        Schedule(function="Pages", every_s=60, event={}),
        every_s=60,
        stop=stop,
        request_priority=RequestPriority(lambda: NEVER_S, Path("/nowhere")),
        recorder=Recorder(lambda spans: None),
        now_s=lambda: pytest.fail("the time of day"),
    )
    ticker.run()

    assert len(function.events) == 3
    assert all(59 < wait_s <= 60 for wait_s in stop.waits_s[1:])


def test_without_input_the_event_is_what_eventbridge_makes():
    soon = SoonSchedule("", UTC, (), (), (), (), None, ())
    event = run(Schedule(function="Pages", cron=soon, arn=ARN))[0]

    assert event["detail-type"] == "Scheduled Event"
    assert (event["source"], event["resources"], event["detail"]) == ("aws.events", [ARN], {})
    assert datetime.fromisoformat(event["time"]).tzinfo == UTC
    assert event.keys() == {"version", "id", "account", "region"} | {
        *("detail-type", "source", "time", "resources", "detail")
    }


def test_without_input_a_schedule_of_the_scheduler_says_so():
    soon = SoonSchedule("", UTC, (), (), (), (), None, ())
    arn = ARN.replace(":events:", ":scheduler:").replace("rule/", "schedule/default/")
    event = run(Schedule(function="Pages", cron=soon, arn=arn))[0]

    assert (event["source"], event["detail"]) == ("aws.scheduler", "{}")


def _ticker(way: Any, schedule: Schedule, clock: list[float]) -> CountedWaits:
    """Run a schedule until the clock has no more times; return its waits."""
    stop = CountedWaits(len(clock) - 1)
    Ticker(
        way,
        schedule,
        every_s=schedule.every_s,
        stop=stop,
        request_priority=RequestPriority(lambda: NEVER_S, Path("/nowhere")),
        recorder=Recorder(lambda spans: None),
        now_s=lambda: clock.pop(0),
    ).run()
    return stop


@pytest.mark.parametrize(
    ("starts_min", "ends_min", "runs"),
    [(None, None, 3), (2, None, 2), (None, 2, 2), (2, 2, 1), (9, None, 0), (None, 0.5, 0)],
)
def test_a_cron_runs_from_its_start_to_its_end(starts_min, ends_min, runs):
    noon_s = datetime(2026, 3, 2, 12, 0, tzinfo=UTC).timestamp()
    every_minute = read_cron("cron(* * * * ? *)", UTC)
    bounds = {"starts_s": starts_min, "ends_s": ends_min}
    times = {name: noon_s + 60 * each for name, each in bounds.items() if each is not None}
    function = Function()
    schedule = Schedule(function="Pages", cron=every_minute, event={}, **times)
    _ticker(function, schedule, [noon_s, *(noon_s + 60 * each for each in (1, 2, 3))])

    assert len(function.events) == runs


def test_a_rate_begins_at_its_start_and_not_after_its_end():
    function = Function()
    schedule = Schedule(function="Pages", every_s=60, event={}, starts_s=1500.0, ends_s=1600.0)
    stop = _ticker(function, schedule, [1000.0, 1500.0, 1560.0, 1620.0, 1680.0])

    assert 499 < stop.waits_s[0] <= 500
    assert len(function.events) == 2


class SentQueue:
    """A queue that keeps what it is sent, or takes nothing."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sent: list[tuple[str, str]] = []
        self._error = error

    def send(self, body: str, *, group: str) -> str:
        if self._error:
            raise self._error
        self.sent.append((body, group))
        return "id"


@pytest.mark.parametrize(("event", "begins"), [("any text", "any text"), (None, '{"version": "0"')])
def test_a_schedule_of_a_queue_sends_its_text_or_the_event_of_eventbridge(event, begins):
    queue = SentQueue()
    schedule = Schedule(function="", queue="Work", group="g", every_s=60, event=event, arn=ARN)
    _ticker(QueueWay(queue, "g"), schedule, [0.0, 1.0])  # type: ignore[arg-type]

    ((body, group),) = queue.sent
    assert (body[: len(begins)], group) == (begins, "g")


@pytest.mark.parametrize("error", [QueueUnavailable("gone"), ValueError("no group")])
def test_a_queue_that_takes_nothing_is_sent_the_next_run(error: Exception, caplog: Any):
    schedule = Schedule(function="", queue="Work", every_s=60, event="a")
    _ticker(QueueWay(SentQueue(error), ""), schedule, [0.0, 1.0, 2.0])  # type: ignore[arg-type]

    assert caplog.text.count("schedule to the queue Work:") == 2
