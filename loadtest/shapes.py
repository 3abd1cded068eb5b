"""Load shapes for Locust: the schedule's own, and the profile as numbers of users.

Both are abstract for Locust, which would otherwise follow one of them also where `-u` is given.
"""

import os
from math import inf

from locust import LoadTestShape

from loadtest import options
from loadtest.conduct import Conduct
from loadtest.locust_options import variables_of
from loadtest.profile import Profile

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
    """As many users as the profile has arrivals a second, each of whom asks once a second."""

    abstract = True

    def __init__(self, profile: Profile | None = None):
        super().__init__()  # type: ignore[no-untyped-call]
        self._profile = profile

    def tick(self) -> Tick | None:
        """Return the number of users and their spawn rate, or None at the profile's end."""
        profile = self._profile or _profile_of(self)
        second = int(_elapsed_s(self))
        if second >= _limit_s(self):
            return None
        for phase in profile.phases:
            if second < phase.duration_s:
                return phase.arrivals_in(second), SPAWN_PER_S
            second -= phase.duration_s
        return None


def _profile_of(shape: LoadTestShape) -> Profile:
    variables = variables_of(shape.runner.environment) if shape.runner else os.environ
    return options.read(variables).profile


def _elapsed_s(shape: LoadTestShape) -> float:
    return float(shape.get_run_time())  # type: ignore[no-untyped-call]


def _limit_s(shape: LoadTestShape) -> float:
    """Return the time that `-t` gives the test."""
    parsed = shape.runner.environment.parsed_options if shape.runner else None
    return float(getattr(parsed, "run_time", None) or inf)
