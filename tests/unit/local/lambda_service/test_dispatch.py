"""The dispatch of events to environments, or to nobody; time is passed in."""

from dataclasses import replace
from pathlib import Path

import pytest

from local.lambda_service.dispatch import (
    ACCOUNT_THROTTLED,
    EXPIRED,
    SCALING_BURST,
    THROTTLED,
    TIMED_OUT,
    Account,
    End,
    Invocation,
    Outcome,
    Pool,
)
from local.lambda_service.metrics import FunctionMeter
from local.lambda_service.throttle import TokenBucket, bucket_for
from local.template import Function, Throttle

DEADLINE_S = 5.0


class FakeEnvironment:
    """An environment that remembers what it was given."""

    def __init__(self) -> None:
        self.invocation: Invocation | None = None
        self.machine = ""
        self.host: tuple[str, object] = ("", None)
        self.generation = 0
        self.is_cut = False

    def start(self, invocation: Invocation) -> None:
        self.invocation = invocation

    def retire(self) -> None:
        self.is_cut = True

    def cut(self) -> None:
        self.is_cut = True


def pool(
    reserved: int | None = None,
    timeout_s: int = 3,
    account: Account | None = None,
    priority: int | None = None,
) -> Pool:
    function = Function(
        logical_id="Pages",
        name="Pages",
        handler="app.pages",
        code_uri=Path("/"),
        layers=(),
        timeout_s=timeout_s,
        memory_mb=128,
        environment={},
        reserved_concurrency=reserved,
        environments=1,
        priority=priority,
    )
    return Pool(function, FunctionMeter(), queue_deadline_s=DEADLINE_S, account=account)


@pytest.fixture
def outcomes() -> dict[str, Outcome]:
    return {}


def invocation(name: str, outcomes: dict[str, Outcome]) -> Invocation:
    return Invocation(name, "", b"{}", lambda outcome: outcomes.__setitem__(name, outcome))


def test_the_environment_that_was_busy_last_is_taken_first(outcomes):
    functions, first, last = pool(), FakeEnvironment(), FakeEnvironment()
    functions.free(first, 0.0)
    functions.free(last, 0.0)

    functions.invoke(invocation("a", outcomes), 1.0)

    assert last.invocation is not None
    assert first.invocation is None


def test_nothing_of_a_function_is_timed_that_a_person_debugs(outcomes):
    function = replace(pool(timeout_s=21_000).function, is_debugged=True)
    stepped = Pool(function, FunctionMeter(), queue_deadline_s=DEADLINE_S)
    environment = FakeEnvironment()
    stepped.free(environment, 0.0)
    for name in ("in hand", "waiting"):
        stepped.invoke(invocation(name, outcomes), 1.0)
    stepped.sweep(1_000.0)

    assert outcomes == {}
    assert not environment.is_cut


def test_events_that_wait_are_started_in_order(outcomes):
    functions, environment = pool(), FakeEnvironment()
    for name in "abc":
        functions.invoke(invocation(name, outcomes), 1.0)
    order = []
    for _ in "abc":
        functions.free(environment, 2.0)
        assert environment.invocation is not None
        order.append(environment.invocation.request_id)

    assert order == ["a", "b", "c"]
    assert functions.waiting == 0


def test_reserved_concurrency_counts_what_runs_and_what_waits(outcomes):
    functions = pool(reserved=2)
    functions.free(FakeEnvironment(), 0.0)

    for name in "abc":
        functions.invoke(invocation(name, outcomes), 1.0)

    assert outcomes == {"c": THROTTLED}


def test_a_reserved_concurrency_of_0_is_off(outcomes):
    functions = pool(reserved=0)
    functions.free(FakeEnvironment(), 0.0)

    functions.invoke(invocation("a", outcomes), 1.0)

    assert outcomes == {"a": THROTTLED}


def test_without_a_reservation_a_thousand_may_run_and_wait(outcomes):
    functions = pool()

    for number in range(1001):
        functions.invoke(invocation(str(number), outcomes), 1.0)

    assert outcomes == {"1000": ACCOUNT_THROTTLED}


@pytest.mark.row("2.1", "2.2")
def test_functions_without_a_reservation_share_what_the_reservations_leave(outcomes):
    account = Account([pool(reserved=2).function], 4)
    reserved, first, second = pool(2, account=account), pool(account=account), pool(account=account)

    first.invoke(invocation("a", outcomes), 1.0)
    second.invoke(invocation("b", outcomes), 1.0)
    first.invoke(invocation("over", outcomes), 1.0)
    reserved.invoke(invocation("c", outcomes), 1.0)

    assert outcomes == {"over": ACCOUNT_THROTTLED}


