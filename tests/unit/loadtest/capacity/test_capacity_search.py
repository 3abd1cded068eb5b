"""The search for a capacity, against systems that are a formula and a clock that trials move."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.capacity import record
from loadtest.capacity.command import line_of, summary_of
from loadtest.capacity.page import page
from loadtest.capacity.search import PRECISION, Plan, Result, Step, Trial, result_of, search
from loadtest.capacity.trial import Measures, Thresholds, judge

PLAN = Plan(first_rate=100, step_s=20, confirm_s=60, time_s=600)
GOOD = Measures(
    sent=20_000,
    failed=0,
    skipped=0,
    errors={},
    reached=1.0,
    p99_ms=149.0,
    service_p99_ms=149.0,
    lag_p99_ms=10.0,
    generator_cpu=0.8,
    oldest=("payments", 10.0),
)
THRESHOLDS = Thresholds(p99_ms=150, age_max_s=10)


class System:
    """A system that holds rates up to a bound, and a clock that each trial moves on."""

    def __init__(self, holds: Callable[[Step], bool], overhead_s: float = 5.0):
        self.holds = holds
        self.overhead_s = overhead_s
        self.now_s = 0.0
        self.trials: list[Trial] = []

    def try_rate(self, step: Step) -> Trial:
        self.now_s += step.seconds + self.overhead_s
        return Trial(
            rate_per_s=step.rate_per_s,
            seconds=step.seconds,
            confirms=step.confirms,
            took_s=step.seconds + self.overhead_s,
            reasons=() if self.holds(step) else ("p99 999.0 ms (at most 150 ms)",),
        )

    def search(self, plan: Plan = PLAN) -> Result:
        return search(self.try_rate, plan, self.trials, lambda: self.now_s)

    @property
    def rates(self) -> list[int]:
        return [trial.rate_per_s for trial in self.trials]


def holding(bound: int) -> Callable[[Step], bool]:
    return lambda step: step.rate_per_s <= bound


@pytest.mark.parametrize("bound", [7, 60, 100, 730, 1375, 1800, 9_999])
def test_rates_double_then_close_in_on_the_bound_and_the_highest_that_held_is_confirmed(bound: int):
    system = System(holding(bound))
    result = system.search()

    assert bound / PRECISION - 1 <= result.rate_per_s <= bound
    assert result.is_confirmed
    assert result.stopped_by
    assert bound < result.stopped_by.rate_per_s <= result.rate_per_s * PRECISION + 1
    assert (system.trials[-1].confirms, system.trials[-1].seconds) == (True, 60)
    assert sum(trial.confirms for trial in system.trials) == 1
    assert system.now_s <= PLAN.time_s


def test_the_first_steps_double():
    system = System(holding(1000))
    system.search()

    assert system.rates[:5] == [100, 200, 400, 800, 1600]


@pytest.mark.parametrize("time_s", [100, 150, 200, 300])
def test_less_time_gives_a_coarser_rate_that_is_confirmed_all_the_same(time_s: int):
    system = System(holding(1375))
    result = system.search(replace(PLAN, time_s=time_s))

    assert result.is_confirmed
    assert 100 <= result.rate_per_s <= 1375
    assert system.now_s <= time_s


def test_a_rate_that_holds_a_step_and_not_a_minute_is_given_up_in_growing_retreats():
    system = System(lambda step: step.rate_per_s <= (700 if step.confirms else 1000))
    result = system.search()
    confirmations = [trial.rate_per_s for trial in system.trials if trial.confirms]

    assert confirmations[0] > 950
    assert confirmations[-1] == result.rate_per_s <= 700
    assert result.is_confirmed
    assert result.stopped_by
    assert result.stopped_by.confirms


def test_a_step_that_only_the_generator_failed_is_tried_once_more():
    system = System(holding(1000))
    lates = {400: 1, 1600: 2}  # rate: how often the generator is late

    def try_rate(step: Step) -> Trial:
        trial = system.try_rate(step)
        late = lates.get(step.rate_per_s, 0)
        lates[step.rate_per_s] = late - 1
        return replace(trial, reasons=("late",), by_generator=True) if late > 0 else trial

    result = search(try_rate, PLAN, system.trials, lambda: system.now_s)

    assert system.rates[:7] == [100, 200, 400, 400, 800, 1600, 1600]
    assert (950 < result.rate_per_s <= 1000, result.is_confirmed) == (True, True)


def test_a_system_that_holds_nothing_ends_the_search_soon():
    system = System(holding(0))
    result = system.search()

    assert (result.rate_per_s, result.is_confirmed) == (0, False)
    assert system.rates == [100, 50, 25, 12, 6]


def test_a_system_without_a_bound_is_confirmed_at_the_highest_rate_there_is():
    result = System(holding(10**9), overhead_s=0).search(replace(PLAN, first_rate=5_000))

    assert (result.rate_per_s, result.is_confirmed, result.stopped_by) == (20_000, True, None)


def test_a_search_goes_on_where_another_ended():
    whole = System(holding(1375))
    result = whole.search()
    for count in range(len(whole.trials)):
        later = System(holding(1375))
        later.trials = whole.trials[:count]

        assert later.search() == result
        assert later.rates == whole.rates


def test_a_rate_that_held_above_one_that_did_not_counts_for_nothing():
    step = System(holding(0)).try_rate
    failed = step(Step(500, 20, False))
    good = replace(step(Step(800, 20, False)), reasons=())

    assert result_of([good, failed]).rate_per_s == 0


@pytest.mark.parametrize(
    ("change", "reason", "by_generator"),
    [
        ({"failed": 2, "errors": {"http_503": 2}}, "2 of 20,000 failed (http_503 2)", False),
        ({"skipped": 3}, "3 arrivals skipped, too many were in flight", False),
        ({"p99_ms": 151.0, "service_p99_ms": 151.0}, "p99 151.0 ms (at most 150 ms)", False),
        ({"oldest": ("webhooks", 10.1)}, "oldest message of webhooks 10.1 s (at most 10 s)", False),
        ({"lag_p99_ms": 10.1}, "p99 of the generator's lag 10.1 ms (at most 10 ms)", True),
        ({"generator_cpu": 0.81}, "the generator's CPU 81.0 % of a core (at most 80 ", True),
        ({"reached": 0.9989}, "99.89% of the rate sent in time, 99.9% is required", True),
    ],
)
def test_each_threshold_stops_a_rate_and_says_so(
    change: dict[str, object], reason: str, by_generator: bool
):
    reasons, is_generators = judge(replace(GOOD, **change), THRESHOLDS)  # type: ignore[arg-type]

    assert judge(GOOD, THRESHOLDS) == ((), False)
    assert len(reasons) == 1
    assert reasons[0].startswith(reason)
    assert is_generators is by_generator


def test_a_latency_that_only_the_generators_lateness_made_is_the_generators():
    late = replace(GOOD, p99_ms=300.0, service_p99_ms=40.0, lag_p99_ms=280.0)
    slow = replace(late, service_p99_ms=290.0)

    assert judge(late, THRESHOLDS)[1] is True
    assert judge(slow, THRESHOLDS)[1] is False
    assert any("p99 300.0 ms" in reason for reason in judge(late, THRESHOLDS)[0])


def test_a_queue_whose_messages_nobody_saw_stops_no_rate():
    assert judge(replace(GOOD, oldest=None), THRESHOLDS) == ((), False)


def test_the_summary_names_the_rate_and_what_stopped_the_next():
    system = System(holding(1375))
    result = system.search()
    lines = summary_of(result, system.trials)

    assert lines[0].startswith(f"capacity: {result.rate_per_s:,} arrivals a second held for 60 s")
    assert lines[1].endswith("/s was stopped by: p99 999.0 ms (at most 150 ms)")
    assert "failed" in line_of(next(trial for trial in system.trials if not trial.holds))


def test_a_record_is_found_by_its_terms_until_it_has_a_result(tmp_path: Path):
    terms = {"target": "http://127.0.0.1:1", "step_s": 20}
    log = record.begin(tmp_path, terms)
    log.trials.append(System(holding(0)).try_rate(Step(100, 20, False)))
    log.write(result_of(log.trials), [], is_over=False)
    resumed = record.unfinished(tmp_path, terms)

    assert resumed == log
    assert record.unfinished(tmp_path, terms | {"step_s": 10}) is None
    log.write(result_of(log.trials), [], is_over=True)
    assert record.unfinished(tmp_path, terms) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"trials": [{"rate": 1}]}', "\x00"])
def test_a_record_that_no_search_wrote_is_not_gone_on_with(text: str, tmp_path: Path):
    path = tmp_path / "20261130T090000Z-capacity" / record.NAME
    path.parent.mkdir()
    path.write_text(text)

    assert record.unfinished(tmp_path, {}) is None


def test_the_page_draws_every_trial_and_escapes_what_it_was_told(tmp_path: Path):
    system = System(holding(500))
    result = system.search()
    terms = {"target": "http://<b>", "step_s": 20, "confirm_s": 60, "p99_ms": 150, "age_max_s": 10}
    log = record.Record(tmp_path, terms, "2026-11-30T09:00:00Z", system.trials)
    text = page(
        log.write(result, ["<i>"], is_over=True) | {"summary": summary_of(result, system.trials)}
    )

    assert "http://&lt;b&gt;" in text
    assert "<i>" not in text.partition("<ul>")[2].partition("</ul>")[0]
    assert text.count("<circle") == 4 * len(system.trials)
    assert f"<h1>{result.rate_per_s} arrivals a second</h1>" in text
    assert "the target shows no console" in text
