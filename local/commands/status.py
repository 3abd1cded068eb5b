"""The command `status`: one line a process."""

import argparse
import contextlib
import sys
from collections import Counter
from dataclasses import replace

import psutil

from local.daemon.arguments import PROGRAM
from local.daemon.wording import counted
from local.machine import status
from local.machine.status import ProcessStatus
from local.runtime import import_failures

EXIT_PROBLEM = 1
EXIT_NOT_RUNNING = 3
ROW = "{:<24}{:>8}  {:<12}{:>8}  {}"


def show(options: argparse.Namespace) -> int:
    """Print each process; 0 when all run, 1 when not, 3 when the system is down."""
    last = status.read(options.state)
    if last is None or not status.supervisor_pid(options.state):
        sys.stdout.write(f"not running; start it with `{PROGRAM} up`\n")
        return EXIT_NOT_RUNNING
    processes = [_checked(each) for each in last.processes]
    lines = [ROW.format("process", "pid", "state", "restarts", "address"), *map(_row, processes)]
    lines += _rows_of_workers(processes)
    failing = import_failures.noted(options.state)
    lines += [f"{name} cannot be imported: {sentence}" for name, sentence in failing.items()]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    all_run = (
        not failing and last.phase == "ready" and all(each.state == "running" for each in processes)
    )
    return 0 if all_run else EXIT_PROBLEM


def _checked(process: ProcessStatus) -> ProcessStatus:
    """Return what is true now: the supervisor may not have written of the last second yet."""
    if process.pid and not status.living(process):
        return replace(process, pid=0, state="ended")
    return process


def _rows_of_workers(processes: list[ProcessStatus]) -> list[str]:
    """Return a line for each function whose environments are the workers' children."""
    counts: Counter[str] = Counter()
    for worker in (each for each in processes if each.name.startswith("worker-")):
        with contextlib.suppress(psutil.NoSuchProcess):
            process = status.living(worker)
            for words in [child.cmdline() for child in process.children()] if process else ():
                if "--function" in words:
                    counts[words[words.index("--function") + 1]] += 1
    return [
        ROW.format(name, "-", "running", "-", f"{counted(count, 'environment')} in workers")
        for name, count in sorted(counts.items())
    ]


def _row(process: ProcessStatus) -> str:
    pid = process.pid or "-"
    return ROW.format(process.name, pid, process.state, process.restarts, process.address)
