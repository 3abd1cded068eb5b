"""One trial: a steady rate against the system, and every threshold that it did not keep.

A trial that cannot hold any more is ended early: the search wants to know that, not how badly.
"""

from dataclasses import dataclass
from time import monotonic
from typing import Any

import gevent
import psutil

from loadtest.capacity.search import Step, Trial
from loadtest.generator.driver import Driver
from loadtest.generator.journal import NO_TIME, OK, UNSENT
from loadtest.generator.profile import schedule, steady
from loadtest.generator.scenarios import new_run_id, workload
from loadtest.options import Options
from loadtest.recording.measure import LATE_S, Figures, figures, milliseconds
from loadtest.recording.monitor import TICK_S, CpuMeter, QueueWatch
from loadtest.start import driver_of, log_in, requests_of
from loadtest.verdict import MAX_GENERATOR_CPU, MAX_LAG_P99_MS, MIN_REACHED
from loadtest.witnesses import servers
from loadtest.witnesses.api import Api
from loadtest.wording import counted

LOOK_S = 0.25
MAX_FAILED = 10  # beyond it the reason is known
MAX_WAIT_S = 2.0  # of arrivals in flight, at the tried rate: far from any p99 that holds
MIN_IN_FLIGHT = 50  # a slow answer or two at a low rate are no reason to end


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The bounds within which a rate holds, beside those of every load run."""

    p99_ms: float
    age_max_s: float  # of the oldest message in any queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The measures of one trial that are judged."""

    sent: int
    failed: int
    skipped: int
    errors: dict[str, int]
    reached: float  # of what was due, sent in time
    p99_ms: float  # from the scheduled start
    service_p99_ms: float  # from the send
    lag_p99_ms: float
    generator_cpu: float
    oldest: tuple[str, float] | None  # queue, and the age of its oldest message in seconds


class Bench:
    """The system under test, and the trials of one search against it."""

    def __init__(self, options: Options, thresholds: Thresholds):
        self._options = options
        self._thresholds = thresholds
        self._console = Api(options.console, ca_file=options.ca_file) if options.console else None
        self.notes: list[str] = []  # what could not be seen or judged

    def try_rate(self, step: Step) -> Trial:
        """Send this rate for so long, and judge it. ApiError where the system gives no token."""
        started = monotonic()
        driver, cpu, queues = self._driver(step), CpuMeter(), QueueWatch(self._console)
        queues.begin()
        before, times = servers.look(self._console), psutil.cpu_times()
        self._drive(driver, cpu, queues, step)
        used = servers.between(before, servers.look(self._console), driver.next_index)
        busy = _busy(times, psutil.cpu_times())
        oldest = self._oldest(queues)
        queues.drain(_say_nothing)
        measured = figures(driver.work, driver.journal)
        measures = _measures_of(driver, measured, cpu, oldest)
        reasons, by_generator = judge(measures, self._thresholds)
        rows = [float(row["cpu_us_per_arrival"]) for row in used.rows]
        return Trial(
            rate_per_s=step.rate_per_s,
            seconds=step.seconds,
            confirms=step.confirms,
            took_s=round(monotonic() - started, 1),
            reasons=reasons,
            by_generator=by_generator,
            ok=measured.ok,
            failed=measured.failed,
            p50_ms=milliseconds(measured.total.times.latency)["p50"],
            p99_ms=measures.p99_ms,
            lag_p99_ms=measures.lag_p99_ms,
            generator_cpu=round(measures.generator_cpu, 3),
            age_max_s=round(oldest[1], 1) if oldest else None,
            cpu_us_per_arrival=round(sum(rows), 1) if rows else None,
            machine_busy=round(busy, 3),
        )

    def _driver(self, step: Step) -> Driver:
        work = workload(schedule(steady(step.rate_per_s, step.seconds)))
        _, token = log_in(self._options)
        requests = requests_of(self._options, work, run=new_run_id(), token=token)
        return driver_of(self._options, work, requests)

    def _drive(self, driver: Driver, cpu: CpuMeter, queues: QueueWatch, step: Step) -> None:
        def tick() -> None:
            while True:
                gevent.sleep(TICK_S)
                cpu.sample()

        def end_what_cannot_hold() -> None:
            while not self._cannot_hold(driver, queues, step.rate_per_s):
                gevent.sleep(LOOK_S)
            driver.stop()

        watchers = [gevent.spawn(each) for each in (tick, queues.watch, end_what_cannot_hold)]
        cpu.sample()
        try:
            driver.run()
        finally:
            gevent.killall(watchers)
            cpu.sample()
            queues.sample()

    def _cannot_hold(self, driver: Driver, queues: QueueWatch, rate_per_s: int) -> bool:
        outcome = driver.journal.outcome
        failed = len(outcome) - outcome.count(UNSENT) - outcome.count(OK)
        oldest = self._oldest(queues)
        return (
            failed > MAX_FAILED
            or driver.in_flight > max(MIN_IN_FLIGHT, rate_per_s * MAX_WAIT_S)
            or (oldest is not None and oldest[1] > self._thresholds.age_max_s)
        )

    def _oldest(self, queues: QueueWatch) -> tuple[str, float] | None:
        """Return the queue with the oldest message; one with leftovers before is not judged."""
        if queues.trouble:
            self.notes = [f"messages' ages were not seen: {queues.trouble}"]
            return None
        left = [name for name, count in queues.left_before.items() if count]
        self.notes = [
            f"queue {name} held messages before; their age is not judged" for name in left
        ]
        ages = {name: age_s for name, age_s in queues.age_max_s.items() if name not in left}
        return max(ages.items(), key=lambda each: each[1], default=None)


