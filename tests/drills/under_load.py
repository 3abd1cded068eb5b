"""Drills that are load runs with a fault in them: `python -m tests.drills.under_load F03 F06`.

Each starts a system of its own, sends it a steady rate, lets the fault happen in the middle and
reads from the run's own audit what was lost or doubled. Without names all are run, and with
`--write` the table goes into docs/drills.md.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import redis

from local.machine import status
from tests.conftest import wait_until
from tests.drills.table import sections
from tests.e2e.conftest import ROOT, System, own_system

RATE = 100
DURATION_S = 60  # what was lost with its message is sent again after 30 s
FAULT_AT_S = 10.0
LOAD_TIMEOUT_S = 300  # the run, its drains and its audit
BACK_WITHIN_S = 30.0  # the supervisor's longest pause before a restart, and the start
TABLE = ROOT / "docs" / "drills.md"
NOTHING_OF = ("lost", "doubled", "ledger_imbalance", "unresolved")
Fault = Callable[["Place"], str]


class Place:
    """The system under load, and a way to its processes."""

    def __init__(self, system: System, seed: int) -> None:
        self.system = system
        self.chance = random.Random(seed)

    def pid(self, name: str) -> int:
        """Return the pid of a process that runs now."""
        last = status.read(self.system.state)
        assert last is not None
        pid = next(each.pid for each in last.processes if each.name == name)
        assert pid, f"{name} does not run"  # 0 would be this drill and all that it started
        return pid

    def end(self, name: str, how: signal.Signals) -> None:
        """Send a process a signal that ends it and wait until another one runs in its place."""
        before = self.pid(name)
        os.kill(before, how)
        wait_until(lambda: not psutil.pid_exists(before), BACK_WITHIN_S)
        wait_until(lambda: self._runs_again(name, before), BACK_WITHIN_S)

    def pause(self, name: str, seconds: float) -> None:
        """Let a process stand still; its sockets stay open and nobody answers."""
        process = psutil.Process(self.pid(name))
        process.suspend()
        try:
            time.sleep(seconds)
        finally:
            process.resume()

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(f"unix://{self.system.state}/run/valkey.sock")

    def _runs_again(self, name: str, before: int) -> bool:
        last = status.read(self.system.state)
        processes = last.processes if last else ()
        return any(each.name == name and each.pid not in (None, 0, before) for each in processes)


@dataclass(frozen=True, slots=True)
class Drill:
    """One fault, and how many of the arrivals may fail of it."""

    sentence: str
    fault: Fault
    failed_share: float  # at most, of all arrivals


def kill_workers(place: Place) -> str:
    for _ in range(5):
        place.end(f"worker-{place.chance.randrange(5)}", signal.SIGKILL)
    return "5 workers killed"


def kill_gateway(place: Place) -> str:
    for _ in range(3):
        place.end("gateway", signal.SIGKILL)
    return "the gateway killed 3 times"


def restart_valkey(place: Place) -> str:
    place.end("valkey", signal.SIGTERM)
    return "Valkey ended and started again"


def kill_valkey(place: Place) -> str:
    place.end("valkey", signal.SIGKILL)
    return "Valkey killed"


def empty_valkey(place: Place) -> str:
    keys = place.valkey().dbsize()
    place.valkey().flushall()
    assert keys, "Valkey was empty already"
    return f"{keys} keys lost"


def pause_valkey(place: Place) -> str:
    place.pause("valkey", 5)
    return "Valkey stood still for 5 s"


def kill_documents(place: Place) -> str:
    place.end("documents", signal.SIGKILL)
    return "documents killed"


def pause_documents(place: Place) -> str:
    place.pause("documents", 10)
    return "documents stood still for 10 s"


def fill_valkey(place: Place) -> str:
    server = place.valkey()
    server.config_set("maxmemory", server.info("memory")["used_memory"])
    time.sleep(8)
    server.config_set("maxmemory", 0)
    refused = server.info("stats").get("total_error_replies", 0)
    assert refused, "nothing was refused"
    return f"Valkey was full for 8 s, {refused} commands refused"


def restart_everything(place: Place) -> str:
    names = ("documents", "valkey", "PaymentsFunction", "NotificationsFunction", "gateway")
    for name in (*names, *(f"worker-{index}" for index in range(5))):
        place.end(name, signal.SIGTERM)
    return "10 processes ended and started again, one after another"


def pause_gateway(place: Place) -> str:
    place.pause("gateway", 5)
    return "the gateway stood still for 5 s"


def cut_the_power(place: Place) -> str:
    supervisor = status.supervisor_pid(place.system.state)
    assert supervisor is not None
    process = psutil.Process(supervisor)
    family = [process, *process.children(recursive=True)]
    for each in family:
        with suppress(psutil.NoSuchProcess):  # it has ended with the one before it
            each.kill()
    psutil.wait_procs(family, BACK_WITHIN_S)
    again = place.system.local("up", timeout_s=120)
    assert again.returncode == 0, again.stderr
    return f"all {len(family)} processes killed, then `up`"


DRILLS = {
    "F01": Drill("workers are killed", kill_workers, 0.0),
    "F02": Drill("the gateway is killed", kill_gateway, 0.5),
    "F03": Drill("Valkey is restarted", restart_valkey, 0.2),
    "F04": Drill("Valkey is killed", kill_valkey, 0.2),
    "F05": Drill("Valkey loses everything", empty_valkey, 0.2),
    "F06a": Drill("documents are killed", kill_documents, 0.5),
    "F06b": Drill("documents stand still", pause_documents, 0.5),
    "F11": Drill("Valkey is full", fill_valkey, 0.4),
    "F14": Drill("every process is restarted", restart_everything, 0.5),
    "F16a": Drill("the gateway stands still", pause_gateway, 0.3),
    "F16b": Drill("Valkey stands still", pause_valkey, 0.3),
    "F23": Drill("the power is cut", cut_the_power, 0.9),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one drill."""

    happened: str
    began_s: float  # epoch
    report: Mapping[str, Any]
    wrong: tuple[str, ...]

    @property
    def last_failure(self) -> str:
        """Say how long after the fault's beginning the last arrival failed."""
        failing = [each["at_s"] for each in self.report["seconds"] if each["failed"]]
        if not failing:
            return "-"
        run_began_s = datetime.fromisoformat(self.report["started_at"]).timestamp()
        return f"{run_began_s + failing[-1] + 1 - self.began_s:.0f} s"


