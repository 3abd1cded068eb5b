"""Locust users, a class for each scenario: each makes one request a second, one at a time.

They answer the question of how many users the system bears (a closed workload). Their requests are
the schedule's, byte for byte, and so is what a good answer is; they are not audited.
"""

import itertools
import ssl
from functools import cache
from time import monotonic
from typing import ClassVar

import gevent
from gevent.lock import BoundedSemaphore
from locust import FastHttpUser, constant_throughput, task
from locust.env import Environment

from loadtest import options
from loadtest.generator import tls
from loadtest.generator.driver import TIMEOUT_S
from loadtest.generator.scenarios import (
    HEALTH,
    PAYMENTS,
    REPEAT_EVERY,
    SCENARIOS,
    id_in,
    new_run_id,
)
from loadtest.generator.tracing import is_traced, traceparent
from loadtest.start import log_in
from loadtest.under_locust.conduct import end_test, refuse
from loadtest.under_locust.locust_options import variables_of
from loadtest.witnesses.api import ApiError

TOKEN_RENEWED_S = 3_000.0  # an access token lives 3,600 s


class ScenarioUser(FastHttpUser):
    """A client that asks one scenario's route again and again, once a second."""

    abstract = True
    scenario = HEALTH
    host = options.VARIABLES["TARGET"][0]
    wait_time = constant_throughput(1)
    insecure = False  # Locust's default checks no certificate
    connection_timeout = network_timeout = TIMEOUT_S
    _run: ClassVar[str] = new_run_id()
    _numbers: ClassVar["itertools.count[int]"] = itertools.count()
    _tokens: ClassVar[dict[str, tuple[str, float]]] = {}  # by target, with the time of the log-in
    _log_in_alone: ClassVar[BoundedSemaphore] = BoundedSemaphore()

    def ssl_context_factory(self) -> ssl.SSLContext:
        """Return the context that checks the target's certificate; all users share it."""
        return _context(variables_of(self.environment).get("CA_FILE", ""))

    @task
    def ask(self) -> None:
        self.send(next(ScenarioUser._numbers))

    def send(self, index: int) -> None:
        """Send the request of this index and judge the answer as the schedule's driver does."""
        scenario = SCENARIOS[self.scenario]
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        if scenario.has_key:
            headers["Idempotency-Key"] = f"{self._run}-{index}"
        if is_traced(index):
            headers["traceparent"] = traceparent(self._run, index)
        body = scenario.body(self._run, index) if scenario.body else None
        with self.client.request(
            scenario.method, scenario.path, data=body, headers=headers, catch_response=True
        ) as response:
            if response.status_code == 0:
                response.failure(response.error)
            elif response.status_code != scenario.status:
                response.failure(f"http_{response.status_code}")
            elif id_in(self.scenario, response.content or b"") is None:
                response.failure("bad_body")

    def _token(self) -> str:
        """Return this process's access token; one user logs in for all."""
        with self._log_in_alone:
            token, since = self._tokens.get(self.host, ("", 0.0))
            if not token or monotonic() - since > TOKEN_RENEWED_S:
                variables = variables_of(self.environment) | {"TARGET": self.host}
                _, token = log_in(options.read(variables))
                self._tokens[self.host] = token, monotonic()
        return token


class PaymentsUser(ScenarioUser):
    """A client that creates payments; one request in a hundred repeats the one before it."""

    scenario = PAYMENTS

    @task
    def ask(self) -> None:
        index = next(ScenarioUser._numbers)
        self.send(index)
        if index % REPEAT_EVERY == 0:
            self.wait()  # type: ignore[no-untyped-call]
            self.send(index)


def _user_of(which: int) -> type[ScenarioUser]:
    if which == PAYMENTS:
        return PaymentsUser
    name = f"{SCENARIOS[which].name.capitalize()}User"
    return type(name, (ScenarioUser,), {"scenario": which})


USERS = {user.__name__: user for user in map(_user_of, range(len(SCENARIOS)))}


def check_log_in(environment: Environment) -> None:
    """End the test with one sentence where no user would get an access token."""
    try:
        log_in(options.read(variables_of(environment)))
    except (options.UsageError, ApiError) as error:
        refuse(environment, error)
        gevent.spawn(end_test, environment)


@cache
def _context(ca_file: str) -> ssl.SSLContext:
    return tls.context_for(ca_file)
