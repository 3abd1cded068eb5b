"""Two reports side by side, and which of their figures differ by more than noise. Pure.

A figure's noise is what its run shows of it from one ten seconds to the next, but no less than what
runs of the same system differ by. Counts of errors are taken as chance takes them: their noise is
the root of the count.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from loadtest.reporting.earlier import Report, recorded

SIGMAS = 2.0
BLOCK_S = 10  # long enough that one block does not follow from the one before it
FULL_RATE = 0.9  # of the highest rate: the seconds that are looked at for noise
# Least noise, as a share and in the figure's own unit: what runs of one system differ by.
RATE_NOISE = (0.005, 0.0)
P50_NOISE = (0.1, 0.3)
P99_NOISE = (0.2, 1.0)
CPU_NOISE = (0.05, 3.0)
CPU_TICK_US = 10_000  # as finely as the kernel counts a process's CPU
# Where the two runs were no equals, what differs may be that.
CONDITIONS = ("profile", "target", "connections")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both runs; None where a run has none of it."""

    group: str
    name: str
    unit: str
    before: float | None
    after: float | None
    noise: float = 0.0  # a smaller difference means nothing
    less_is_better: bool = True

    @property
    def mark(self) -> str:
        """Return better, worse or, within noise, nothing."""
        if self.before is None or self.after is None:
            return "only in one"
        change = self.after - self.before
        if abs(change) <= self.noise:
            return ""
        return "better" if (change < 0) == self.less_is_better else "worse"

    @property
    def change(self) -> str:
        """Return the difference as a share of what it was before."""
        if not self.before or self.after is None:
            return ""
        return f"{100 * (self.after / self.before - 1):+.0f} %"


def rows(a: Report, b: Report) -> list[Row]:
    """Return every figure of the two: rate, latency, errors, CPU an arrival."""
    return [*_rates(a, b), *_latencies(a, b), *_errors(a, b), *_cpu(a, b)]


def conditions(a: Report, b: Report) -> list[str]:
    """Return what else differed between the runs, and what their machines went through."""
    pairs = [(name, a[name], b[name]) for name in CONDITIONS]
    pairs += [(name, a["machine"][name], b["machine"][name]) for name in ("cpu_model", "cpus")]
    pairs.append(("python", a["versions"]["python"], b["versions"]["python"]))
    differing = [
        f"{name.replace('_', ' ')} is {left} in A and {right} in B"
        for name, left, right in pairs
        if left != right
    ]
    disturbed = [
        f"in {letter} {sentence}"
        for letter, report in (("A", a), ("B", b))
        for sentence in recorded(report)["machine"]
    ]
    return [*differing, *disturbed]


def _rates(a: Report, b: Report) -> Iterator[Row]:
    before, after = (each["totals"]["ok"] / max(1e-9, each["duration_s"]) for each in (a, b))
    noise = _least(RATE_NOISE, before)
    yield Row("rate", "answered a second", "/s", before, after, noise, less_is_better=False)
    before, after = (
        100 * each["totals"]["ok"] / max(1, each["totals"]["scheduled"]) for each in (a, b)
    )
    missing = sum(each["totals"]["scheduled"] - each["totals"]["ok"] for each in (a, b))
    noise = 100 * SIGMAS * sqrt(missing) / max(1, b["totals"]["scheduled"])
    yield Row("rate", "of all arrivals answered", "%", before, after, noise, less_is_better=False)


def _latencies(a: Report, b: Report) -> Iterator[Row]:
    left, right = _groups(a), _groups(b)
    for figure, least in (("p50", P50_NOISE), ("p99", P99_NOISE)):
        spread = _spread_of_both(a, b, _second(f"{figure}_ms"))
        for name in dict.fromkeys([*left, *right]):
            before, after = (
                each[name]["latency_ms"][figure] if name in each else None for each in (left, right)
            )
            noise = max(_least(least, before), SIGMAS * spread * (before or 0.0))
            yield Row(f"latency, {figure}", name, "ms", before, after, noise)


def _groups(report: Report) -> dict[str, Report]:
    """Return the judged phase, and each scenario over the whole run."""
    phases = {phase["name"]: phase for phase in report["phases"]}
    scenarios = {scenario["name"]: scenario for scenario in report["scenarios"]}
    return {"judged phase": phases[report["judged_phase"]], **scenarios}


def _errors(a: Report, b: Report) -> Iterator[Row]:
    for name in dict.fromkeys([*a["errors"], *b["errors"], "skipped"]):
        counts = [
            each["totals"]["skipped"] if name == "skipped" else each["errors"].get(name, 0)
            for each in (a, b)
        ]
        if any(counts):
            yield Row("errors", name, "", counts[0], counts[1], SIGMAS * sqrt(sum(counts)))


def _cpu(a: Report, b: Report) -> Iterator[Row]:
    left, right = _cpu_by_process(a), _cpu_by_process(b)
    for name in dict.fromkeys([*left, *right]):
        before, after = left.get(name), right.get(name)
        spread = _spread_of_both(a, b, _cores(name))
        arrivals = min(a["totals"]["sent"], b["totals"]["sent"])
        coarse = 2 * CPU_TICK_US / max(1, arrivals)
        noise = max(_least(CPU_NOISE, before), SIGMAS * spread * (before or 0.0), coarse)
        yield Row("CPU an arrival", name, "µs", before, after, noise)


def _cpu_by_process(report: Report) -> dict[str, float]:
    used = {each["process"]: each["cpu_us_per_arrival"] for each in report["servers"]}
    used["generator"] = report["generator"]["cpu_us_per_arrival"]
    return used | {"all": sum(used.values())} if report["servers"] else used


def _least(noise: tuple[float, float], value: float | None) -> float:
    share, amount = noise
    return max(share * (value or 0.0), amount)


Figure = Callable[[Report, int], float | None]


def _second(key: str) -> Figure:
    return lambda report, at_s: report["seconds"][at_s].get(key)


def _cores(name: str) -> Figure:
    def cores(report: Report, at_s: int) -> float | None:
        row = next((each for each in recorded(report)["seconds"] if each["at_s"] == at_s), None)
        if row is None or name == "all":
            return None
        return float(row["processes"].get(name, 0.0))

    return cores


def _spread_of_both(a: Report, b: Report, figure: Figure) -> float:
    return sqrt(_spread(a, figure) ** 2 + _spread(b, figure) ** 2)


def _spread(report: Report, figure: Figure) -> float:
    """Return the standard error of a figure's mean over blocks of the run, as a share of it."""
    highest = max((second["offered"] for second in report["seconds"]), default=0)
    full = [
        at_s
        for at_s, second in enumerate(report["seconds"])
        if second["offered"] >= FULL_RATE * highest
    ]
    values = [value for at_s in full if (value := figure(report, at_s)) is not None]
    blocks = [fmean(block) for block in _blocks(values)]
    if len(blocks) < 2 or fmean(blocks) == 0:
        return 0.0
    return stdev(blocks) / sqrt(len(blocks)) / fmean(blocks)


def _blocks(values: Sequence[float]) -> Iterator[Sequence[float]]:
    for start in range(0, len(values) - BLOCK_S + 1, BLOCK_S):
        yield values[start : start + BLOCK_S]
