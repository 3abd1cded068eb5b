"""Runs of the load on a system of `load_system`, as a person starts them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.witnesses.api import Api
from tests.integration.load_system import running

ROOT = Path(__file__).parents[2]
RUN = "20261123t101500abcd"
ATTEMPTS = 5
EVERY_ONE = {"scheduled": 200, "sent": 200, "ok": 200, "failed": 0, "skipped": 0}


def settings(base: str, folder: Path, rate_per_s: int = 100, duration_s: int = 2) -> dict[str, str]:
    witnesses = dict.fromkeys(("TARGET", "CONSOLE", "PROVIDER", "MAILBOX"), base)
    return witnesses | {
        "RATE": str(rate_per_s),
        "DURATION": str(duration_s),
        "REPORTS": str(folder),
    }


def start(environment: Mapping[str, str], *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *(command or ("loadtest",))],
        cwd=ROOT,
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def run_valid(environment: Mapping[str, str], *command: str) -> tuple[int, str]:
    """Run the load, again where the machine was too busy for a generator that can be trusted."""
    for attempt in range(ATTEMPTS):
        folder = str(Path(environment["REPORTS"]) / str(attempt))
        code, errors = end(start({**environment, "REPORTS": folder}, *command))
        if code != 3:
            break
    return code, errors


def run_valid_on(fault: str, reports: Path, **changes: Any) -> tuple[int, str]:
    """Run the load on a system with this fault; where the machine was too busy, on a new one."""
    for attempt in range(ATTEMPTS):
        with running(fault) as (base, _):
            code, errors = end(start(settings(base, reports / str(attempt), **changes)))
        if code != 3:
            break
    return code, errors


def report_in(folder: Path) -> dict[str, Any]:
    path = max(folder.rglob("report.json"))
    report: dict[str, Any] = json.loads(path.read_bytes())
    return report


def has_charges(base: str) -> bool:
    api = Api(base)
    try:
        return bool(api.get("/charges", after=0, limit=1)["charges"])
    finally:
        api.close()
