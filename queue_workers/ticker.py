"""A schedule on one machine: the function is invoked at its rate, one run after the other."""

import logging
import random
import threading
import time

from local.template import Schedule
from queue_workers.invoker import InvocationFailed, Invoker, NotTaken

log = logging.getLogger(__name__)

READY_S = 2.0  # the longest a stopping worker waits for an environment to dial in


class Ticker:
    """Invokes one function until `stop`; a run that fails is followed by the next, as on AWS."""

    def __init__(
        self, invoker: Invoker, schedule: Schedule, *, every_s: int, stop: threading.Event
    ) -> None:
        self._invoker = invoker
        self._schedule = schedule
        self._every_s = every_s
        self._stop = stop

    def run(self) -> None:
        """Invoke until `stop`, beginning somewhere within the first period, as schedules do."""
        self._stop.wait(random.uniform(0, self._every_s))
        while not self._stop.is_set():
            started_s = time.monotonic()
            self.run_once()
            self._stop.wait(max(0.0, started_s + self._every_s - time.monotonic()))

    def run_once(self) -> None:
        """Invoke once, unless no environment is there."""
        if not self._invoker.ready(READY_S):
            return
        try:
            self._invoker.invoke(self._schedule.event)
        except (InvocationFailed, NotTaken) as error:
            log.warning("schedule of %s: %s", self._schedule.function, error)

    def give_back(self) -> None:
        """There is nothing to give back: the next run does what this one leaves undone."""