@pytest.mark.row("2.3")
def test_a_function_gets_a_thousand_environments_at_once_and_a_hundred_more_each_second(outcomes):
    functions = pool(reserved=5000)
    for number in range(SCALING_BURST + 1):
        functions.invoke(invocation(str(number), outcomes), 1.0)
    assert outcomes == {str(SCALING_BURST): ACCOUNT_THROTTLED}

    for number in range(101):
        functions.invoke(invocation(f"later-{number}", outcomes), 2.0)

    assert set(outcomes) == {str(SCALING_BURST), "later-100"}


@pytest.mark.row("2.3")
def test_environments_that_are_warm_cost_no_scaling(outcomes):
    functions, environment = pool(reserved=5000), FakeEnvironment()
    functions.sweep(1.0)
    for number in range(2 * SCALING_BURST):
        functions.invoke(invocation(str(number), outcomes), 2.0)
        functions.free(environment, 2.0)
        functions.lost(environment)

    assert outcomes == {}


def test_what_waits_beyond_the_deadline_is_ended_by_the_sweep(outcomes):
    functions = pool()
    functions.invoke(invocation("a", outcomes), 1.0)
    functions.invoke(invocation("b", outcomes), 2.0)

    functions.sweep(1.0 + DEADLINE_S)
    assert outcomes == {}
    functions.sweep(1.1 + DEADLINE_S)

    assert outcomes == {"a": EXPIRED}
    assert functions.waiting == 1


def test_an_environment_is_never_given_what_is_overdue(outcomes):
    functions, environment = pool(), FakeEnvironment()
    functions.invoke(invocation("late", outcomes), 1.0)
    functions.invoke(invocation("fresh", outcomes), 6.0)

    functions.free(environment, 7.0)

    assert environment.invocation is not None
    assert environment.invocation.request_id == "fresh"
    assert outcomes == {"late": EXPIRED}


def test_what_was_abandoned_leaves_the_queue_at_once(outcomes):
    functions, environment = pool(reserved=1), FakeEnvironment()
    left = invocation("left", outcomes)
    functions.invoke(left, 1.0)
    functions.abandon(left)
    functions.invoke(invocation("stayed", outcomes), 1.0)
    functions.free(environment, 2.0)

    assert environment.invocation is not None
    assert environment.invocation.request_id == "stayed"
    assert outcomes == {}
    assert functions.waiting == 0


def test_abandoning_what_runs_leaves_its_environment_busy(outcomes):
    functions, environment = pool(), FakeEnvironment()
    functions.free(environment, 0.0)
    running = invocation("a", outcomes)
    functions.invoke(running, 1.0)

    functions.abandon(running)
    running.end(Outcome(End.RESULT))

    assert functions.busy == 1
    assert functions.waiting == 0
    assert outcomes == {}


@pytest.mark.row("1.33")
def test_an_integration_takes_29_seconds_while_the_function_goes_on(outcomes):
    functions, environment = pool(timeout_s=60), FakeEnvironment()
    functions.free(environment, 0.0)
    functions.invoke(invocation("a", outcomes), 1.0)

    functions.sweep(30.0)
    assert outcomes == {}
    functions.sweep(30.1)

    assert outcomes == {"a": TIMED_OUT}
    assert functions.busy == 1
    assert not environment.is_cut


def test_an_environment_that_does_not_keep_its_deadline_is_cut(outcomes):
    functions, environment = pool(timeout_s=3), FakeEnvironment()
    functions.free(environment, 0.0)
    functions.invoke(invocation("a", outcomes), 1.0)

    functions.sweep(5.9)
    assert not environment.is_cut
    functions.sweep(6.1)

    assert environment.is_cut


def test_a_lost_environment_gets_nothing_more(outcomes):
    functions, environment = pool(), FakeEnvironment()
    functions.free(environment, 0.0)
    functions.lost(environment)

    functions.invoke(invocation("a", outcomes), 1.0)

    assert environment.invocation is None
    assert (functions.waiting, functions.busy) == (1, 0)


@pytest.mark.row("1.60")
def test_a_token_bucket_gives_its_burst_then_its_rate():
    bucket = TokenBucket(2.0, 3, 10.0)

    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(10.5), bucket.take(10.5)] == [True, False]
    assert [bucket.take(99.0) for _ in range(4)] == [True, True, True, False]


def test_the_most_specific_throttle_counts():
    throttles = (
        Throttle(path="/*", method="*", rate_per_s=1, burst=1),
        Throttle(path="/a", method="*", rate_per_s=1, burst=2),
        Throttle(path="/a", method="GET", rate_per_s=1, burst=3),
    )

    def burst(path: str, method: str) -> int:
        bucket = bucket_for(throttles, path, method, 0.0)
        assert bucket is not None
        return sum(bucket.take(0.0) for _ in range(9))

    assert [burst("/a", "GET"), burst("/a", "PUT"), burst("/b", "GET")] == [3, 2, 1]
    assert bucket_for(throttles[1:], "/b", "GET", 0.0) is None
