"""A schedule on one machine: the function is invoked when it is due, one run after the other."""

import logging
import random
import threading
import time
import uuid
from datetime import UTC, datetime

from local.template import Schedule
from local.template.intrinsics import ACCOUNT_ID, REGION
from queue_workers.invoker import InvocationFailed, Invoker, NotTaken
from queue_workers.yield_to_requests import Courtesy

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 3600.0  # then the clock is looked at, which may have been set
READY_S = 2.0  # the longest a stopping worker waits for an environment to dial in


class Ticker:
    """Invokes one function until `stop`; a run that fails is followed by the next, as on AWS."""

    def __init__(
        self,
        invoker: Invoker,
        schedule: Schedule,
        *,
        every_s: int | None,
        stop: threading.Event,
        courtesy: Courtesy,
    ) -> None:
        self._invoker = invoker
        self._schedule = schedule
        self._every_s = every_s  # or the schedule's own times
        self._stop = stop
        self._courtesy = courtesy

    def run(self) -> None:
        """Invoke until `stop`; a rate begins somewhere within the first period, as on AWS."""
        now_s = time.time()
        due_s = now_s + random.uniform(0, self._every_s) if self._every_s else self._due_s(now_s)
        while not self._stop.wait(min(max(0.0, due_s - time.time()), LONGEST_WAIT_S)):
            started_s = time.time()
            if started_s >= due_s:
                self.run_once()
                due_s = self._due_s(started_s)

    def run_once(self) -> None:
        """Invoke once, when no request waits; not while stopping or without an environment."""
        self._courtesy.wait(0.0, self._stop)
        if self._stop.is_set() or not self._invoker.ready(READY_S):
            return
        event = self._schedule.event
        try:
            self._invoker.invoke(self._made_event() if event is None else event)
        except (InvocationFailed, NotTaken) as error:
            log.warning("schedule of %s: %s", self._schedule.function, error)

    def _due_s(self, last_s: float) -> float:
        if self._every_s or self._schedule.cron is None:
            return last_s + (self._every_s or LONGEST_WAIT_S)
        due = self._schedule.cron.after(datetime.fromtimestamp(last_s, UTC))
        return due.timestamp() if due else float("inf")

    def _made_event(self) -> dict[str, object]:
        """What EventBridge gives to a function whose schedule has no Input."""
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
        """There is nothing to give back: the next run does what this one leaves undone."""
