"""A function under more load than it can serve; time passes as the test says."""

import heapq
from dataclasses import dataclass, field

from local.lambda_service.dispatch import Account, End, Invocation, Outcome, Pool
from tests.unit.local.lambda_service.test_dispatch import FakeEnvironment, pool

SWEEP_S = 0.1


@dataclass
class Answers:
    """The waits of what was started, and what was refused, by the time of its arrival."""

    waits_s: list[tuple[float, float]] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    refused_after_s: list[float] = field(default_factory=list)
    most_waiting: int = 0

    def of(self, from_s: float, to_s: float) -> tuple[list[float], int]:
        """Return the sorted waits and the number of refusals of arrivals in these seconds."""
        waits = sorted(wait for at, wait in self.waits_s if from_s <= at < to_s)
        return waits, sum(from_s <= at < to_s for at in self.refused_s)


@dataclass
class Load:
    """Arrivals at a pool whose environments take `work_s` for each event."""

    functions: Pool
    work_s: float
    environments: int
    answers: Answers = field(default_factory=Answers)
    _ends: list[tuple[float, int, FakeEnvironment]] = field(default_factory=list)
    _numbers: int = 0
    _swept_s: float = 0.0
    _now_s: float = 0.0
    writes: int = 0  # that were started

    def __post_init__(self) -> None:
        for _ in range(self.environments):
            self.functions.free(Worker(self), 0.0)

    def run(self, rate: float, from_s: float, to_s: float) -> None:
        """Send arrivals at a steady rate."""
        for number in range(int(rate * (to_s - from_s))):
            self.arrive(from_s + number / rate)
        self.until(to_s)

    def arrive(self, now_s: float, *, is_repeatable: bool = False) -> None:
        self.until(now_s)

        def ended(outcome: Outcome) -> None:
            if outcome.end is End.EXPIRED:
                self.answers.refused_s.append(now_s)
                self.answers.refused_after_s.append(self._now_s - now_s)

        event = Invocation("", "", b"{}", ended)
        event.is_repeatable = is_repeatable
        self.functions.invoke(event, now_s)
        self.answers.most_waiting = max(self.answers.most_waiting, self.functions.waiting)

    def until(self, now_s: float) -> None:
        """Let events end, and sweep, until then."""
        while self._ends and self._ends[0][0] <= now_s:
            ends_s, _, environment = heapq.heappop(self._ends)
            self._sweep(ends_s)
            self._now_s = ends_s
            assert environment.invocation is not None
            environment.invocation.end(Outcome(End.RESULT))
            self.functions.free(environment, ends_s)
        self._sweep(now_s)
        self._now_s = now_s

    def started(self, environment: FakeEnvironment, invocation: Invocation) -> None:
        now_s, queued_s = invocation.started_s, invocation.queued_s
        self.answers.waits_s.append((queued_s, now_s - queued_s))
        self.writes += invocation.is_repeatable
        self._numbers += 1
        heapq.heappush(self._ends, (now_s + self.work_s, self._numbers, environment))

    def _sweep(self, now_s: float) -> None:
        while self._swept_s + SWEEP_S <= now_s:
            self._swept_s += SWEEP_S
            self._now_s = self._swept_s
            self.functions.sweep(self._swept_s)


class Worker(FakeEnvironment):
    """An environment that tells its load what it was given."""

    def __init__(self, load: Load) -> None:
        super().__init__()
        self.load = load

    def start(self, invocation: Invocation) -> None:
        super().start(invocation)
        self.load.started(self, invocation)


def four_hundred_a_second(functions: Pool) -> Load:
    return Load(functions, work_s=0.01, environments=4)


def test_at_twice_the_capacity_it_serves_all_it_can_quickly_and_is_well_at_once_afterwards():
    load = four_hundred_a_second(pool())
    load.run(800, 0.0, 12.0)
    load.run(200, 12.0, 15.0)
    load.run(800, 15.0, 20.0)
    waits_s, refused = load.answers.of(0.0, 12.0)
    waits_again_s, _ = load.answers.of(15.0, 20.0)
    waits_after_s, refused_after = load.answers.of(13.0, 15.0)

    assert len(waits_s) >= 0.95 * 12 * 400
    assert waits_s[int(0.99 * len(waits_s))] < 1.0
    assert len(waits_s) + refused == 9_600
    assert load.answers.most_waiting <= 900
    assert waits_again_s[-1] < 0.75
    assert (waits_after_s[-1], refused_after) == (0.0, 0)


def test_a_burst_that_is_served_within_a_second_loses_nothing():
    load = four_hundred_a_second(pool())
    for _ in range(400):
        load.arrive(1.0)
    load.run(100, 1.0, 10.0)

    assert load.answers.refused_s == []


def test_clients_that_wait_for_a_slow_function_are_all_served():
    load = Load(pool(), work_s=0.8, environments=1)
    for _ in range(5):
        load.arrive(0.0)
    for round_s in range(1, 30):
        load.until(0.8 * round_s)
        load.arrive(0.8 * round_s)

    assert load.answers.refused_s == []


