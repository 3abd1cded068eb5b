"""The command `python -m loadtest capacity`: settings, lines on the terminal, exit code."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from loadtest import options
from loadtest.capacity import page, record
from loadtest.capacity.search import Plan, Result, Step, Trial, next_step, result_of, search
from loadtest.capacity.trial import Bench, Thresholds
from loadtest.recording.monitor import say
from loadtest.start import start_local, trouble_of
from loadtest.verdict import Exit
from loadtest.witnesses.api import ApiError
from loadtest.wording import counted

OWN = {
    "FIRST_RATE": ("100", "arrivals a second of the first step; the next are twice the last"),
    "STEP_S": ("20", "seconds of a step; longer than AGE_MAX_S, or waiting messages go unseen"),
    "CONFIRM_S": ("60", "seconds of the confirming run at the rate that holds"),
    "TIME_S": ("600", "seconds after which no further step begins"),
    "AGE_MAX_S": ("10", "the age of the oldest message up to which messages keep up"),
    "ANEW": ("", "anything: begin anew, where a search of the last hour has not ended"),
}
SHARED = ("TARGET", "CA_FILE", "CONNECTIONS", "SLO_P99_MS", "MAX_IN_FLIGHT", "CLIENT", "CONSOLE",
          "REPORTS")  # fmt: skip
VARIABLES = OWN | {name: options.VARIABLES[name] for name in SHARED}
PROBE = Step(4, 1, False)  # one arrival of each scenario: what fails at this rate has no capacity
LOOK_S = 0.5
RECOVERY_S = 5.0  # in which a target that was overloaded answers again
SLACK_S = 20  # of TIME_S, for what a step takes beside its arrivals
EPILOG = """exit codes: 0 a rate is confirmed, 1 none holds or the search did not end, 2 it could
not begin, 3 a rate is confirmed, but the generator stopped the next step: the system may hold
more"""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one search."""

    load: options.Options
    plan: Plan
    thresholds: Thresholds
    begins_anew: bool

    def terms(self) -> dict[str, Any]:
        """Return what must be equal for a search to go on."""
        return {
            "target": self.load.target,
            "connections": "reuse" if self.load.keep_alive else "per-arrival",
            "step_s": self.plan.step_s,
            "confirm_s": self.plan.confirm_s,
            "first_rate": self.plan.first_rate,
            "p99_ms": self.thresholds.p99_ms,
            "age_max_s": self.thresholds.age_max_s,
        }


def main(arguments: list[str]) -> int:
    """Search, and return the exit code."""
    try:
        settings = read(dict(os.environ) | _parse(arguments))
    except options.UsageError as error:
        say(f"capacity: {error}")
        return Exit.USAGE
    trouble = trouble_of(settings.load)
    if trouble and not start_local(settings.load.target, trouble):
        return Exit.USAGE
    return run(settings)


def read(variables: Mapping[str, str]) -> Settings:
    """Return the settings that the variables stand for; UsageError names the one that is wrong."""
    value = {name: variables.get(name) or default for name, (default, _) in OWN.items()}
    load = options.read({name: variables[name] for name in SHARED if name in variables})
    plan = Plan(
        first_rate=options.number(value, "FIRST_RATE"),
        step_s=options.number(value, "STEP_S"),
        confirm_s=options.number(value, "CONFIRM_S"),
        time_s=options.number(value, "TIME_S"),
    )
    least_s = plan.step_s + plan.confirm_s + SLACK_S
    if plan.time_s < least_s:
        raise options.UsageError(
            f"TIME_S is {plan.time_s}; it must be at least {least_s}, a step and its confirmation"
        )
    thresholds = Thresholds(p99_ms=load.slo_p99_ms, age_max_s=options.number(value, "AGE_MAX_S"))
    return Settings(load, plan, thresholds, bool(value["ANEW"]))


