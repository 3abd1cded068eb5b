"""The addresses of servers that the shell names, asked whether anybody answers there."""

import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

PROBE_TIMEOUT_S = 3.0  # a server on another continent answers within one
USUAL_PORTS = {"redis": 6379, "rediss": 6379, "mongodb": 27017, "smtp": 25, "http": 80}
SERVER = re.compile(r"(\[[^\]]*\]|[^:\[\]]+)(?::([0-9]+))?")
LOOPBACK = ("127.", "localhost", "::1")
Endpoint = str | tuple[str, int]  # a unix socket's path, or host and port


class NobodyAnswers(ValueError):
    """A variable of the shell names an address where nothing answers; the message says which."""


def check_store(name: str, url: str) -> None:
    """Refuse a store's address unless one of its servers accepts a connection."""
    endpoints = list(_endpoints(url))
    reasons = [reason for each in endpoints if (reason := _refusal(each))]
    if endpoints and len(reasons) == len(endpoints):
        raise NobodyAnswers(
            f"{name} in your shell is {_without_password(url)}, where nothing answers"
            f" ({reasons[0]}); start that server, or `unset {name}` to have one started here"
        )


def check_local(names: tuple[str, ...], environ: Mapping[str, str], own_ports: set[int]) -> None:
    """Refuse an address on this machine where nothing answers, and which is not ours to serve."""
    for name in names:
        url = environ.get(name, "")
        for endpoint in _endpoints(url):
            is_remote = not isinstance(endpoint, str) and not endpoint[0].startswith(LOOPBACK)
            is_own = not isinstance(endpoint, str) and endpoint[1] in own_ports
            if is_remote or is_own:
                continue
            if reason := _refusal(endpoint):
                raise NobodyAnswers(
                    f"{name} in your shell is {_without_password(url)}, where nothing answers"
                    f" ({reason}); `unset {name}`, or start what is to answer there"
                )


def _endpoints(url: str) -> Iterator[Endpoint]:
    """Yield the addresses of a URL; none where it has to be looked up first, or is no URL."""
    scheme, _, rest = url.partition("://")
    if scheme == "unix":
        yield unquote(rest.partition("?")[0])
        return
    servers = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    for server in servers.split(","):
        match = SERVER.fullmatch(server)
        if match and "%2f" in server.lower():
            yield unquote(match[1])
        elif match and (match[2] or scheme in USUAL_PORTS):
            yield match[1].strip("[]"), int(match[2] or USUAL_PORTS[scheme])


def _refusal(endpoint: Endpoint) -> str:
    """Return why nobody answers, or nothing."""
    try:
        if isinstance(endpoint, str):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(PROBE_TIMEOUT_S)
                probe.connect(str(Path(endpoint)))
        else:
            socket.create_connection(endpoint, timeout=PROBE_TIMEOUT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    except OverflowError:
        return f"{endpoint[1]} is no port"
    return ""


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    credentials, at, server = rest.rpartition("@")
    return f"{scheme}://{'...@' if at and credentials else ''}{server}"
