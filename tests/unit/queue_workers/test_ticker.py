"""When a schedule invokes its function, and what with."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from local.machine.requests_waiting import NEVER_S
from local.template import Schedule
from local.template.cron import Cron
from queue_workers.ticker import Ticker
from queue_workers.yield_to_requests import RequestPriority
from tests.conftest import wait_until

ARN = "arn:aws:events:eu-west-1:000000000000:rule/PagesOften"


class Soon(Cron):
    """Due a moment after the last time, instead of at the next minute."""

    def after(self, now: datetime) -> datetime | None:
        return now + timedelta(seconds=0.02)


class Function:
    """Keeps the events it is given."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def ready(self, _timeout_s: float) -> bool:
        return True

    def invoke(self, event: Any) -> None:
        self.events.append(event)


def run(schedule: Schedule) -> list[Any]:
    """Events of the first three runs."""
    function, stop = Function(), threading.Event()
    ticker = Ticker(
        function,  # type: ignore[arg-type]
        schedule,
        every_s=None,
        stop=stop,
        request_priority=RequestPriority(lambda: NEVER_S),
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
    soon = Soon("", UTC, every, every, every, every, None, every)

    assert run(Schedule(function="Pages", cron=soon, event={"a": 1}))[:3] == [{"a": 1}] * 3


def test_without_input_the_event_is_what_eventbridge_makes():
    soon = Soon("", UTC, (), (), (), (), None, ())
    event = run(Schedule(function="Pages", cron=soon, arn=ARN))[0]

    assert event["detail-type"] == "Scheduled Event"
    assert (event["source"], event["resources"], event["detail"]) == ("aws.events", [ARN], {})
    assert datetime.fromisoformat(event["time"]).tzinfo == UTC
    assert event.keys() == {"version", "id", "account", "region"} | {
        *("detail-type", "source", "time", "resources", "detail")
    }


def test_without_input_a_schedule_of_the_scheduler_says_so():
    soon = Soon("", UTC, (), (), (), (), None, ())
    arn = ARN.replace(":events:", ":scheduler:").replace("rule/", "schedule/default/")
    event = run(Schedule(function="Pages", cron=soon, arn=arn))[0]

    assert (event["source"], event["detail"]) == ("aws.scheduler", "{}")
