"""The seconds of a run beside its arrivals: what machine, processes, pools and queues did. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from loadtest.recording.machine import Counters, Disk
from loadtest.recording.syncs import PROCESS, Syncs, longest_ms
from loadtest.witnesses.console import Pool

SHORTEST_S = 0.5  # of what counts as a second
STILL_S = 0.9  # of a second in which a disk had work and completed none


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Counters at one moment; a difference of two is what happened between them."""

    counters: Counters
    process_s: Mapping[str, float]  # CPU by process
    pools: Mapping[str, Pool]
    syncs: Syncs | None = None  # of the documents server


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSecond:
    """One second of a function's pool."""

    busy: int
    environments: int
    queued: int
    wait_ms: float  # for an environment, on average
    longest_wait_ms: float  # at most, as finely as the pool counts
    throttled: int
    invocations: int
    worked_s: float


@dataclass(slots=True, kw_only=True)
class Moment:
    """One second. Shares are of the whole machine; None is what could not be seen."""

    at_s: int
    cpu: float | None = None  # busy, without what was stolen
    stolen: float | None = None  # by other virtual machines
    disk_wait: float | None = None  # idle, while a task waited for a disk
    runnable: int | None = None  # tasks that ran or waited for a processor
    cpu_pressure: float | None = None  # of the second, in which a task waited for a processor
    disk_stop_ms: float | None = None  # in which every task that wanted to work waited for a disk
    disk_stood: bool = False  # it had work, and completed nothing
    syncs: int | None = None
    sync_ms: float | None = None  # all of them together
    longest_sync_ms: float | None = None  # or the mean one, where nobody counts the longest
    syncs_of: str = ""  # documents, where it counts its own; "" for all that the disk was asked
    processes: dict[str, float] = field(default_factory=dict)  # cores used
    pools: dict[str, PoolSecond] = field(default_factory=dict)
    queues: dict[str, dict[str, float]] = field(default_factory=dict)  # depth and age_s
    slow_commands: list[dict[str, Any]] = field(default_factory=list)  # ms and command
    ended: list[str] = field(default_factory=list)  # processes that were there a second ago

    def others(self, processors: int) -> float | None:
        """Return the share of the machine that neither system nor generator used, if known."""
        if self.cpu is None or len(self.processes) < 2:
            return None
        return max(0.0, self.cpu - sum(self.processes.values()) / processors)


def moments(samples: Iterable[Sample], origin_s: float) -> list[Moment]:
    """Return a moment for each two samples that follow one another; `origin_s` is second 0.

    Two that nearly meet, as the last ones may, say nothing about a second.
    """
    return [
        _moment(early, late, origin_s)
        for early, late in pairwise(samples)
        if late.counters.at_s - early.counters.at_s >= SHORTEST_S
    ]


def _moment(early: Sample, late: Sample, origin_s: float) -> Moment:
    before, after = early.counters, late.counters
    length_s = max(1e-3, after.at_s - before.at_s)
    moment = Moment(
        at_s=round(before.at_s - origin_s),
        runnable=after.runnable,
        cpu_pressure=_share(before.cpu_pressure_s, after.cpu_pressure_s, length_s),
        processes={
            name: round((used_s - early.process_s[name]) / length_s, 4)
            for name, used_s in late.process_s.items()
            if name in early.process_s
        },
        pools={
            name: _pool(early.pools[name], pool)
            for name, pool in late.pools.items()
            if name in early.pools and pool.invocations >= early.pools[name].invocations
        },
        ended=sorted(early.process_s.keys() - late.process_s.keys()) if late.process_s else [],
    )
    stop = _share(before.disk_stop_s, after.disk_stop_s, length_s)
    moment.disk_stop_ms = None if stop is None else round(stop * 1000, 1)
    if before.cpu and after.cpu:
        total_s = max(1e-3, after.cpu.total_s - before.cpu.total_s)
        moment.cpu = round((after.cpu.busy_s - before.cpu.busy_s) / total_s, 4)
        moment.stolen = round((after.cpu.stolen_s - before.cpu.stolen_s) / total_s, 4)
        moment.disk_wait = round((after.cpu.disk_wait_s - before.cpu.disk_wait_s) / total_s, 4)
    if before.disk and after.disk:
        _add_disk(moment, before.disk, after.disk, length_s)
    if early.syncs and late.syncs and late.syncs.count >= early.syncs.count:
        moment.syncs_of = PROCESS
        moment.syncs = late.syncs.count - early.syncs.count
        moment.sync_ms = round(late.syncs.total_ms - early.syncs.total_ms, 1)
        moment.longest_sync_ms = round(longest_ms(early.syncs, late.syncs), 1)
    return moment


def _add_disk(moment: Moment, before: Disk, after: Disk, length_s: float) -> None:
    moment.syncs = after.flushes - before.flushes
    # A sync is a write and a flush. Which writes it was nobody says: as long as they take here.
    write_ms = (after.write_ms - before.write_ms) / max(1, after.writes - before.writes)
    moment.sync_ms = round(after.flush_ms - before.flush_ms + moment.syncs * write_ms, 1)
    moment.longest_sync_ms = round(moment.sync_ms / max(1, moment.syncs), 1)
    is_busy = bool(before.in_flight and after.in_flight)
    moment.disk_stood = is_busy and after.operations == before.operations and length_s >= STILL_S


def _pool(before: Pool, after: Pool) -> PoolSecond:
    waits = [late - early for early, late in zip(before.waits, after.waits, strict=True)]
    started = sum(waits)
    bounds_ms = (*after.bounds_ms, after.bounds_ms[-1])
    longest = [bound for bound, count in zip(bounds_ms, waits, strict=True) if count > 0]
    waited_s = after.waited_s - before.waited_s
    return PoolSecond(
        busy=after.busy,
        environments=after.environments,
        queued=after.queued,
        wait_ms=round(waited_s * 1000 / max(1, started), 2),
        longest_wait_ms=min(float(max(longest, default=0)), round(waited_s * 1000, 2)),
        throttled=after.throttled - before.throttled,
        invocations=after.invocations - before.invocations,
        worked_s=round(after.worked_s - before.worked_s, 4),
    )


def _share(before: float | None, after: float | None, length_s: float) -> float | None:
    if before is None or after is None:
        return None
    return round(min(1.0, (after - before) / length_s), 4)


def as_row(moment: Moment) -> dict[str, Any]:
    """Return the moment as JSON types, without the processes and pools that were at rest."""
    row = asdict(moment)
    row["processes"] = {name: cores for name, cores in moment.processes.items() if cores}
    for name, pool in moment.pools.items():
        if not (pool.busy or pool.queued or pool.invocations or pool.throttled):
            del row["pools"][name]
    return row
