"""F01: kill -9 a random worker again and again under load; nothing may be lost or doubled.

    python -m tests.drills.kill_workers [--rate 300] [--duration 60] [--kills 20] [--seed N]

Needs a running system (`make up`). Passes when the audit of the load run finds no payment lost or
doubled, every kill hit a live worker, and messages were in fact delivered again.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATUS = ROOT / ".local" / "status.json"
LOAD_TIMEOUT_S = 300  # start, load and the audit's wait for empty queues
RESTART_S = 15.0  # the supervisor's longest pause before a restart, and the start itself
SAMPLE_S = 0.5  # a killed worker's counters die with it, so they are read all the time
REDELIVERIES = re.compile(r"^worker_redeliveries_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
ALWAYS_ZERO = ("lost", "doubled", "ledger_imbalance", "unresolved")


class Redeliveries:
    """Messages received more than once, counted over all lives of all workers."""

    def __init__(self, ports: list[int]) -> None:
        self.total = 0.0
        self._last = dict.fromkeys(ports, 0.0)
        self.sample(count=False)

    def sample(self, *, count: bool = True) -> None:
        """Read every worker that answers; one that was replaced starts again from zero."""
        for port, last in self._last.items():
            try:
                url = f"http://127.0.0.1:{port}/metrics"
                text = urllib.request.urlopen(url, timeout=1).read().decode()
            except (OSError, urllib.error.URLError):
                continue
            now = sum(float(value) for value in REDELIVERIES.findall(text))
            if count:
                self.total += now - last if now >= last else now
            self._last[port] = now


def main() -> int:
    arguments = _arguments()
    chance = random.Random(arguments.seed)
    redeliveries = Redeliveries([9100 + index for index in range(5)])
    with tempfile.TemporaryDirectory() as reports:
        load = subprocess.Popen(
            [sys.executable, "-m", "loadtest"],
            env={
                **os.environ,
                "RATE": str(arguments.rate),
                "DURATION": str(arguments.duration),
                "REPORTS": reports,
            },
            cwd=ROOT,
        )
        killed = 0
        for _ in range(arguments.kills):
            _watch(redeliveries, for_s=arguments.duration / (arguments.kills + 1))
            killed += _kill_one(chance, redeliveries)
        _watch_until_done(redeliveries, load)
        (report,) = Path(reports).glob("*/report.json")
        return _judge(json.loads(report.read_text()), killed, arguments.kills, redeliveries.total)


def _watch(redeliveries: Redeliveries, *, for_s: float) -> None:
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        time.sleep(SAMPLE_S)
        redeliveries.sample()


def _watch_until_done(redeliveries: Redeliveries, load: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + LOAD_TIMEOUT_S
    while load.poll() is None and time.monotonic() < until:
        time.sleep(SAMPLE_S)
        redeliveries.sample()
    if load.poll() is None:
        load.kill()
        raise SystemExit("F01: the load run did not end")


def _kill_one(chance: random.Random, redeliveries: Redeliveries) -> bool:
    """Kill -9 one live worker; whether there was one before the longest restart pause was over."""
    until = time.monotonic() + RESTART_S
    while time.monotonic() < until:
        try:
            os.kill(chance.choice(_live_workers()), signal.SIGKILL)
        except (IndexError, ProcessLookupError):  # all of them are about to start again
            _watch(redeliveries, for_s=SAMPLE_S)
            continue
        return True
    return False


def _live_workers() -> list[int]:
    processes = json.loads(STATUS.read_text())["processes"]
    return [
        each["pid"]
        for each in processes
        if each["name"].startswith("worker") and each["state"] == "running"
    ]


def _judge(report: dict[str, object], killed: int, planned: int, redelivered: float) -> int:
    audit = report["audit"]
    assert isinstance(audit, dict)
    failures = [f"{name} is {audit[name]}" for name in ALWAYS_ZERO if audit[name] != 0]
    if killed < planned:
        failures.append(f"only {killed} of {planned} kills hit a live worker")
    if not redelivered:
        failures.append("no message was delivered again, so the drill proves nothing")
    sys.stdout.write(
        f"F01: {killed} kills, {redelivered:.0f} redeliveries, "
        f"{audit['payments_accepted']} payments accepted, lost {audit['lost']}, "
        f"doubled {audit['doubled']}, mails sent twice {audit['notifications_doubled']}, "
        f"verdict of the load run: {report['verdict']}\n"
    )
    for failure in failures:
        sys.stdout.write(f"F01 failed: {failure}\n")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, default=300, help="arrivals a second (300)")
    parser.add_argument("--duration", type=int, default=60, help="seconds of load (60)")
    parser.add_argument("--kills", type=int, default=20, help="workers to kill (20)")
    parser.add_argument("--seed", type=int, default=1, help="chooses the workers (1)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
