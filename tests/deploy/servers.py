"""The servers of the drill on free ports: an AWS emulator, and the stores of a stack."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from local.daemon.parent_death import signal_on_parent_death
from local.daemon.terminate import end
from local.machine.stores import Valkey, listens
from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"
START_TIMEOUT_S = 30.0  # ministack takes 1.5 s on an idle machine
END_GRACE_S = 5.0
POLL_S = 0.05


class ServerFailed(Exception):
    """A server of the drill does not start; the message ends with its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Addresses of what the functions reach beside AWS."""

    redis_url: str
    mongo_url: str
    provider_url: str
    smtp_url: str
    mailbox: str


@contextmanager
def stores(folder: Path) -> Iterator[Stores]:
    """Start Valkey, documents, provider and mailbox, with their data in `folder`."""
    valkey, documents, provider, smtp, mailbox = (free_port() for _ in range(5))
    embedded = Valkey(directory=folder, port=valkey, socket_path=folder / "valkey.sock")
    commands = {
        "valkey": (embedded.command, [valkey]),
        "documents": (
            _python("local.documents", "--port", documents, "--data", folder / "documents.sqlite"),
            [documents],
        ),
        "provider": (
            _python(
                *("local.simulators.provider", "--port", provider),
                *("--journal", folder / "provider.jsonl"),
            ),
            [provider],
        ),
        "mailbox": (
            _python(
                *("local.simulators.mailbox", "--smtp-port", smtp, "--http-port", mailbox),
                *("--journal", folder / "mailbox.jsonl"),
            ),
            [smtp, mailbox],
        ),
    }
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with _running(commands, folder, environment):
        yield Stores(
            redis_url=f"redis://127.0.0.1:{valkey}/0",
            mongo_url=f"mongodb://127.0.0.1:{documents}",
            provider_url=f"http://127.0.0.1:{provider}",
            smtp_url=f"smtp://127.0.0.1:{smtp}",
            mailbox=f"http://127.0.0.1:{mailbox}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """An AWS emulator: its address, and the environment in which tools speak to it only."""

    endpoint: str
    credentials: Mapping[str, str]
    environment: Mapping[str, str]
    queue_clock: Path  # see `emulator`


@contextmanager
def cloud(folder: Path, tools: Path) -> Iterator[Cloud]:
    """Start Ministack, installed in `tools`, with all its files in `folder`."""
    port, clock = free_port(), folder / "queue-clock"
    endpoint = f"http://127.0.0.1:{port}"
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    credentials = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    environment = {
        **ours,
        **credentials,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),  # neither profiles nor settings of whoever runs this
        "TMPDIR": str(folder),
        "SAM_CLI_TELEMETRY": "0",
    }
    # What functions are started with is this environment too; ours is not for them.
    environment.pop("PYTHONPATH", None)
    server = {
        **environment,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "STATE_DIR": str(folder / "state"),
        "IOT_MTLS_ENABLED": "0",  # it would take a port of its own on every address
        "SFTP_ENABLED": "0",
        "AUTH": "true",  # roles are held to their policies
        "QUEUE_CLOCK": str(clock),
    }
    clock.write_text("0")
    command = [str(tools / "python3"), str(Path(__file__).with_name("emulator.py"))]
    with _running({"ministack": (command, [port])}, folder, server):
        yield Cloud(
            endpoint=endpoint,
            credentials=credentials,
            environment=environment,
            queue_clock=clock,
        )


@contextmanager
def _running(
    commands: Mapping[str, tuple[Sequence[str], Sequence[int]]],
    folder: Path,
    environment: Mapping[str, str],
) -> Iterator[None]:
    """Start each command and wait for its ports; end them and all below them afterwards."""
    started: list[psutil.Popen] = []
    try:
        for name, (command, _) in commands.items():
            with (folder / f"{name}.log").open("wb") as log:
                started.append(
                    psutil.Popen(
                        command,
                        env=environment,
                        cwd=ROOT,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        # Ctrl-C is for the drill, which still has a stack to delete.
                        start_new_session=True,
                        preexec_fn=_tied(),
                    )
                )
        for (name, (_, ports)), process in zip(commands.items(), started, strict=True):
            _await(name, ports, process, folder / f"{name}.log")
        yield
    finally:
        end(started, END_GRACE_S)


def _await(name: str, ports: Sequence[int], process: psutil.Popen, log: Path) -> None:
    ends_s = time.monotonic() + START_TIMEOUT_S
    while not all(map(listens, ports)):
        if process.poll() is not None or time.monotonic() > ends_s:
            raise ServerFailed(f"{name} does not start:\n{log.read_text()[-2000:]}")
        time.sleep(POLL_S)


def _tied() -> Callable[[], None]:
    return partial(signal_on_parent_death, os.getpid())


def _python(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", module, *map(str, arguments)]
