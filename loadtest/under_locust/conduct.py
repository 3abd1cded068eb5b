"""One run of the schedule inside Locust: begun with a test, and waited for when the test ends."""

from typing import ClassVar

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import WORKER_REPORT_INTERVAL
from locust.stats import CSV_STATS_INTERVAL_SEC

from loadtest import options
from loadtest.recording.monitor import say
from loadtest.run import LoadRun, summary
from loadtest.under_locust.fleet import Fleet
from loadtest.under_locust.locust_options import variables_of
from loadtest.verdict import Exit
from loadtest.witnesses.api import ApiError

CSV_S = CSV_STATS_INTERVAL_SEC + 1.0  # Locust closes its CSV files without a last row
FINISH_S = 300.0  # two drains of a minute, what is asked again, and the audit


class Conduct:
    """The run of one test, on this process's driver or on Locust's workers."""

    current: ClassVar["Conduct | None"] = None

    def __init__(self, environment: Environment, fleet: Fleet | None = None):
        Conduct.current = self
        self._environment = environment
        self.fleet = fleet
        self._run: LoadRun | None = None
        self._is_stopped = False
        self._over = Event()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def execute(self) -> None:
        """Run to the report; the verdict becomes the exit code of Locust's process."""
        environment = self._environment
        environment.process_exit_code = Exit.FAILED  # until the verdict says otherwise
        try:
            settings = options.read(variables_of(environment))
            self._run = LoadRun(settings, environment.events.request, self.fleet)
            if self._is_stopped:
                self._run.stop()
            outcome = self._run.execute()
        except (options.UsageError, ApiError) as error:
            refuse(environment, error)
        else:
            say(summary(outcome))
            environment.process_exit_code = outcome.verdict.exit_code
        finally:  # also when it broke: Locust would otherwise begin again
            if getattr(environment.parsed_options, "csv_prefix", None):
                gevent.sleep(CSV_S + (WORKER_REPORT_INTERVAL if self.fleet else 0))
            self._over.set()

    def stop(self) -> None:
        """Have no more arrivals sent; what was sent is still drained, audited and reported."""
        if not self._is_stopped:
            self._is_stopped = True
            if self._run:
                self._run.stop()

    def finish(self) -> None:
        """Stop, and wait for the report."""
        if not self.is_over:
            self.stop()
            self._over.wait(FINISH_S)


def refuse(environment: Environment, error: Exception) -> None:
    """Say why a test cannot begin; Locust's exit code says it too."""
    say(f"load: {error}")
    environment.process_exit_code = Exit.USAGE


def end_test(environment: Environment) -> None:
    """End Locust's test: the process with it, unless there is a page to begin another."""
    runner = environment.runner
    if runner is not None:
        runner.quit() if environment.web_ui is None else runner.stop()