def test_a_page_that_asks_for_a_few_slow_things_at_once_gets_all_of_them():
    load = Load(pool(), work_s=0.001, environments=1)
    load.run(20, 0.0, 2.0)
    load.work_s = 0.9
    for _ in range(6):
        load.arrive(2.0)
    load.until(9.0)

    assert load.answers.refused_s == []


def test_a_queue_before_any_environment_is_there_is_no_overload():
    functions = pool()
    load = four_hundred_a_second(functions)
    lost = list(functions.environments)
    for environment in lost:
        functions.lost(environment)
    load.run(100, 0.0, 3.0)
    for environment in lost:
        functions.free(environment, 3.0)
    load.until(6.0)

    assert load.answers.refused_s == []


def test_the_less_important_makes_room_first_and_open_routes_keep_their_place():
    account = Account([], 1000)
    payments, analytics = pool(account=account, priority=1), pool(account=account, priority=3)
    others = pool(account=account)
    load = four_hundred_a_second(payments)
    load.run(100, 0.0, 10.0)
    load.work_s = 0.03
    for environments in (analytics, others):
        environments.free(FakeEnvironment(), 0.0)
    load.run(400, 10.0, 11.2)
    for each in (analytics, others):
        each.sweep(11.2)
    outcomes: list[tuple[str, End]] = []

    def ends(name: str) -> Invocation:
        return Invocation(name, "", b"{}", lambda outcome: outcomes.append((name, outcome.end)))

    health = ends("health")
    health.has_slot = True
    for each, event in ((analytics, ends("event")), (analytics, health), (others, ends("other"))):
        each.invoke(event, 11.2)

    assert load.answers.refused_s == []
    assert outcomes == [("event", End.EXPIRED)]

    load.until(20.0)
    analytics.sweep(20.0)
    analytics.invoke(ends("later"), 20.0)

    assert len(outcomes) == 1


def test_nobody_makes_room_where_it_would_not_help():
    account = Account([], 1000)
    payments, analytics = pool(account=account, priority=1), pool(account=account, priority=3)
    analytics.free(FakeEnvironment(), 0.0)
    load = four_hundred_a_second(payments)
    refused: list[End] = []
    load.run(800, 0.0, 3.0)
    analytics.sweep(3.0)
    analytics.invoke(Invocation("", "", b"{}", lambda outcome: refused.append(outcome.end)), 3.0)

    assert load.answers.refused_s
    assert refused == []


def test_without_a_named_concurrency_no_more_wait_than_are_served_in_time():
    load, named = four_hundred_a_second(pool()), four_hundred_a_second(pool(reserved=1000))
    for each in (load, named):
        each.run(800, 0.0, 3.0)
        each.answers = Answers()
        each.run(2400, 3.0, 6.0)
    refused = zip(load.answers.refused_s, load.answers.refused_after_s, strict=True)
    waits_of_refused_s = [after_s for at_s, after_s in refused if at_s >= 3.0]

    assert load.answers.most_waiting == 200
    assert len(load.answers.waits_s) >= 0.95 * 3 * 400
    assert max(waits_of_refused_s) < 0.2
    assert named.answers.most_waiting == 1000 - 4


def test_the_number_that_may_wait_follows_how_long_events_take_now():
    load = four_hundred_a_second(pool())
    load.run(800, 0.0, 3.0)
    load.work_s = 0.04
    load.run(800, 3.0, 5.0)

    assert load.functions.waiting == 50


def test_a_queue_that_lost_its_environments_drops_nothing():
    functions = pool()
    load = four_hundred_a_second(functions)
    load.run(800, 0.0, 3.0)
    for environment in list(functions.environments):
        functions.lost(environment)
    before = len(load.answers.refused_s)
    for _ in range(300):
        functions.invoke(Invocation("", "", b"{}", lambda _: None), 3.0)

    assert len(load.answers.refused_s) == before


def test_whoever_has_most_that_wait_makes_room_for_others():
    functions = pool()
    load = four_hundred_a_second(functions)
    load.run(800, 0.0, 3.0)
    quiet: list[End] = []
    event = Invocation("", "", b"{}", lambda outcome: quiet.append(outcome.end))
    event.caller = "quiet"
    functions.invoke(event, 3.0)
    load.run(2400, 3.0, 3.5)

    assert quiet == [End.RESULT]


def test_reads_go_before_writes_that_can_be_repeated_and_never_keep_all_of_them_out():
    load = four_hundred_a_second(pool())
    for number in range(5 * 800):
        load.arrive(number / 800, is_repeatable=number % 2 == 0)
    before = load.writes, len(load.answers.waits_s)
    for number in range(5 * 800):
        load.arrive(5 + number / 800, is_repeatable=number % 2 == 0)
    writes, started = load.writes - before[0], len(load.answers.waits_s) - before[1]

    assert started >= 0.95 * 5 * 400
    assert 0.24 <= writes / started <= 0.26
