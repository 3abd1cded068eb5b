"""The servers: how each is started on the same handler, and what of the CPU it used."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from local.machine.stores import listens
from tests.conftest import free_port

HANDLERS = Path(__file__).parent / "handlers"
PROJECT = HANDLERS.parents[3]
START_S = 30.0
OURS = "local AWS"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server of one of the handlers."""

    handler: str
    server: str
    port: int
    path: str
    processes: tuple[psutil.Process, ...]

    def cpu_s(self) -> float:
        """Return the CPU of its processes and all below them."""
        return sum(cpu_s(each) for process in self.processes for each in family(process))


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def ours(state: Path) -> Iterator[dict[str, Contender]]:
    """Start the gateway and the hosts of both functions, by handler."""
    port = free_port()
    template = ("--template", str(HANDLERS / "template.yaml"), "--state", str(state))
    ports = ("--port", port, "--console-port", free_port(), "--invoke-port", free_port())
    commands = [[sys.executable, "-m", "local.server", *template, *map(str, ports)]]
    for function in ("ChaliceFunction", "PowertoolsFunction"):
        connect = ("--connect", f"unix:{state}/run/gateway.sock")
        commands.append(
            [
                sys.executable,
                "-m",
                "local.runtime.host",
                *template,
                "--function",
                function,
                *connect,
            ]
        )
    with _running(commands, port) as (gateway, chalice, powertools):
        yield {
            "Chalice": Contender("Chalice", OURS, port, "/hello/ada", (gateway, chalice)),
            "Powertools": Contender(
                "Powertools", OURS, port, "/powertools/hello/ada", (gateway, powertools)
            ),
        }


@contextlib.contextmanager
def other(handler: str, server: str, tools: Path) -> Iterator[Contender]:
    """Start one of the servers that are installed in `tools`."""
    port = free_port()
    uvicorn = [str(tools / "uvicorn"), "--port", str(port), "--no-access-log", "--log-level=error"]
    command = {
        "chalice local": [
            *(str(tools / "chalice"), "--project-dir", str(HANDLERS / "chalice_app")),
            *("local", "--no-autoreload", "--port", str(port)),
        ],
        "HttpResolverLocal": [
            *uvicorn,
            "--app-dir",
            f"{HANDLERS}/powertools_app",
            "local_server:app",
        ],
        "FastAPI": [*uvicorn, "--app-dir", f"{HANDLERS}/fastapi_app", "app:app"],
    }[server]
    with _running([command], port) as processes:
        yield Contender(handler, server, port, "/hello/ada", processes)


@contextlib.contextmanager
def _running(commands: Sequence[Sequence[str]], port: int) -> Iterator[tuple[psutil.Process, ...]]:
    started = [
        subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        deadline_s = time.monotonic() + START_S
        while not listens(port):
            if time.monotonic() > deadline_s or any(each.poll() is not None for each in started):
                raise RuntimeError(f"does not start: {' '.join(commands[0])}")
            time.sleep(0.05)
        yield tuple(psutil.Process(each.pid) for each in started)
    finally:
        for each in started:
            each.terminate()
        for each in started:
            each.wait(timeout=START_S)
