"""A test run that is killed: what it started ends by itself."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]
GONE_S = 60.0
"""Longest wait for the last process, for a machine that is full; a quiet one needs 3 s."""
SYSTEM = """
import sys
import time
from pathlib import Path

pytest_plugins = ["tests.conftest"]


def test_with_a_system(tmp_path):
    from tests.e2e.conftest import own_system

    with own_system(tmp_path) as system:
        Path(__file__).with_name("pid").write_text(str(system.state))
        time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, as the sockets of a system need it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:
        yield Path(path)


@contextmanager
def long_run(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run of one test with a whole system, which never ends by itself, and kill it."""
    (folder / "test_long.py").write_text(SYSTEM)
    base = folder / "tmp"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    with subprocess.Popen(
        [*command, f"--rootdir={folder}", f"--basetemp={base}", *options, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    ) as run:
        try:
            yield run
        finally:
            run.kill()


def started_in(folder: Path) -> list[psutil.Process]:
    """Return the processes of the system whose state is in this folder."""
    processes = []
    for process in psutil.process_iter():
        try:
            if any(str(folder) in word for word in process.cmdline()[1:]):
                processes.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return processes


def family(processes: list[psutil.Process]) -> list[psutil.Process]:
    members = set(processes)
    for process in processes:
        try:
            members.update(process.children(recursive=True))
        except psutil.NoSuchProcess:
            continue
    return list(members)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if each.is_running() and each.status() != "zombie"]


@pytest.mark.parametrize(
    ("signal_number", "options", "victim"),
    [
        (signal.SIGKILL, (), "run"),
        (signal.SIGTERM, (), "run"),
        (signal.SIGKILL, ("-n", "1"), "worker"),
    ],
)
def test_a_killed_test_run_leaves_nothing_of_its_system_running(
    signal_number: int, options: tuple[str, ...], victim: str, folder: Path
):
    with long_run(folder, *options) as run:
        wait_until((folder / "pid").exists, timeout_s=120)
        system = family(started_in(folder / "tmp"))
        if victim == "worker":
            workers = [each for each in psutil.Process(run.pid).children() if is_worker(each)]
            for worker in workers:
                worker.send_signal(signal_number)
        else:
            run.send_signal(signal_number)
        wait_until(lambda: not alive(system), timeout_s=GONE_S)

    assert len(system) > 20
    assert started_in(folder / "tmp") == []


def is_worker(process: psutil.Process) -> bool:
    return "exec(eval(" in " ".join(process.cmdline())
