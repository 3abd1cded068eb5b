"""A schedule on one machine: the function is invoked when it is due, one run after the other."""

import json
import logging
import math
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
from queue_workers.batch_trace import Handling, begin_run
from queue_workers.invoker import InvocationFailed, NotTaken, Way
from queue_workers.yield_to_requests import RequestPriority
from redis_sqs import Queue, QueueUnavailable

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 30.0  # how late a clock that was set may be noticed
READY_S = 2.0  # the longest a stopping worker waits for an environment to dial in


class QueueWay:
    """The way of a schedule to a queue: its event becomes a message."""

    def __init__(self, queue: Queue, group: str) -> None:
        self._queue = queue
        self._group = group

    def ready(self, _wait_s: float) -> bool:
        return True

    def invoke(self, event: object, _handling: Handling) -> None:
        """Send the event. Raises QueueUnavailable, and ValueError for a message that is none."""
        body = event if isinstance(event, str) else json.dumps(event)
        self._queue.send(body, group=self._group)


class Ticker:
    """The schedule of a function or queue; a run that fails is followed by the next, as on AWS."""

    def __init__(
        self,
        invoker: Way | QueueWay,
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
        """Begin somewhere within the first period, as on AWS; the time of day does not matter.

        One with a start begins then.
        """
        begins_in_s = self._schedule.starts_s and self._schedule.starts_s - self._now_s()
        due_s = time.monotonic() + (begins_in_s if begins_in_s > 0 else random.uniform(0, every_s))
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            if self._schedule.ends_s < math.inf and self._now_s() > self._schedule.ends_s:
                return
            due_s = time.monotonic() + every_s
            self.run_once()

    def _run_by_clock(self, cron: Cron) -> None:
        """Look at the clock again and again, which may be set.

        What it is set forward over is run once; what it is set back over is due again.
        """
        now_s = self._now_s()
        due_s = self._due_s(cron, now_s)
        while not self._stop.wait(min(max(0.0, due_s - now_s), LOOK_AGAIN_S)):
            before_s, now_s = now_s, self._now_s()
            is_due = now_s >= due_s
            if is_due or now_s < before_s:
                due_s = self._due_s(cron, now_s)
            if is_due:
                self.run_once()

    def _due_s(self, cron: Cron, last_s: float) -> float:
        """Return the next time after `last_s` and within the schedule's own bounds."""
        after_s = max(last_s, self._schedule.starts_s - 1)
        due = cron.after(datetime.fromtimestamp(after_s, UTC))
        return due.timestamp() if due and due.timestamp() <= self._schedule.ends_s else math.inf

    def run_once(self) -> None:
        """Invoke once, when no request waits; not while stopping or without an environment."""
        self._request_priority.turn(self._stop)
        if self._stop.is_set() or not self._invoker.ready(READY_S):
            return
        event = self._schedule.event
        handling = begin_run(self._recorder)
        try:
            self._invoker.invoke(self._made_event() if event is None else event, handling)
        except (InvocationFailed, NotTaken) as error:
            log.warning("schedule of %s: %s", self._schedule.function, error)
        except (QueueUnavailable, ValueError) as error:
            log.warning("schedule to the queue %s: %s", self._schedule.queue, error)
        if isinstance(self._invoker, QueueWay):
            return
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