def judge(measures: Measures, thresholds: Thresholds) -> tuple[tuple[str, ...], bool]:
    """Return every reason why a rate did not hold, and whether the generator alone was it."""
    faults, lateness = _faults(measures, thresholds), _lateness(measures)
    if lateness and measures.p99_ms > thresholds.p99_ms >= measures.service_p99_ms:
        lateness.append(_over("p99", measures.p99_ms, thresholds.p99_ms, "ms"))
    return (*faults, *lateness), bool(lateness) and not faults


def _faults(measures: Measures, thresholds: Thresholds) -> list[str]:
    faults = []
    if measures.failed:
        kinds = ", ".join(f"{name} {count:,}" for name, count in measures.errors.items())
        faults.append(f"{measures.failed:,} of {measures.sent:,} failed ({kinds})")
    if measures.skipped:
        faults.append(f"{counted(measures.skipped, 'arrival')} skipped, too many were in flight")
    if measures.service_p99_ms > thresholds.p99_ms:
        faults.append(_over("p99", measures.p99_ms, thresholds.p99_ms, "ms"))
    if measures.oldest and measures.oldest[1] > thresholds.age_max_s:
        queue, age_s = measures.oldest
        faults.append(_over(f"oldest message of {queue}", age_s, thresholds.age_max_s, "s"))
    return faults


def _lateness(measures: Measures) -> list[str]:
    late = []
    if measures.lag_p99_ms > MAX_LAG_P99_MS:
        late.append(_over("p99 of the generator's lag", measures.lag_p99_ms, MAX_LAG_P99_MS, "ms"))
    if measures.generator_cpu > MAX_GENERATOR_CPU:
        share, limit = measures.generator_cpu * 100, MAX_GENERATOR_CPU * 100
        late.append(_over("the generator's CPU", share, limit, "% of a core"))
    if measures.reached < MIN_REACHED:
        late.append(
            f"{measures.reached:.2%} of the rate sent in time, {MIN_REACHED:.1%} is required"
        )
    return late


def _over(what: str, value: float, limit: float, unit: str) -> str:
    return f"{what} {value:.1f} {unit} (at most {limit:g} {unit})"


def _measures_of(
    driver: Driver, measured: Figures, cpu: CpuMeter, oldest: tuple[str, float] | None
) -> Measures:
    times = measured.total.times
    return Measures(
        sent=measured.sent,
        failed=measured.failed,
        skipped=measured.skipped,
        errors=measured.errors,
        reached=_reached(driver, measured),
        p99_ms=milliseconds(times.latency)["p99"],
        service_p99_ms=milliseconds(times.service)["p99"],
        lag_p99_ms=milliseconds(times.lag)["p99"],
        generator_cpu=cpu.busiest,
        oldest=oldest,
    )


def _reached(driver: Driver, measured: Figures) -> float:
    """Return the share sent in time: in the worst 5 s, or of all that a short trial sent."""
    if driver.next_index >= len(driver.work):
        return measured.worst_window.reached
    sent_s, due_s = driver.journal.sent_s, driver.work.schedule.due_s
    due = range(driver.next_index)
    in_time = sum(sent_s[i] != NO_TIME and sent_s[i] - due_s[i] <= LATE_S for i in due)
    return in_time / max(1, len(due))


def _busy(before: Any, after: Any) -> float:
    """Return the share of all cores' time in which this machine did something."""
    idle_s = after.idle + after.iowait - before.idle - before.iowait
    total_s = sum(after[:8]) - sum(before[:8])  # guests' time is in the user's already
    return max(0.0, 1 - idle_s / total_s) if total_s > 0 else 0.0


def _say_nothing(_: str) -> None:
    """Drop the lines that a drain would show; a search has its own."""
