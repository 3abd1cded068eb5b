"""The frame of a simulator around its protocol: listen, sweep, drain, exit codes."""

import argparse
import asyncio
import errno
import logging
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import uvloop

from local.daemon import arguments
from local.simulators.journal import JournalError

log = logging.getLogger(__name__)

CONNECTIONS_MAX = 512  # of SMTP; each holds at most one mail of a megabyte
BACKLOG = 1024
SWEEP_S = 1.0  # how exactly the deadlines of connections are kept
DRAIN_S = 5.0  # `down` gives every process 10 s


class StartError(Exception):
    """The process cannot start; the sentence says what to do."""


class Connection(Protocol):
    """A connection as the set of all sees it."""

    def sweep(self, now: float) -> None:
        """End the connection if one of its deadlines passed."""

    def drain(self) -> None:
        """Finish what was begun, then close."""

    def abort(self) -> None:
        """Close at once."""


class Group(Protocol):
    """All connections that came through one door."""

    def __len__(self) -> int: ...
    def sweep(self, now_s: float) -> None: ...
    def drain(self) -> None: ...
    def abort(self) -> None: ...


class Connections:
    """The open connections of a protocol that is not HTTP."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self.is_draining = False

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection) -> bool:
        """Count `connection` in, unless there are too many or the process is stopping."""
        if self.is_draining or len(self._open) >= CONNECTIONS_MAX:
            return False
        self._open.add(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a connection that was closed."""
        self._open.discard(connection)

    def sweep(self, now_s: float) -> None:
        """End the connections whose deadlines passed by `now_s`, on the monotonic clock."""
        for connection in tuple(self._open):
            connection.sweep(now_s)

    def drain(self) -> None:
        """Let every connection finish, and admit no more."""
        self.is_draining = True
        for connection in tuple(self._open):
            connection.drain()

    def abort(self) -> None:
        """Cut every connection that is left."""
        for connection in tuple(self._open):
            connection.abort()


@dataclass(frozen=True, slots=True)
class Door:
    """A port, the protocol behind it, and who came in; `flag` is the option that moves it."""

    name: str
    flag: str
    port: int
    protocol: Callable[[], asyncio.Protocol]
    connections: Group


async def serve(host: str, *doors: Door) -> None:
    """Listen on all doors until SIGTERM or SIGINT, then drain; a second signal stops at once."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    servers = [await _listen(host, door) for door in doors]
    log.info("ready: %s", ", ".join(f"{door.name} on {host}:{door.port}" for door in doors))
    groups = [door.connections for door in doors]
    sweeper = asyncio.create_task(_sweep_forever(groups))
    await stop.wait()
    for server in servers:
        server.close()
    await _drain(groups, hurry)
    sweeper.cancel()


async def _sweep_forever(groups: list[Group]) -> None:
    """Keep the deadlines: one pass over all connections is cheaper than a timer in each."""
    while True:
        await asyncio.sleep(SWEEP_S)
        for group in groups:
            group.sweep(time.monotonic())


async def _drain(groups: list[Group], hurry: asyncio.Event) -> None:
    """Let every connection finish, but not longer than DRAIN_S nor once `hurry` is set."""
    for group in groups:
        group.drain()
    deadline_s = time.monotonic() + DRAIN_S
    while any(groups) and not hurry.is_set() and time.monotonic() < deadline_s:
        await asyncio.sleep(0.01)
    for group in groups:
        group.abort()


async def _listen(host: str, door: Door) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(door.protocol, host, door.port, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {door.port} is taken: stop what listens there or change {door.flag}"
        else:
            message = f"cannot listen, change --listen or {door.flag}: {error.strerror}"
        raise StartError(message) from error


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that both processes take."""
    arguments.add_host(parser, "--listen")
    parser.add_argument(
        "--journal",
        type=Path,
        required=True,
        metavar="FILE",
        help="file that keeps everything; made if missing",
    )


def run(name: str, main: Coroutine[Any, Any, None]) -> int:
    """Run `main` on uvloop; gives the exit code, 2 with one sentence when it could not start."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format=f"%(asctime)s {name} %(levelname)s %(message)s",
    )
    try:
        uvloop.run(main)
    except (StartError, JournalError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 2
    return 0
