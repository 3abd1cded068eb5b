"""F24: a steady load for long, and what has grown of it: `make soak`, with DURATION= and RATE=.

On a system of its own. Memory and descriptors of each process are read all the time, once the load
has run for a tenth of it: caches fill and environments warm up before. Passes when no process's
memory has grown by 5 % or more between the first and the last fifth of the rest, descriptors and
threads are as many as before, Valkey's keys are bounded, no message is old, and nothing is lost or
doubled.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import redis

from loadtest.generator.profile import MAX_DURATION_S
from local.machine import status
from tests.drills.table import today, write_section
from tests.e2e.conftest import ROOT, System, own_system

SAMPLES = 100  # of a soak, evenly
WARM_SHARE = 0.1  # of the soak, in which growth is none
GROWTH_MAX = 0.05
GROWTH_FLOOR_MB = 8.0  # of a process: less is an arena of the allocator, not a leak
MORE_MAX = 5  # descriptors or threads: a connection more in the moment of the look
KEYS_MAX = 100_000
AGE_P99_MAX_S = 5.0
AFTER_S = 400  # drain and audit
NOTHING_OF = ("lost", "doubled", "ledger_imbalance", "unresolved")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One process with all that descends from it, at one moment."""

    rss_mb: float
    descriptors: int
    threads: int


@dataclass(slots=True)
class Samples:
    """The samples of a soak by process, and the keys in Valkey."""

    processes: dict[str, list[Sample]] = field(default_factory=dict)
    keys: list[int] = field(default_factory=list)

    def take(self, system: System) -> None:
        """Look at every process once."""
        last = status.read(system.state)
        for each in last.processes if last else ():
            with suppress(psutil.NoSuchProcess):
                self.processes.setdefault(each.name, []).append(_sample(each.pid))
        with suppress(redis.RedisError):
            self.keys.append(_valkey(system).dbsize())


def _sample(pid: int) -> Sample:
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    # Pages that parent and children share count once for each: their growth is what is looked at.
    return Sample(
        rss_mb=sum(each.memory_info().rss for each in family) / 2**20,
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
    addresses = {
        **{"TARGET": system.gateway, "CONSOLE": system.console},
        **{"PROVIDER": system.provider, "MAILBOX": system.mailbox},
    }
    settings = {"RATE": str(rate), "DURATION": str(duration_s), "REPORTS": str(folder)}
    load = subprocess.Popen(
        [sys.executable, "-m", "loadtest"],
        env={**os.environ, **system.environment, **addresses, **settings},
        cwd=ROOT,
    )
    samples = Samples()
    ends_s = time.monotonic() + duration_s
    try:
        while time.monotonic() < ends_s and load.poll() is None:
            samples.take(system)
            time.sleep(duration_s / SAMPLES)
        load.wait(AFTER_S)
    finally:
        load.kill()
        load.wait()
    (path,) = folder.glob("*/report.json")
    return samples, json.loads(path.read_text())


def _rows(samples: Samples) -> list[str]:
    rows = ["| process | memory, MB | descriptors | threads |", "|---|---|---|---|"]
    for name, series in samples.processes.items():
        warm = series[int(len(series) * WARM_SHARE) :]
        spans = [
            growth([getattr(each, what) for each in warm])
            for what in ("rss_mb", "descriptors", "threads")
        ]
        cells = " | ".join(f"{before:,.0f} to {after:,.0f}" for before, after in spans)
        rows.append(f"| {name} | {cells} |")
    return rows


def _valkey(system: System) -> redis.Redis:
    return redis.Redis.from_url(f"unix://{system.state}/run/valkey.sock")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills.soak", description=__doc__)
    parser.add_argument("--duration", type=int, default=1800, help=f"30 to {MAX_DURATION_S} s")
    parser.add_argument("--rate", type=int, default=300, help="arrivals a second")
    options = parser.parse_args()
    if not 30 <= options.duration <= MAX_DURATION_S or options.rate < 1:
        parser.error(f"a soak takes 30 to {MAX_DURATION_S} s, at 1 arrival a second or more")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        own_system(Path(folder) / "state") as system,
    ):
        samples, report = soak(system, Path(folder), rate=options.rate, duration_s=options.duration)
    wrong = list(judged(samples, report))
    totals = report["totals"]
    verdict = "; ".join(wrong) or "nothing has grown, nothing is lost or doubled"
    sys.stdout.write("\n".join([*_rows(samples), "", verdict]) + "\n")
    write_section(
        "Soak (F24)",
        f"Written by `make soak DURATION={options.duration} RATE={options.rate}` on {today()}:"
        f" {options.rate} arrivals a second for {options.duration} s: {totals['ok']:,} of"
        f" {totals['scheduled']:,} answered, {max(samples.keys, default=0):,} keys in Valkey at"
        f" most. From the first fifth to the last, without the first tenth. Verdict: {verdict}.",
        _rows(samples),
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
