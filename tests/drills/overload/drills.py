"""F15 and F16 with their curves.

Three functions of payments, notifications and analytics that share a store, on a system of their
own. F15 measures what they serve at most, sends twice as much for a while and then half. F16
has the gateway stand still for 5 s under clients that retry.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil

from local.machine import status
from tests.conftest import free_port
from tests.drills.outcome import Conditions, Outcome, Run
from tests.drills.overload.clients import PATHS, RETRIES, Answer, Clients, Stretch, stretch

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PORTS = ("GATEWAY", "CONSOLE", "INVOKE", "VALKEY")
PEAK_S = 8.0
OVERLOAD_S, AFTER_S = 40.0, 15.0
STALL_AT_S, STALL_S, STALLED_RUN_S = 8.0, 5.0, 30.0
WELL_WITHIN_S = 5.0
STEP_S = 5.0
GOODPUT_LEAST = 0.9  # of the measured peak
P99_MOST_MS = 1000.0
CLOSE = 0.05  # shares of notifications and analytics are not told apart where both make room
GROWN_MOST_MB = 20.0  # of the gateway's memory, the traces aside, which have a bound of their own
TRACES = "traces_kept_bytes "


@dataclass(frozen=True)
class Site:
    """A running system of the drill's own template."""

    folder: Path
    ports: dict[str, int]

    def local(self, command: str) -> None:
        """Run `python -m local COMMAND`."""
        variables = {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        subprocess.run(
            [
                *(sys.executable, "-m", "local", command, "--state", str(self.folder / "state")),
                *("--template", str(self.folder / "template.yaml")),
            ],
            env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    @property
    def gateway(self) -> psutil.Process:
        last = status.read(self.folder / "state")
        assert last is not None
        return psutil.Process(next(x.pid for x in last.processes if x.name == "gateway"))

    def memory_mb(self) -> float:
        """Return the gateway's memory without the traces that it keeps."""
        with urlopen(f"http://127.0.0.1:{self.ports['CONSOLE']}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        traces = next(float(x.removeprefix(TRACES)) for x in lines if x.startswith(TRACES))
        return float(self.gateway.memory_info().rss - traces) / 2**20

    def clients(self, retries: int = 0) -> Clients:
        return Clients(self.ports["GATEWAY"], retries)


@contextmanager
def running() -> Iterator[Site]:
    """Run the system of the template."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        site = Site(Path(name), {each: free_port() for each in PORTS})
        for file in ("template.yaml", "work.py"):
            shutil.copy(HERE / file, site.folder)
        site.local("up")
        try:
            yield site
        finally:
            site.local("down")


def twice_the_peak(site: Site) -> Outcome:
    """Send twice the measured peak, then half of it."""
    peak = asyncio.run(site.clients().closed(PEAK_S))
    before_mb = site.memory_mb()
    clients = site.clients()

    async def load() -> None:
        await clients.steady(2 * peak, OVERLOAD_S)

    asyncio.run(load())
    grown_mb = site.memory_mb() - before_mb
    after = site.clients()
    asyncio.run(after.steady(peak / 2, AFTER_S))
    under = stretch(clients.answers, STEP_S, OVERLOAD_S)
    well = stretch(after.answers, WELL_WITHIN_S, AFTER_S)
    goodput = under.served_in_all / (OVERLOAD_S - STEP_S)
    shares = [under.served[path] / max(under.offered / len(PATHS), 1) for path in PATHS]
    silent = sum(not x.tells_when for x in clients.answers if x.status in (429, 503))
    wrong = _wrong(
        (goodput >= GOODPUT_LEAST * peak, f"goodput {goodput:.0f}/s of {peak:.0f}/s"),
        (under.p99_ms <= P99_MOST_MS, f"p99 of the served {under.p99_ms:.0f} ms"),
        (not under.broken, f"{under.broken} neither served nor refused well"),
        (under.refused > 0, "nothing was refused: it was no overload"),
        (not silent, f"{silent} refused without Retry-After"),
        (shares[0] > shares[1] > shares[2] - CLOSE, f"served shares {shares}"),
        (grown_mb <= GROWN_MOST_MB, f"the gateway's memory grew by {grown_mb:.0f} MB"),
        (well.served_in_all == well.offered, f"{well.offered - well.served_in_all} failed after"),
    )
    by_path = ", ".join(
        f"{100 * share:.0f} % of {path}" for share, path in zip(shares, PATHS, strict=True)
    )
    sentence = (
        f"peak {peak:.0f}/s; at {2 * peak:.0f}/s for {OVERLOAD_S:.0f} s served {goodput:.0f}/s"
        f" ({100 * goodput / peak:.0f} % of the peak) with a p99 of {under.p99_ms:.0f} ms:"
        f" {by_path};"
        f" {under.refused:,} refused with Retry-After, {under.broken} broken; the gateway"
        f" grew by {grown_mb:.0f} MB, its traces aside; then {peak / 2:.0f}/s, of which"
        f" {well.offered - well.served_in_all} failed after the first {WELL_WITHIN_S:.0f} s"
    )
    return Outcome(
        fault=sentence,
        acked=under.served_in_all,
        lost=None,
        doubled=None,
        errors=f"{under.refused + under.broken:,} of {under.offered:,}",
        recovered_s=_last_failure_s(after.answers),
        wrong=wrong,
        details=_table([*_curve(clients.answers), *_curve(after.answers, OVERLOAD_S)]),
    )


def stall(site: Site) -> Outcome:
    """Let the gateway stand still under clients that give up after 2 s and ask again."""
    peak = asyncio.run(site.clients().closed(PEAK_S))
    clients = site.clients(RETRIES)

    def stop() -> None:
        time.sleep(STALL_AT_S)
        gateway = site.gateway
        gateway.suspend()
        time.sleep(STALL_S)
        gateway.resume()

    stopper = threading.Thread(target=stop)
    stopper.start()
    asyncio.run(clients.steady(0.7 * peak, STALLED_RUN_S))
    stopper.join()
    again = stretch(clients.answers, STALL_AT_S + STALL_S + WELL_WITHIN_S, STALLED_RUN_S)
    during = stretch(clients.answers, STALL_AT_S, STALL_AT_S + STALL_S)
    goodput = again.served_in_all / max(again.offered, 1)
    wrong = _wrong(
        (goodput >= 0.95, f"only {100 * goodput:.0f} % served {WELL_WITHIN_S:.0f} s after"),
        (during.p99_ms > P99_MOST_MS, "nobody noticed that the gateway stood still"),
    )
    sentence = (
        f"{0.7 * peak:.0f}/s, the gateway stood still for {STALL_S:.0f} s; clients gave up after"
        f" 2 s and asked up to {RETRIES} times more; from {WELL_WITHIN_S:.0f} s after it on"
        f" {100 * goodput:.1f} % were served with a p99 of {again.p99_ms:.0f} ms"
    )
    unserved = sum(each.status != 200 for each in clients.answers)
    return Outcome(
        fault=sentence,
        acked=len(clients.answers) - unserved,
        lost=None,
        doubled=None,
        errors=f"{unserved:,} of {len(clients.answers):,}",
        recovered_s=max(0.0, _last_failure_s(clients.answers) - STALL_AT_S - STALL_S),
        wrong=wrong,
        details=_table(_curve(clients.answers)),
    )


def _wrong(*checks: tuple[bool, str]) -> list[str]:
    return [sentence for holds, sentence in checks if not holds]


def _curve(answers: Sequence[Answer], offset_s: float = 0.0) -> list[Stretch]:
    last_s = max(each.due_s for each in answers)
    steps = range(int(last_s // STEP_S) + 1)
    stretches = [stretch(answers, STEP_S * step, STEP_S * (step + 1)) for step in steps]
    return [
        Stretch(x.from_s + offset_s, x.offered, x.served, x.refused, x.broken, x.p99_ms)
        for x in stretches
    ]


def _last_failure_s(answers: Sequence[Answer]) -> float:
    return max((each.due_s for each in answers if each.status != 200), default=0.0)


def drill(fault: Callable[[Site], Outcome]) -> Run:
    """Return the run of a drill on a system of the template beside this file."""

    def run(_: Conditions) -> Outcome:
        with running() as site:
            return fault(site)

    return run


HEAD = (
    "| from s | offered/s | served/s | payments | notifications | analytics | refused/s"
    " | broken/s | p99 of the served, ms |"
)


def _table(curve: Sequence[Stretch]) -> list[str]:
    rows = [HEAD, "|" + "---|" * (HEAD.count("|") - 1)]
    for each in curve:
        served = (each.served_in_all, *each.served.values())
        counts = (each.offered, *served, each.refused, each.broken)
        cells = (f"{each.from_s:.0f}", *(f"{x / STEP_S:.0f}" for x in counts), f"{each.p99_ms:.0f}")
        rows.append(f"| {' | '.join(cells)} |")
    return rows
