"""Drills that are load runs with a fault in them.

Each starts a system of its own, sends it a steady rate, lets the fault happen in the middle and
reads from the run's own audit what was lost or doubled.
"""

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
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import redis

from local.machine import status
from local.machine.supervisor import HEALTHY_S
from tests.conftest import wait_until
from tests.drills.outcome import Conditions, Outcome, Run
from tests.drills.payments import redeliveries
from tests.e2e.conftest import ROOT, System, own_system

RATE = 100
DURATION_S = 60  # what was lost with its message is sent again after 30 s
FAULT_AT_S = 10.0
AFTER_S = 240  # the drains and the audit
PROFILE_S = 240
GATEWAY_KILLS = 10
KILLS_S = round(GATEWAY_KILLS * (HEALTHY_S + 3))  # with the starts, and what is sent before
BACK_WITHIN_S = 30.0  # the supervisor's longest pause before a restart, and the start
REDELIVERED_WITHIN_S = 45.0  # the visibility timeout of 30 s, and a batch
WORDS = "load.log"  # what the load run says
NOTHING_OF = ("lost", "doubled", "ledger_imbalance", "unresolved")
Fault = Callable[["Place"], str]


class Place:
    """The system under load, and a way to its processes."""

    def __init__(self, system: System, seed: int) -> None:
        self.system = system
        self.chance = random.Random(seed)

    def pid_or_none(self, name: str) -> int | None:
        """Return the pid of a process, or None while it does not run."""
        last = status.read(self.system.state)
        assert last is not None
        process = next(each for each in last.processes if each.name == name)
        return process.pid or None  # 0 would be this drill and all that it started

    def pid(self, name: str) -> int:
        """Return the pid of a process that runs now."""
        pid = self.pid_or_none(name)
        assert pid, f"{name} does not run"
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

    def answers(self) -> bool:
        """Return whether the gateway answers well."""
        with (
            suppress(OSError, HTTPException),
            urlopen(f"{self.system.gateway}/health", timeout=1) as answer,
        ):
            return bool(answer.status == 200)
        return False

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(f"unix://{self.system.state}/run/valkey.sock")

    def _runs_again(self, name: str, before: int) -> bool:
        last = status.read(self.system.state)
        processes = last.processes if last else ()
        return any(each.name == name and each.pid not in (None, 0, before) for each in processes)


def kill_workers(place: Place) -> str:
    """Kill twenty workers, one every two seconds, wherever they are."""
    kills = 0
    for _ in range(20):
        pids = [pid for index in range(5) if (pid := place.pid_or_none(f"worker-{index}"))]
        for pid in place.chance.sample(pids, min(1, len(pids))):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                kills += 1
        time.sleep(2)
    wait_until(lambda: redeliveries(place.system) > 0, REDELIVERED_WITHIN_S)
    return f"{kills} workers killed, {redeliveries(place.system):.0f} messages delivered again"


def kill_gateway(place: Place) -> str:
    """Kill it ten times, each time when the supervisor takes it for healthy again."""
    longest_s = 0.0
    for number in range(GATEWAY_KILLS):
        if number:
            time.sleep(HEALTHY_S)
        began_s = time.monotonic()
        place.end("gateway", signal.SIGKILL)
        wait_until(place.answers, BACK_WITHIN_S)
        longest_s = max(longest_s, time.monotonic() - began_s)
    return f"the gateway killed {GATEWAY_KILLS} times, and answered again within {longest_s:.1f} s"


def restart_valkey(place: Place) -> str:
    place.end("valkey", signal.SIGTERM)
    time.sleep(5)
    place.pause("valkey", 5)
    return "Valkey ended and started again, then stood still for 5 s"


def kill_valkey(place: Place) -> str:
    place.end("valkey", signal.SIGKILL)
    return "Valkey killed"


def empty_valkey(place: Place) -> str:
    keys = place.valkey().dbsize()
    place.valkey().flushall()
    assert keys, "Valkey was empty already"
    return f"{keys} keys lost"


def stop_documents(place: Place) -> str:
    place.end("documents", signal.SIGKILL)
    time.sleep(5)
    place.pause("documents", 10)
    return "documents killed, then stood still for 10 s"


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


