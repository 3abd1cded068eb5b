"""The figures of a journal: histograms, phases, scenarios, seconds. Pure, after the run."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import ceil

from hdrh.histogram import HdrHistogram

from loadtest.generator.journal import NO_TIME, OK, SKIPPED, UNSENT, Journal
from loadtest.generator.scenarios import SCENARIOS, Workload

HIGHEST_US = 60_000_000  # six time-outs; more is recorded as this
DIGITS = 3
WINDOW_S = 5  # the contract asks for the rate in every 5 s
LATE_S = 0.25  # sent later than this after its time, an arrival does not count for its window
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9}


def _histogram() -> HdrHistogram:
    return HdrHistogram(1, HIGHEST_US, DIGITS)


@dataclass(slots=True)
class Times:
    """Three histograms in microseconds; all arrivals that were sent, the failed ones too."""

    latency: HdrHistogram = field(default_factory=_histogram)  # due to last byte
    service: HdrHistogram = field(default_factory=_histogram)  # sent to last byte
    lag: HdrHistogram = field(default_factory=_histogram)  # due to sent

    def record(self, due_s: float, sent_s: float, done_s: float) -> None:
        self.lag.record_value(_microseconds(sent_s - due_s))
        if done_s != NO_TIME:
            self.latency.record_value(_microseconds(done_s - due_s))
            self.service.record_value(_microseconds(done_s - sent_s))

    def add(self, other: "Times") -> None:
        self.latency.add(other.latency)
        self.service.add(other.service)
        self.lag.add(other.lag)


@dataclass(slots=True)
class Group:
    """Arrivals of one phase or one scenario."""

    name: str
    scheduled: int = 0
    ok: int = 0
    failed: int = 0
    times: Times = field(default_factory=Times)

    def add(self, other: "Group") -> None:
        self.scheduled += other.scheduled
        self.ok += other.ok
        self.failed += other.failed
        self.times.add(other.times)


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the run: counts by when they happened, latency by when it was due."""

    at_s: int
    offered: int
    sent: int
    ok: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Window:
    """The share of the arrivals due in these five seconds that were sent in time."""

    start_s: int
    scheduled: int
    reached: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    scheduled: int
    sent: int
    ok: int
    failed: int
    skipped: int
    errors: dict[str, int]
    phases: list[Group]
    scenarios: list[Group]
    total: Group
    seconds: list[Second]
    worst_window: Window
    bytes_received: int

    def phase(self, name: str) -> Group:
        return next(group for group in self.phases if group.name == name)


def figures(work: Workload, journal: Journal) -> Figures:
    """Return everything that follows from the journal alone."""
    cells = _cells(work, journal)
    names = [phase.name for phase in work.schedule.profile.phases]
    phases = [_sum(name, (cells[s][p] for s in range(len(cells)))) for p, name in enumerate(names)]
    scenarios = [_sum(each.name, cells[s]) for s, each in enumerate(SCENARIOS)]
    total = _sum("all", phases)
    skipped = journal.outcome.count(SKIPPED)
    return Figures(
        scheduled=len(work),
        sent=len(work) - skipped - journal.outcome.count(UNSENT),
        ok=total.ok,
        failed=total.failed,
        skipped=skipped,
        errors=journal.errors(),
        phases=phases,
        scenarios=scenarios,
        total=total,
        seconds=_seconds(work, journal),
        worst_window=min(windows(work, journal), key=lambda window: window.reached),
        bytes_received=journal.bytes_received,
    )


def milliseconds(histogram: HdrHistogram) -> dict[str, float]:
    """Return the contract's percentiles of a histogram, in milliseconds."""
    if not histogram.get_total_count():
        return dict.fromkeys((*PERCENTILES, "max"), 0.0)
    values = histogram.get_percentile_to_value_dict(list(PERCENTILES.values()))
    times_ms = {name: values[percent] / 1000 for name, percent in PERCENTILES.items()}
    return times_ms | {"max": histogram.get_max_value() / 1000}


def as_rows(seconds: Iterable[Second]) -> list[dict[str, float | None]]:
    return [asdict(second) for second in seconds]


def _cells(work: Workload, journal: Journal) -> list[list[Group]]:
    phases = len(work.schedule.profile.phases)
    cells = [[Group("") for _ in range(phases)] for _ in SCENARIOS]
    due_s, phase = work.schedule.due_s, work.schedule.phase
    for index, outcome in enumerate(journal.outcome):
        cell = cells[work.scenario[index]][phase[index]]
        cell.scheduled += 1
        if outcome == OK:
            cell.ok += 1
        elif outcome > SKIPPED:
            cell.failed += 1
        if journal.sent_s[index] != NO_TIME:
            cell.times.record(due_s[index], journal.sent_s[index], journal.done_s[index])
    return cells


def _sum(name: str, groups: Iterable[Group]) -> Group:
    total = Group(name)
    for group in groups:
        total.add(group)
    return total


def _seconds(work: Workload, journal: Journal) -> list[Second]:
    ended = [done for done in journal.done_s if done != NO_TIME]
    length = int(max([*ended, work.schedule.due_s[-1]])) + 1
    counts = [[0, 0, 0, 0] for _ in range(length)]  # offered, sent, ok, failed
    latencies: list[list[float]] = [[] for _ in range(length)]
    for index, due_s in enumerate(work.schedule.due_s):
        sent_s, done_s = journal.sent_s[index], journal.done_s[index]
        counts[int(due_s)][0] += 1
        if sent_s != NO_TIME:
            counts[int(sent_s)][1] += 1
        if done_s != NO_TIME:
            counts[int(done_s)][2 if journal.outcome[index] == OK else 3] += 1
            latencies[int(due_s)].append((done_s - due_s) * 1000)
    return [
        Second(at_s, offered, sent, ok, failed, exact(times, 0.5), exact(times, 0.99))
        for at_s, ((offered, sent, ok, failed), times) in enumerate(
            zip(counts, latencies, strict=True)
        )
    ]


def exact(values: list[float], share: float) -> float | None:
    """Return the value that `share` of the values do not exceed; None of nothing."""
    if not values:
        return None
    return round(sorted(values)[max(0, ceil(len(values) * share) - 1)], 3)


def windows(work: Workload, journal: Journal) -> Iterator[Window]:
    """Yield the share that was sent in time, for each five seconds with an arrival."""
    due_s = work.schedule.due_s
    edges = range(0, work.schedule.profile.duration_s + WINDOW_S, WINDOW_S)
    first = 0
    for start_s, end_s in pairwise(edges):
        last = first
        in_time = 0
        while last < len(due_s) and due_s[last] < end_s:
            sent_s = journal.sent_s[last]
            in_time += sent_s != NO_TIME and sent_s - due_s[last] <= LATE_S
            last += 1
        if last > first:
            yield Window(start_s, last - first, in_time / (last - first))
        first = last


def _microseconds(seconds: float) -> int:
    return min(HIGHEST_US, max(1, round(seconds * 1e6)))
