"""The estimate of a run on AWS: environments, cold starts and throttles of each function. Pure.

The run's own arrivals are sent through Lambda's rules: an event takes an idle environment, starts
another, or is throttled at the limit. One environment handles one event at a time.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from loadtest.generator.journal import OK, Journal
from loadtest.generator.scenarios import SCENARIOS, Workload
from loadtest.recording.recorder import Record
from loadtest.recording.timeline import Moment

COLD_START_S = 0.5  # import of the code, and Lambda's own work before it
KEPT_WARM_S = 300.0  # AWS does not say how long; some minutes without work are seen
MEMORY_MB = 512
ONE_PROCESSOR_MB = 1769  # Lambda gives a whole processor at this memory, and in proportion below

Arrivals = Sequence[tuple[float, float]]  # when, and for how long its handler works, in seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The run of one function's arrivals through Lambda's rules."""

    cold_starts: int
    throttled: int
    concurrency_max: int
    concurrency_mean: float  # from the first arrival to the last end
    billed_s: float  # the start of environments is billed too


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One function as it would be on AWS."""

    name: str
    requests: int
    memory_mb: int
    duration_ms: float  # on average, with the processor's share that the memory gives
    plain: Simulation
    provisioned: Simulation
    throttled: dict[int, int]  # by the limit


def simulate(
    arrivals: Arrivals,
    *,
    cold_start_s: float = COLD_START_S,
    provisioned: int = 0,
    limit: int | None = None,
) -> Simulation:
    """Send the arrivals, in order of time, through one function's environments."""
    working: list[tuple[float, bool]] = []  # heap: when each is free, and whether provisioned
    ready = provisioned
    idle: deque[float] = deque()  # since when; the last used is used first
    cold_starts = throttled = most = 0
    billed_s = last_s = 0.0
    for at_s, duration_s in arrivals:
        while working and working[0][0] <= at_s:
            free_s, is_provisioned = heappop(working)
            if is_provisioned:
                ready += 1
            else:
                idle.append(free_s)
        while idle and at_s - idle[0] > KEPT_WARM_S:
            idle.popleft()
        if limit is not None and len(working) >= limit:
            throttled += 1
            continue
        takes_s, is_provisioned = duration_s, ready > 0
        if is_provisioned:
            ready -= 1
        elif idle:
            idle.pop()
        else:
            cold_starts += 1
            takes_s += cold_start_s
        heappush(working, (at_s + takes_s, is_provisioned))
        billed_s += takes_s
        last_s = max(last_s, at_s + takes_s)
        most = max(most, len(working))
    span_s = last_s - arrivals[0][0] if arrivals else 0.0
    return Simulation(
        cold_starts=cold_starts,
        throttled=throttled,
        concurrency_max=most,
        concurrency_mean=billed_s / span_s if span_s else 0.0,
        billed_s=billed_s,
    )


def estimates(
    work: Workload, journal: Journal, record: Record, *, provisioned: int, limits: Sequence[int]
) -> list[Estimate]:
    """Return the estimate of each function that answered arrivals of the run.

    Each function is tried with so many environments provisioned, and at each of the limits.
    """
    listed = []
    for which, scenario in enumerate(SCENARIOS):
        name = scenario.function
        arrivals = _arrivals(work, journal, which)
        if arrivals:
            memory_mb = record.memory_mb.get(name, MEMORY_MB)
            factor = _factor(name, arrivals, record.moments, memory_mb)
            stretched = [(at_s, duration_s * factor) for at_s, duration_s in arrivals]
            listed.append(
                Estimate(
                    name=name,
                    requests=len(stretched),
                    memory_mb=memory_mb,
                    duration_ms=1000 * sum(work_s for _, work_s in stretched) / len(stretched),
                    plain=simulate(stretched),
                    provisioned=simulate(stretched, provisioned=provisioned),
                    throttled={
                        limit: simulate(stretched, limit=limit).throttled for limit in limits
                    },
                )
            )
    return listed


def _arrivals(work: Workload, journal: Journal, which: int) -> Arrivals:
    """Return the answered arrivals of one scenario, by the time at which they were sent."""
    return sorted(
        (journal.sent_s[index], journal.done_s[index] - journal.sent_s[index])
        for index, outcome in enumerate(journal.outcome)
        if outcome == OK and work.scenario[index] == which
    )


def _factor(name: str, arrivals: Arrivals, moments: Sequence[Moment], memory_mb: int) -> float:
    """Return what makes of a client's wait here the duration of the handler on AWS.

    Where environments were timed: their mean work instead of the mean wait, of which the part that
    was CPU takes as much longer as Lambda gives less of a processor. Elsewhere 1.
    """
    pools = [moment.pools[name] for moment in moments if name in moment.pools]
    invocations = sum(pool.invocations for pool in pools)
    waited_s = sum(duration_s for _, duration_s in arrivals) / len(arrivals)
    if not invocations or not waited_s:
        return 1.0
    worked_s = sum(pool.worked_s for pool in pools) / invocations
    cpu_s = sum(_cores(moments, name)) / invocations
    slower = max(1.0, ONE_PROCESSOR_MB / memory_mb)
    return (worked_s + min(cpu_s, worked_s) * (slower - 1)) / waited_s


def _cores(moments: Iterable[Moment], name: str) -> Iterable[float]:
    """Yield the CPU seconds of each second, of the processes that serve this function."""
    used: Mapping[str, float]
    for used in (moment.processes for moment in moments):
        yield used.get(name, 0.0)
