"""The other end of a host: an invoker that holds the connections of its environments."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from local.runtime.frames import LEAVE, FrameReader, decode, encode

PROJECT = Path(__file__).parents[3]


class Peer:
    """One environment's connection, as the gateway would hold it."""

    def __init__(self, stream: socket.socket) -> None:
        stream.settimeout(10)
        self.stream = stream
        self.hello = self.receive()

    def receive(self) -> dict[str, Any]:
        reader = FrameReader()
        while chunk := self.stream.recv(65536):
            if payloads := reader.feed(chunk):
                return decode(payloads[0])
        raise EOFError

    def ask(self, do: str, *, within_s: float = 5.0, **event: Any) -> None:
        deadline_ms = int((time.time() + within_s) * 1000)
        invocation = {"id": "request-1", "deadline_ms": deadline_ms, "trace": "Root=1-2-3"}
        self.stream.sendall(encode({**invocation, "event": {"do": do, **event}}))

    def tell_to_leave(self) -> None:
        self.stream.sendall(LEAVE)

    def invoke(self, do: str, *, within_s: float = 5.0, **event: Any) -> dict[str, Any]:
        self.ask(do, within_s=within_s, **event)
        return self.receive()


class Invoker:
    """The port where environments dial in, and the hosts that dial there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts: list[subprocess.Popen[bytes]] = []
        self.peers: list[Peer] = []
        self.address = str(folder / "s")
        self.listen()

    def listen(self) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.settimeout(10)
        self.listener.bind(self.address)
        self.listener.listen()

    def accept(self) -> Peer:
        stream, _ = self.listener.accept()
        self.peers.append(Peer(stream))
        return self.peers[-1]

    def start(self, function: str = "Echo", environments: int = 1, *arguments: str) -> int:
        command = [
            *(sys.executable, "-m", "local.runtime.host", "--template", "template.yaml"),
            *("--function", function, "--connect", f"unix:{self.address}"),
            *("--environments", str(environments), "--state", "state"),
            *arguments,
        ]
        with self.log.open("ab") as log:
            host = subprocess.Popen(
                command,
                stderr=log,
                cwd=self.folder,
                env={
                    **os.environ,
                    "PYTHONPATH": str(PROJECT),
                    "OVERRIDDEN": "host",
                    "SPILLWAY_OTLP_URL": "http://127.0.0.1:4318",
                    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example",
                },
            )
        self.hosts.append(host)
        return host.pid

    @property
    def log(self) -> Path:
        return self.folder / "host.log"

    def close(self) -> None:
        for host in self.hosts:
            host.kill()
            host.wait(timeout=10)
        for peer in self.peers:
            peer.stream.close()
        self.listener.close()


def gone(pid: int) -> Callable[[], bool]:
    return lambda: not psutil.pid_exists(pid)