def run(settings: Settings) -> int:
    """Search until a rate is confirmed, the time is up or the target fails.

    Both signals interrupt, also in a shell's background, where SIGINT is ignored otherwise.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    reports, terms = settings.load.reports, settings.terms()
    bench = Bench(settings.load, settings.thresholds)
    log = None if settings.begins_anew else record.unfinished(reports, terms)
    if log:
        trials = counted(len(log.trials), "trial")
        say(f"going on after {trials} of {log.folder}; ANEW=1 begins anew")
    log = log or record.begin(reports, terms)

    def try_rate(step: Step) -> Trial:
        trial = bench.try_rate(step)
        say(line_of(trial))
        so_far = replace(log, trials=[*log.trials, trial])
        _write(so_far, result_of(so_far.trials), bench.notes, is_over=False)
        _check_target(settings, trial)
        return trial

    try:
        probe = bench.try_rate(PROBE)
        if probe.failed:
            say(f"capacity: {settings.load.target} fails at {PROBE.rate_per_s} arrivals a second: "
                f"{probe.reasons[0]}")  # fmt: skip
            return Exit.FAILED
        result = search(try_rate, settings.plan, log.trials, monotonic)
    except ApiError as error:
        say(f"capacity: {error}")
        return Exit.FAILED
    except KeyboardInterrupt:
        say("capacity: interrupted; the same command goes on with the search within the hour")
        return Exit.FAILED
    is_over = next_step(log.trials, settings.plan, inf) is None  # and not only the time
    return _end(log, result, bench.notes, is_over=is_over)


def _parse(arguments: list[str]) -> dict[str, str]:
    return options.parse(
        arguments,
        VARIABLES,
        prog="python -m loadtest capacity",
        description="Search for the highest rate that holds, messages included.",
        epilog=EPILOG,
    )


def _check_target(settings: Settings, trial: Trial) -> None:
    """End the search where the target is gone after a trial that did not hold."""
    deadline = monotonic() + RECOVERY_S
    while not trial.holds and (trouble := trouble_of(settings.load)):
        if monotonic() > deadline:
            raise ApiError(f"the target is gone after {trial.rate_per_s:,}/s: {trouble}")
        time.sleep(LOOK_S)


def line_of(trial: Trial) -> str:
    """Return a trial as one line."""
    age = "not seen" if trial.age_max_s is None else f"{trial.age_max_s:.1f} s"
    cost = "" if trial.cpu_us_per_arrival is None else f", {trial.cpu_us_per_arrival:,.0f} us each"
    kind = "confirming" if trial.confirms else "step"
    return (
        f"{trial.rate_per_s:7,}/s  {kind:<10} {trial.seconds:3} s  "
        f"{'held  ' if trial.holds else 'failed'}  "
        f"p50 {trial.p50_ms:.1f}  p99 {trial.p99_ms:.1f} ms  "
        f"oldest message {age}  CPU {trial.machine_busy:.0%}{cost}"
        + "".join(f"\n{'':11}{reason}" for reason in trial.reasons)
    )


def summary_of(result: Result, trials: list[Trial]) -> list[str]:
    """Return what came of a search, in sentences."""
    stopped = result.stopped_by
    if not result.rate_per_s:
        reason = f": {'; '.join(stopped.reasons)}" if stopped else ""
        lowest = f" of {stopped.rate_per_s:,}/s and more" if stopped else ""
        return [f"no rate{lowest} holds{reason}"]
    if result.is_confirmed:
        last = next(each for each in reversed(trials) if each.confirms and each.holds)
        age = "" if last.age_max_s is None else f", oldest message {last.age_max_s:.1f} s"
        lines = [
            f"capacity: {result.rate_per_s:,} arrivals a second held for {last.seconds} s "
            f"(p99 {last.p99_ms:.1f} ms{age})"
        ]
    else:
        lines = [
            f"{result.rate_per_s:,}/s held, but is not confirmed; the same command goes on within "
            "the hour"
        ]
    if stopped:
        lines.append(f"{stopped.rate_per_s:,}/s was stopped by: {'; '.join(stopped.reasons)}")
    if result.by_generator:
        lines.append("the generator was the bound, so the system may hold more")
    return lines


def _write(log: record.Record, result: Result, notes: list[str], *, is_over: bool) -> Path:
    """Write the record and the page; return the page's place."""
    document = log.write(result, notes, is_over=is_over)
    place = log.folder / "capacity.html"
    summary = summary_of(result, log.trials)
    place.write_text(page.page(document | {"summary": summary}), encoding="utf-8")
    return place


def _end(log: record.Record, result: Result, notes: list[str], *, is_over: bool) -> int:
    place = _write(log, result, notes, is_over=is_over)
    lines = [*summary_of(result, log.trials), *(f"note: {note}" for note in notes)]
    for sentence in (*lines, f"page: {place}"):
        say(sentence)
    if not result.is_confirmed:
        return Exit.FAILED
    return Exit.INVALID if result.by_generator else Exit.PASSED
