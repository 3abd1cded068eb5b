"""A schedule on one machine: the function is invoked when it is due, one run after the other."""

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from local.template import Schedule
from local.template.cron import Cron
from local.template.intrinsics import ACCOUNT_ID, REGION
from local.traces.sampling import Recorder
from queue_workers.batch_trace import begin_run
from queue_workers.invoker import InvocationFailed, Invoker, NotTaken
from queue_workers.yield_to_requests import RequestPriority

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 30.0  # how late a clock that was set may be noticed
READY_S = 2.0  # the longest a stopping worker waits for an environment to dial in


class Ticker:
    """The schedule of one function; a run that fails is followed by the next, as on AWS."""

    def __init__(
        self,
        invoker: Invoker,
        schedule: Schedule,
        *,
        every_s: int | None,
        stop: threading.Event,
        request_priority: RequestPriority,
        recorder: Recorder,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._invoker = invoker
        self._schedule = schedule
        self._every_s = every_s  # or the schedule's own times
        self._stop = stop
        self._request_priority = request_priority
        self._recorder = recorder
        self._now_s = now_s

    def run(self) -> None:
        """Invoke until `stop`."""
        if self._every_s:
            self._run_by_rate(self._every_s)
        elif self._schedule.cron:
            self._run_by_clock(self._schedule.cron)

    def _run_by_rate(self, every_s: int) -> None:
        """Begin somewhere within the first period, as on AWS; the time of day does not matter."""
        due_s = time.monotonic() + random.uniform(0, every_s)
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            due_s = time.monotonic() + every_s
            self.run_once()

    def _run_by_clock(self, cron: Cron) -> None:
        """Look at the clock again and again, which may be set.

        What it is set forward over is run once; what it is set back over is due again.
        """
        now_s = self._now_s()
        due_s = _due_s(cron, now_s)
        while not self._stop.wait(min(max(0.0, due_s - now_s), LOOK_AGAIN_S)):
            before_s, now_s = now_s, self._now_s()
            is_due = now_s >= due_s
            if is_due or now_s < before_s:
                due_s = _due_s(cron, now_s)
            if is_due:
                self.run_once()

    def run_once(self) -> None:
        """Invoke once, when no request waits; not while stopping or without an environment."""
        self._request_priority.wait(self._stop)
        if self._stop.is_set() or not self._invoker.ready(READY_S):
            return
        event = self._schedule.event
        handling = begin_run(self._recorder)
        try:
            self._invoker.invoke(self._made_event() if event is None else event, handling)
        except (InvocationFailed, NotTaken) as error:
            log.warning("schedule of %s: %s", self._schedule.function, error)
        if handling.context.is_sampled or handling.error is not None:
            self._recorder.keep([*handling.spans(self._invoker.function, "timer")])

    def _made_event(self) -> dict[str, object]:
        """Return the event that EventBridge makes for a function whose schedule has no Input."""
        is_rule = ":rule/" in self._schedule.arn
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events" if is_rule else "aws.scheduler",
            "account": ACCOUNT_ID,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [self._schedule.arn],
            "detail": {} if is_rule else "{}",
        }

    def give_back(self) -> None:
        """Give back nothing: the next run does what this one leaves undone."""


def _due_s(cron: Cron, last_s: float) -> float:
    due = cron.after(datetime.fromtimestamp(last_s, UTC))
    return due.timestamp() if due else float("inf")
