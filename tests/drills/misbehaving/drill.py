"""Functions that harm themselves harm no other.

A function that behaves is asked at a steady rate, alone and then beside each harm that another one
does ten times a second. Passes when its p99 beside stays within twice its p99 alone, every request
is answered, and nothing that the other has started outlives its environments.
"""

import http.client
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import psutil

from tests.conftest import free_port, wait_until
from tests.drills.misbehaving.harms import HARMS
from tests.drills.outcome import Conditions, Outcome

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PORTS = ("GATEWAY", "CONSOLE", "INVOKE", "VALKEY", "OTLP")
RATE_PER_S = 50  # of the function that behaves
HARMS_PER_S = 10  # at most: many take the other function until its time-out
CLIENTS = 10
CALLERS = 2  # of the function that misbehaves: as many as it has environments
CALLERS_NICENESS = 10  # as the functions; who calls is not what is measured
RATIO_MAX = 2.0
# What two runs without any harm differ by: a p99 below it is not told from another.
FLOOR_MS = 10.0
ROUNDS = 3  # what another program of the machine costs is no harm: one quiet round will do
SECONDS = 8  # of each measurement
TIMEOUT_S = 20
GONE_WITHIN_S = 10.0


@dataclass(frozen=True)
class Site:
    """A running system of the drill's own template."""

    folder: Path
    ports: dict[str, int]

    def local(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m local COMMAND`."""
        variables = {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        return subprocess.run(
            [sys.executable, "-m", "local", command, "--template", self.folder / "template.yaml"],
            env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.ports["GATEWAY"], timeout=TIMEOUT_S)

    def processes(self) -> set[psutil.Process]:
        """Return every process that runs in the functions' folder, whoever its parent is now."""
        return {each for each in psutil.process_iter() if _works_in(each, self.folder)}


class Misbehaviour:
    """A harm that the other function does again and again, until it is told to stop."""

    def __init__(self, site: Site, harm: str) -> None:
        # Processes of their own: what they do must not slow the one that measures.
        self._ending = multiprocessing.Event()
        self._answered: multiprocessing.Queue[Counter[str]] = multiprocessing.Queue()
        call = (site, harm, self._ending, self._answered)
        self._callers = [multiprocessing.Process(target=_call, args=call) for _ in range(CALLERS)]

    def __enter__(self) -> "Misbehaviour":
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self.ends = sum((self._answered.get() for _ in self._callers), Counter[str]())
        for caller in self._callers:
            caller.join()


def _call(
    site: Site, harm: str, ending: Event, answered: "multiprocessing.Queue[Counter[str]]"
) -> None:
    os.nice(CALLERS_NICENESS)
    ends: Counter[str] = Counter()
    while not ending.is_set():
        next_s = time.monotonic() + CALLERS / HARMS_PER_S
        ends[ask(site, harm)] += 1
        ending.wait(max(0.0, next_s - time.monotonic()))
    answered.put(ends)


def ask(site: Site, harm: str) -> str:
    """Have it done once; returns the status of the answer, or what came instead."""
    connection = site.connection()
    try:
        connection.request("POST", "/bad", harm)
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def p99_ms(site: Site, seconds: int) -> tuple[float, int]:
    """Return the p99 of the well-behaved function from each due time, and the failures."""
    count = RATE_PER_S * seconds
    took_s: list[float] = []
    failed = 0
    began_s = time.perf_counter()

    def client(first: int) -> None:
        nonlocal failed
        connection = site.connection()
        for number in range(first, count, CLIENTS):
            due_s = began_s + number / RATE_PER_S
            time.sleep(max(0.0, due_s - time.perf_counter()))
            connection.request("GET", "/good")
            answer = connection.getresponse()
            failed += answer.read() != b"good"
            took_s.append(time.perf_counter() - due_s)
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(CLIENTS)))
    return sorted(took_s)[-max(1, count // 100)] * 1000, failed


def drill(site: Site, harm: str, seconds: int) -> tuple[str, list[str]]:
    """Measure one harm until a round is within the bound; return its row and what was wrong."""
    before = site.processes()
    for _ in range(ROUNDS):
        alone_ms, _ = p99_ms(site, seconds)
        with Misbehaviour(site, harm) as misbehaviour:
            beside_ms, failed = p99_ms(site, seconds)
        left = _left(site, before)
        ratio = beside_ms / alone_ms
        is_slow = ratio > RATIO_MAX and beside_ms > FLOOR_MS
        if not is_slow or failed or left:
            break
    wrong = [
        *(["too slow"] if is_slow else []),
        *([f"{failed} requests failed"] if failed else []),
        *([f"{left} processes left"] if left else []),
    ]
    ends = ", ".join(f"{end} x {count}" for end, count in misbehaviour.ends.most_common(2))
    verdict = ", ".join(wrong) or "passed"
    row = f"| {harm} | {alone_ms:.1f} | {beside_ms:.1f} | {ratio:.1f} | {ends} | {verdict} |"
    return row, [f"{harm}: {each}" for each in wrong]


def _left(site: Site, before: set[psutil.Process]) -> int:
    """Return how many processes are too many, once all environments have been replaced."""
    deadline_s = time.monotonic() + GONE_WITHIN_S
    while time.monotonic() < deadline_s:
        ask(site, "leaves at once")
        if len(site.processes()) <= len(before):
            return 0
    left = site.processes() - before
    for each in left:  # an environment among them is replaced
        each.kill()
    return len(left)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder)
    except psutil.Error:
        return False


@contextmanager
def running() -> Iterator[Site]:
    """Start the system on free ports in a folder of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve() / "code"
        folder.mkdir()
        for name in ("template.yaml", "harms.py"):
            shutil.copy(HERE / name, folder)
        site = Site(folder, {name: free_port() for name in PORTS})
        up = site.local("up")
        if up.returncode:
            raise SystemExit(up.stdout + up.stderr)
        try:
            wait_until(lambda: len(site.processes()) == 6)
            yield site
        finally:
            site.local("down")


def run(conditions: Conditions) -> Outcome:
    """Do each harm once, on one system."""
    rows, wrong = [], []
    seconds = conditions.duration(SECONDS)
    with running() as site:
        for harm in HARMS:
            row, failures = drill(site, harm, seconds)
            rows.append(row)
            wrong += failures
            sys.stderr.write(f"{row}\n")
    return Outcome.without_losses(
        fault=f"{len(HARMS)} harms, {HARMS_PER_S} times a second each",
        acked=len(HARMS) * seconds * RATE_PER_S,
        wrong=wrong,
        details=[
            f"The p99 in ms of a function asked {RATE_PER_S} times a second, alone and beside one"
            f" that misbehaves; over {RATIO_MAX:.0f} times and {FLOOR_MS:.0f} ms it fails.",
            "",
            "| harm | alone | beside | ratio | what the other was answered | verdict |",
            "|---|---|---|---|---|---|",
            *rows,
        ],
    )
