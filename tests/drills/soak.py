"""F24: a steady load for long, and what has grown of it; `make soak`, with DURATION= and RATE=.

Memory and descriptors of each process are read all the time, once the load has run for a tenth of
it: environments warm up before. What is kept with a bound of its own, and fills for longer than a
soak, is taken off: the traces in the gateway and the replay cache in Valkey. Passes when no
process's memory has grown by 5 % or more between the first and the last fifth of the rest,
descriptors and threads are as many as before, Valkey's keys are bounded, no message is old, and
nothing is lost or doubled.
"""

import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

import psutil
import redis

from local.machine import status
from tests.drills.outcome import Conditions, Outcome
from tests.drills.under_load import figures, report_of, start_load
from tests.e2e.conftest import System, own_system

RATE = 300
DURATION_S = 1800
SAMPLES = 100  # of a soak, evenly
WARM_SHARE = 0.1  # of the soak, in which growth is none
GROWTH_MAX = 0.05
GROWTH_FLOOR_MB = 8.0  # of a process: less is an arena of the allocator, not a leak
MORE_MAX = 5  # descriptors or threads: a connection more in the moment of the look
KEYS_MAX = 100_000
REPLAYS = "idempotency:*"  # the replay cache: a key for each of its slots, 64 MB at most
WEIGHED = 200  # of them, evenly, for the mean of what one takes
TRACES = re.compile(r"^traces_kept_bytes ([0-9.e+]+)$", re.MULTILINE)
AGE_P99_MAX_S = 5.0
AFTER_S = 400  # drain and audit
NOTHING_OF = ("lost", "doubled", "ledger_imbalance", "unresolved")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One process with all that descends from it, at one moment."""

    rss_mb: float  # without what has a bound of its own
    descriptors: int
    threads: int


@dataclass(slots=True)
class Samples:
    """The samples of a soak by process, and the keys in Valkey."""

    processes: dict[str, list[Sample]] = field(default_factory=dict)
    keys: list[int] = field(default_factory=list)
    bounded_mb: dict[str, list[float]] = field(default_factory=dict)  # that was taken off

    def take(self, system: System) -> None:
        """Look at every process once."""
        last = status.read(system.state)
        try:
            with _valkey(system) as server:
                bounded_mb = {"gateway": traces_mb(system), "valkey": replays_mb(server)}
                self.keys.append(server.dbsize())
        except (OSError, redis.RedisError):
            return  # one of them has too much to do just now: there are other moments
        for each in last.processes if last else ():
            self.bounded_mb.setdefault(each.name, []).append(bounded_mb.get(each.name, 0.0))
            with suppress(psutil.NoSuchProcess):
                sample = _sample(each.pid, bounded_mb.get(each.name, 0.0))
                self.processes.setdefault(each.name, []).append(sample)


def traces_mb(system: System) -> float:
    """Return what the traces take that the gateway keeps, which local/traces/store.py bounds."""
    with urlopen(f"{system.console}/metrics", timeout=10) as answer:
        traces = TRACES.search(answer.read().decode())
    return float(traces[1]) / 2**20 if traces else 0.0


def replays_mb(server: redis.Redis) -> float:
    """Return what the replay cache takes, which backend/idempotency.py bounds."""
    names = list(server.scan_iter(REPLAYS, count=1000))
    weighed = names[:: max(1, len(names) // WEIGHED)]
    sizes = [size for name in weighed if (size := server.memory_usage(name))]
    return len(names) * sum(sizes) / max(1, len(sizes)) / 2**20


def _sample(pid: int, bounded_mb: float) -> Sample:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    # Pages that parent and children share count once for each: their growth is what is looked at.
    return Sample(
        rss_mb=sum(each.memory_info().rss for each in family) / 2**20 - bounded_mb,
        descriptors=sum(each.num_fds() for each in family),
        threads=sum(each.num_threads() for each in family),
    )


def growth(values: list[float]) -> tuple[float, float]:
    """Return the medians of the first and the last fifth."""
    fifth = max(1, len(values) // 5)
    return median(values[:fifth]), median(values[-fifth:])


def judged(samples: Samples, report: Mapping[str, Any]) -> Iterable[str]:
    """Return what has grown, and what the run's own audit says against it."""
    for name, series in samples.processes.items():
        warm = series[int(len(series) * WARM_SHARE) :]
        before_mb, after_mb = growth([each.rss_mb for each in warm])
        if after_mb > before_mb * (1 + GROWTH_MAX) and after_mb - before_mb > GROWTH_FLOOR_MB:
            yield f"{name} grew from {before_mb:.0f} to {after_mb:.0f} MB"
        for what in ("descriptors", "threads"):
            before, after = growth([getattr(each, what) for each in warm])
            if after > before + MORE_MAX:
                yield f"{name} has {after:.0f} {what}, and had {before:.0f}"
    if max(samples.keys, default=0) > KEYS_MAX:
        yield f"Valkey had {max(samples.keys):,} keys"
    ages = sorted(
        queue["age_s"]
        for second in report["recorded"]["seconds"]
        for queue in second["queues"].values()
    )
    if ages and ages[int(len(ages) * 0.99)] > AGE_P99_MAX_S:
        yield f"the p99 of the oldest message's age was {ages[int(len(ages) * 0.99)]:.1f} s"
    yield from (f"{name} {report['audit'][name]}" for name in NOTHING_OF if report["audit"][name])