def drill(fault: Fault, failed_share: float, length_s: int = DURATION_S) -> Run:
    """Return the run of a drill of which at most this share of the arrivals may fail."""

    def run(conditions: Conditions) -> Outcome:
        rate, duration_s = conditions.rate(RATE), conditions.duration(length_s)
        load = {"RATE": str(rate), "DURATION": str(duration_s)}
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            own_system(Path(folder) / "state") as system,
        ):
            process = start_load(system, Path(folder), load)
            try:
                time.sleep(FAULT_AT_S)
                happened = fault(Place(system, conditions.seed))
                ended_s = time.time()
                report = report_of(process, Path(folder), duration_s + AFTER_S)
            finally:
                process.kill()
                process.wait()
        return Outcome(
            fault=f"{happened}, at {rate}/s",
            **figures(report),
            recovered_s=max(0.0, last_failure_s(report) - ended_s),
            wrong=wrong_of(report, failed_share),
        )

    return run


def profile_1k(_: Conditions) -> Outcome:
    """Run the profile that the predecessor failed, without any fault."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        own_system(Path(folder) / "state") as system,
    ):
        process = start_load(system, Path(folder), {})
        try:
            report = report_of(process, Path(folder), PROFILE_S + AFTER_S)
        finally:
            process.kill()
            process.wait()
    peak = next(each for each in report["phases"] if each["name"] == "peak")
    drained_s = max((each["drained_after_s"] or 0.0 for each in report["queues"]), default=0.0)
    reasons = [f"the run is {report['verdict']}", *report["reasons"]]
    return Outcome(
        fault=f"no fault, up to 1,000/s: p99 {peak['latency_ms']['p99']:.0f} ms in the peak",
        **figures(report),
        recovered_s=drained_s,
        wrong=[] if report["verdict"] == "passed" else reasons,
    )


def start_load(
    system: System, reports: Path, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a load run on this system; without settings it is the 1k profile."""
    addresses = {
        **{"TARGET": system.gateway, "CONSOLE": system.console},
        **{"PROVIDER": system.provider, "MAILBOX": system.mailbox},
    }
    chosen = {"RATE": "", "DURATION": "", "REPORTS": str(reports), **settings}
    with (reports / WORDS).open("wb") as words:
        return subprocess.Popen(
            [sys.executable, "-m", "loadtest"],
            env={**system.environment, **addresses, **chosen},
            cwd=ROOT,
            stderr=words,
        )


def report_of(process: subprocess.Popen[bytes], reports: Path, timeout_s: float) -> dict[str, Any]:
    """Wait until the run ends and return its report."""
    code = process.wait(timeout_s)
    paths = list(reports.glob("*/report.json"))
    words = (reports / WORDS).read_text().strip().rpartition("\n")[2]
    assert paths, f"the load run ended with {code}: {words}"
    report: dict[str, Any] = json.loads(paths[0].read_text())
    return report


def figures(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that every load run has."""
    audit, totals = report["audit"], report["totals"]
    return {
        "acked": audit["payments_accepted"] + audit["notifications_accepted"],
        "lost": audit["lost"],
        "doubled": audit["doubled"],
        "errors": f"{totals['failed']:,} of {totals['scheduled']:,}",
    }


def last_failure_s(report: Mapping[str, Any]) -> float:
    """Return when the last arrival failed, since the epoch; 0 where none did."""
    failing = [each["at_s"] for each in report["seconds"] if each["failed"]]
    began_s = datetime.fromisoformat(report["started_at"]).timestamp()
    return began_s + failing[-1] + 1 if failing else 0.0


def wrong_of(report: Mapping[str, Any], failed_share: float) -> list[str]:
    """Return what the run's audit says against it, and whether too many arrivals failed."""
    audit, totals = report["audit"], report["totals"]
    wrong = [f"{name} {audit[name]}" for name in NOTHING_OF if audit[name]]
    if audit["notifications_delivered"] < audit["notifications_accepted"]:
        wrong.append(
            f"{audit['notifications_delivered']} of {audit['notifications_accepted']}"
            " notifications delivered"
        )
    if totals["failed"] > failed_share * totals["scheduled"]:
        wrong.append(f"{totals['failed']} of {totals['scheduled']} arrivals failed")
    return wrong
