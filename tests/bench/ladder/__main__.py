"""`make ladder`: CPU of each process a request, a part of the backend more on each rung.

One system, asked on one rung after the other by a closed loop that takes a core's share for itself.
The rungs go round several times and the median of each counts, so that a neighbour's minute on a
shared machine is no rung's.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import uvloop

from local.machine import status
from tests.bench.comparison.load import closed_loop
from tests.conftest import free_port

TEMPLATE = Path(__file__).parent / "template.yaml"
PROJECT = TEMPLATE.parents[3]
# Each rung's route, and the function that serves it.
RUNGS = {
    "null handler": ("/plain", "Plain"),
    "+ Chalice": ("/chalice", "Chalice"),
    "+ Powertools metrics": ("/powertools", "Powertools"),
    "+ idempotency on Redis": ("/redis", "Redis"),
    "+ a document": ("/mongodb", "MongoDB"),
}
PROCESSES = ("gateway", "environments", "valkey", "documents")
PORTS = ("GATEWAY", "CONSOLE", "INVOKE", "VALKEY", "DOCUMENTS", "DOCUMENTS_METRICS", "OTLP")
WARM_UP_S = 1.0
ROW = "{:<24}" + "{:>14}" * (len(PROCESSES) + 1)


@contextmanager
def system(state: Path) -> Iterator[int]:
    """Run the ladder's template on free ports; give the port of its API."""
    ports = {f"{name}_PORT": str(free_port()) for name in PORTS}
    command = [sys.executable, "-m", "local"]
    place = ["--state", str(state), "--template", str(TEMPLATE)]
    variables = {**os.environ, **ports, "PYTHONPATH": str(PROJECT)}
    try:
        subprocess.run([*command, "up", *place], env=variables, check=True, stdout=sys.stderr)
        yield int(ports["GATEWAY_PORT"])
    finally:
        subprocess.run([*command, "down", *place], env=variables, check=True, stdout=sys.stderr)


def cpu_us(state: Path, function: str) -> dict[str, float]:
    """Return the CPU that each process has used so far, in microseconds."""
    last = status.read(state)
    assert last is not None
    names = {**dict.fromkeys(PROCESSES, ""), "environments": function}
    pids = {each.name: each.pid for each in last.processes}
    used = {}
    for name in PROCESSES:
        process = psutil.Process(pids[names[name] or name])
        family = [process, *process.children(recursive=True)]
        used[name] = 1e6 * sum(sum(each.cpu_times()[:2]) for each in family)
    return used


def ask(port: int, path: str, seconds: float) -> int:
    """Ask one route for some seconds; return how many requests were answered."""
    result = asyncio.run(closed_loop(port, path, connections=16, seconds=seconds))
    if result.failed:
        raise RuntimeError(f"{result.failed} of {result.requests} requests to {path} failed")
    return result.requests


def main() -> int:
    parser = argparse.ArgumentParser(prog="make ladder", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="how often each rung is measured")
    options = parser.parse_args()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    figures: dict[str, list[dict[str, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, system(Path(folder)) as port:
        for path, _ in RUNGS.values():
            ask(port, path, WARM_UP_S)
        for _ in range(options.rounds):
            for rung, (path, function) in RUNGS.items():
                before = cpu_us(Path(folder), function)
                requests = ask(port, path, options.seconds)
                after = cpu_us(Path(folder), function)
                figures[rung].append({n: (after[n] - before[n]) / requests for n in PROCESSES})
    print(ROW.format("CPU us a request", *PROCESSES, "together"))
    for rung, rounds in figures.items():
        medians = [statistics.median(each[name] for each in rounds) for name in PROCESSES]
        print(ROW.format(rung, *(f"{each:.0f}" for each in (*medians, sum(medians)))))
    return 0


sys.exit(main())