def soak(system: System, folder: Path, *, rate: int, duration_s: int) -> tuple[Samples, Any]:
    """Send the load, look at the processes meanwhile, and return both records."""
    load = start_load(system, folder, {"RATE": str(rate), "DURATION": str(duration_s)})
    samples = Samples()
    ends_s = time.monotonic() + duration_s
    try:
        while time.monotonic() < ends_s and load.poll() is None:
            samples.take(system)
            time.sleep(duration_s / SAMPLES)
        return samples, report_of(load, folder, AFTER_S)
    finally:
        load.kill()
        load.wait()


def _rows(samples: Samples) -> list[str]:
    rows = [
        "| process | memory, MB | with a bound of its own, MB | descriptors | threads |",
        "|---|---|---|---|---|",
    ]
    for name, series in samples.processes.items():
        warm = series[int(len(series) * WARM_SHARE) :]
        spans = [
            growth([getattr(each, what) for each in warm])
            for what in ("rss_mb", "descriptors", "threads")
        ]
        bounded = samples.bounded_mb[name]
        spans.insert(1, growth(bounded[int(len(bounded) * WARM_SHARE) :]))
        cells = " | ".join(f"{before:,.0f} to {after:,.0f}" for before, after in spans)
        rows.append(f"| {name} | {cells} |")
    return rows


def _valkey(system: System) -> redis.Redis:
    return redis.Redis.from_url(f"unix://{system.state}/run/valkey.sock")


def run(conditions: Conditions) -> Outcome:
    """Soak a system of its own."""
    rate, duration_s = conditions.rate(RATE), conditions.duration(DURATION_S)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        own_system(Path(folder) / "state") as system,
    ):
        samples, report = soak(system, Path(folder), rate=rate, duration_s=duration_s)
    keys = max(samples.keys, default=0)
    return Outcome(
        fault=f"{rate}/s for {duration_s} s, {keys:,} keys in Valkey at most",
        **figures(report),
        wrong=list(judged(samples, report)),
        details=[
            f"{rate}/s for {duration_s} s, from the median of the first fifth to the last's,"
            " without the first tenth. Memory is without what has a bound of its own: the traces"
            " that the gateway keeps, and Valkey's replay cache. What grew by less than"
            f" {GROWTH_FLOOR_MB:.0f} MB counts as an allocator's arena.",
            "",
            *_rows(samples),
        ],
    )
