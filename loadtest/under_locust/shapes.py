"""Load shapes for Locust: the schedule's own, and the profile as numbers of users.

Both are abstract for Locust, which would otherwise follow one of them also where `-u` is given.
"""

from math import inf

from locust import LoadTestShape

from loadtest import options
from loadtest.under_locust.conduct import Conduct, refuse
from loadtest.under_locust.locust_options import variables_of

SPAWN_PER_S = 100  # users; Locust warns above that
Tick = tuple[int, float]


class ScheduleShape(LoadTestShape):
    """One user in each generator process, until the run that they drive is over."""

    abstract = True
    _generators = 0

    def tick(self) -> Tick | None:
        """Return the number of users and their spawn rate, or None at the end."""
        conduct = Conduct.current
        if conduct and conduct.is_over:
            return None
        if conduct and _elapsed_s(self) > _limit_s(self):
            conduct.stop()
        # The first number stays: a worker that vanishes is not made up for.
        self._generators = self._generators or max(1, getattr(self.runner, "worker_count", 1))
        return self._generators, self._generators

    def reset_time(self) -> None:
        """Begin anew, also after an earlier run on Locust's page."""
        super().reset_time()  # type: ignore[no-untyped-call]
        self._generators = 0
        if Conduct.current and Conduct.current.is_over:
            Conduct.current = None


class ProfileShape(LoadTestShape):
    """A shape with as many users as the profile has arrivals a second; each asks once a second."""

    abstract = True

    def tick(self) -> Tick | None:
        """Return the number of users and their spawn rate, or None at the profile's end."""
        assert self.runner is not None
        environment = self.runner.environment
        try:
            profile = options.read(variables_of(environment)).profile
        except options.UsageError as error:
            refuse(environment, error)
            return None
        users = profile.rate_at(int(_elapsed_s(self)))
        if users is None or _elapsed_s(self) >= _limit_s(self):
            return None
        return users, SPAWN_PER_S


def _elapsed_s(shape: LoadTestShape) -> float:
    return float(shape.get_run_time())  # type: ignore[no-untyped-call]


def _limit_s(shape: LoadTestShape) -> float:
    """Return the time that `-t` gives the test."""
    parsed = shape.runner.environment.parsed_options if shape.runner else None
    return float(getattr(parsed, "run_time", None) or inf)
