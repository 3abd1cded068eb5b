"""The search itself: from the trials so far to the next one, and to the result.

Rates double until one does not hold, then the gap is halved, then the highest that held is
confirmed by a longer trial. Everything follows from the list of trials, so that a search can go on
where it ended.
"""

from collections.abc import Callable
from dataclasses import dataclass

from loadtest.generator.profile import MAX_RATE_PER_S

PRECISION = 1.05  # the gap that is not halved any more: 5 %, about what two runs differ by
LOWEST_PER_S = 5  # a system that does not hold this holds nothing
RETREAT = 0.1  # of a rate that held a step and not its confirmation; twice that the next time
OVERHEAD_S = 10.0  # of a trial beside its arrivals, until one has shown it


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The bounds and steps of a search, in arrivals a second and seconds."""

    first_rate: int = 100
    step_s: int = 20
    confirm_s: int = 60
    time_s: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One rate, tried: what was measured, and every reason why it did not hold."""

    rate_per_s: int
    seconds: int
    confirms: bool
    took_s: float  # with the wait for empty queues
    reasons: tuple[str, ...] = ()
    by_generator: bool = False  # it failed, and the generator was the reason
    ok: int = 0
    failed: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    lag_p99_ms: float = 0.0
    generator_cpu: float = 0.0  # of a core
    age_max_s: float | None = None  # of the oldest message; None where it was not seen
    cpu_us_per_arrival: float | None = None  # of the system's processes; None where not seen
    machine_busy: float = 0.0  # of all cores of the generator's machine

    @property
    def holds(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Step:
    """The next rate to try."""

    rate_per_s: int
    seconds: int
    confirms: bool


@dataclass(frozen=True, slots=True)
class Result:
    """The highest rate that held, and what stopped the next one."""

    rate_per_s: int  # 0: none held
    is_confirmed: bool
    stopped_by: Trial | None  # the lowest rate above it that did not hold

    @property
    def by_generator(self) -> bool:
        return self.stopped_by is not None and self.stopped_by.by_generator


def search(
    try_rate: Callable[[Step], Trial],
    plan: Plan,
    trials: list[Trial],
    clock: Callable[[], float],
) -> Result:
    """Try rates until one is confirmed, none holds or the time is up; each is added to `trials`."""
    deadline_s = clock() + plan.time_s
    while step := next_step(trials, plan, deadline_s - clock()):
        trials.append(try_rate(step))
    return result_of(trials)


def next_step(trials: list[Trial], plan: Plan, left_s: float) -> Step | None:
    """Return what to try next in the time that is left, or None at the search's end."""
    result = result_of(trials)
    if result.is_confirmed:
        return None
    step = _repeated(trials) or _next_of(result, _last_of_each(trials), plan)
    if step and not step.confirms and left_s < _cost_s(step, trials) + _cost_s(_last(plan), trials):
        step = Step(result.rate_per_s, plan.confirm_s, True) if result.rate_per_s else None
    return step if step and left_s >= _cost_s(step, trials) else None


def result_of(trials: list[Trial]) -> Result:
    """Return what the trials so far say; a rate counts only below every one that did not hold."""
    trials = _last_of_each(trials)
    broken = min((each for each in trials if not each.holds), key=_rate, default=None)
    below = [each for each in trials if each.holds and (not broken or _rate(each) < _rate(broken))]
    best = max(below, key=_rate, default=None)
    if best is None:
        return Result(0, False, broken)
    is_confirmed = any(each.confirms and _rate(each) == _rate(best) for each in below)
    return Result(_rate(best), is_confirmed, broken)


def _repeated(trials: list[Trial]) -> Step | None:
    """Return the last step again where only the generator failed it, the first time."""
    if not trials or not trials[-1].by_generator:
        return None
    last = trials[-1]
    step = Step(last.rate_per_s, last.seconds, last.confirms)
    return step if sum(_step_of(each) == step for each in trials) == 1 else None


def _last_of_each(trials: list[Trial]) -> list[Trial]:
    """Return the trials without those that were repeated."""
    return list({_step_of(trial): trial for trial in trials}.values())


def _step_of(trial: Trial) -> Step:
    return Step(trial.rate_per_s, trial.seconds, trial.confirms)


def _next_of(result: Result, trials: list[Trial], plan: Plan) -> Step | None:
    low, broken = result.rate_per_s, result.stopped_by
    if broken is None:
        rate = min(low * 2, MAX_RATE_PER_S) if low else plan.first_rate
        confirms = low == MAX_RATE_PER_S
        return Step(rate, plan.confirm_s if confirms else plan.step_s, confirms)
    high = broken.rate_per_s
    retreats = sum(each.confirms for each in trials)
    if retreats:
        rate = max(low, int(high * (1 - RETREAT * 2 ** (retreats - 1))))
        return Step(rate, plan.confirm_s, True) if rate >= LOWEST_PER_S else None
    if not low:
        return Step(high // 2, plan.step_s, False) if high // 2 >= LOWEST_PER_S else None
    if high > low * PRECISION and high - low > 1:
        return Step((low + high) // 2, plan.step_s, False)
    return Step(low, plan.confirm_s, True)


def _cost_s(step: Step, trials: list[Trial]) -> float:
    overheads = [each.took_s - each.seconds for each in trials]
    return step.seconds + max([*overheads, 0.0] if trials else [OVERHEAD_S])


def _last(plan: Plan) -> Step:
    return Step(plan.first_rate, plan.confirm_s, True)


def _rate(trial: Trial) -> int:
    return trial.rate_per_s