def run(drill: Drill, seed: int) -> Outcome:
    """Run one drill on a system of its own."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        own_system(Path(folder) / "state") as system,
    ):
        load = _start_load(system, Path(folder))
        try:
            time.sleep(FAULT_AT_S)
            began_s = time.time()
            happened = drill.fault(Place(system, seed))
            load.wait(LOAD_TIMEOUT_S)
        finally:
            load.kill()
            load.wait()
        (path,) = Path(folder).glob("*/report.json")
        report = json.loads(path.read_text())
    return Outcome(happened, began_s, report, tuple(_wrong(report, drill)))


def _start_load(system: System, reports: Path) -> subprocess.Popen[bytes]:
    addresses = {
        **{"TARGET": system.gateway, "CONSOLE": system.console},
        **{"PROVIDER": system.provider, "MAILBOX": system.mailbox},
    }
    settings = {"RATE": str(RATE), "DURATION": str(DURATION_S), "REPORTS": str(reports)}
    return subprocess.Popen(
        [sys.executable, "-m", "loadtest"],
        env={**system.environment, **addresses, **settings},
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )


def _wrong(report: Mapping[str, Any], drill: Drill) -> list[str]:
    audit, totals = report["audit"], report["totals"]
    wrong = [f"{name} {audit[name]}" for name in NOTHING_OF if audit[name]]
    if audit["notifications_delivered"] < audit["notifications_accepted"]:
        wrong.append(
            f"{audit['notifications_delivered']} of {audit['notifications_accepted']}"
            " notifications delivered"
        )
    if totals["failed"] > drill.failed_share * totals["scheduled"]:
        wrong.append(f"{totals['failed']} of {totals['scheduled']} arrivals failed")
    return wrong


ROW = "| {} | {} | {} | {} | {} | {} | {} | {} | {} |"
HEAD = ROW.format(
    *("drill", "what happens", "what was done", "accepted", "lost", "doubled"),
    *("failed for clients", "last failure after", "verdict"),
)


def _row(name: str, outcome: Outcome) -> str:
    audit, totals = outcome.report["audit"], outcome.report["totals"]
    accepted = audit["payments_accepted"] + audit["notifications_accepted"]
    return ROW.format(
        *(name, DRILLS[name].sentence, outcome.happened, f"{accepted:,}"),
        *(audit["lost"], audit["doubled"], f"{totals['failed']:,} of {totals['scheduled']:,}"),
        *(outcome.last_failure, "; ".join(outcome.wrong) or "passed"),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills.under_load", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="DRILL", help=f"of {', '.join(DRILLS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"write the table to {TABLE.name}")
    options = parser.parse_args()
    unknown = set(options.names) - set(DRILLS)
    if unknown:
        parser.error(f"no drill {', '.join(sorted(unknown))}; there are {', '.join(DRILLS)}")
    rows, wrong = [], 0
    for name in options.names or DRILLS:
        sys.stderr.write(f"{name}: {DRILLS[name].sentence}\n")
        outcome = run(DRILLS[name], options.seed)
        rows.append(_row(name, outcome))
        wrong += bool(outcome.wrong)
        sys.stdout.write(f"{rows[-1]}\n")
        sys.stdout.flush()
    if options.write:
        TABLE.write_text(_page(rows, options.seed) + sections())
    return 1 if wrong else 0


def _page(rows: list[str], seed: int) -> str:
    rule = "|".join(["---"] * (HEAD.count("|") - 1))
    return (
        "# Drills under load\n\n"
        f"Written by `python -m tests.drills.under_load --write` on {datetime.now(UTC):%Y-%m-%d},"
        f" seed {seed}: each on a system of its own, {RATE} arrivals a second for {DURATION_S} s,"
        f" the fault {FAULT_AT_S:.0f} s after the start. Accepted are payments and notifications"
        " that were answered with 201 or 202.\n\n"
        "The other drills have commands of their own: `make drills DRILL=F07` (and F08, F09, F13,"
        " F18: provider, redelivery, a sleeping\nworker, one key from 200 sides; F10, F12, F17,"
        " F19, F20, F21: what surrounds the payments), `fairness`,\n`notifications`,"
        " `misbehaving`; `make soak` is F24 and `make load` F25. Receivers of webhooks that fail,"
        " hang or lead\ninside (F22) are tested one by one in"
        " `tests/integration/notifications`.\n\n"
        f"{HEAD}\n|{rule}|\n" + "\n".join(rows) + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
