"""A gateway in a process of its own, and stand-in environments that speak frames to it."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local.runtime.frames import Connection, dial, encode
from tests.conftest import free_port, wait_until

ROOT = Path(__file__).parents[2]
Handler = Callable[[dict[str, Any]], dict[str, Any]]


class GatewayProcess:
    """`python -m local.gateway` on free ports; use as a context manager."""

    def __init__(
        self, folder: Path, template: str, *options: str, variables: Mapping[str, str] = os.environ
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.port, self.console_port, self.invoke_port = free_port(), free_port(), free_port()
        self.otlp_port = free_port()
        (folder / "functions").mkdir(exist_ok=True)
        self.template = folder / "template.yaml"
        self.template.write_text(template)
        self.command = [
            *(sys.executable, "-m", "local.server", "--template", str(self.template)),
            *("--state", str(self.state), "--port", str(self.port)),
            *("--console-port", str(self.console_port)),
            *("--invoke-port", str(self.invoke_port), "--otlp-port", str(self.otlp_port), *options),
        ]
        self.variables = variables
        self.process: subprocess.Popen[bytes] | None = None
        self.environments: list[StandIn] = []

    def __enter__(self) -> "GatewayProcess":
        with (self.folder / "stderr").open("w") as stderr:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, stderr=stderr, env=dict(self.variables)
            )
        try:
            wait_until(self._is_listening)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End the gateway at once, and the environments with it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=10)
        for environment in self.environments:
            environment.join(timeout=10)

    def terminate(self) -> None:
        """Ask the gateway to end, as a supervisor does."""
        assert self.process is not None
        self.process.terminate()

    def exit_code(self) -> int:
        """Return the exit code of a gateway that ends by itself."""
        assert self.process is not None
        return self.process.wait(timeout=5)

    def _is_listening(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "stderr").read_text()
        return "listening" in (self.folder / "stderr").read_text()

    def environment(self, function: str, handler: Handler) -> "StandIn":
        """Dial an environment in that answers every event with the frame of `handler`."""
        stand_in = StandIn(f"unix:{self.state}/run/gateway.sock", function, handler)
        before = self.metric(f'gateway_cold_starts_total{{function="{function}"}}')
        stand_in.start()
        self.environments.append(stand_in)
        wait_until(
            lambda: self.metric(f'gateway_cold_starts_total{{function="{function}"}}') > before
        )
        return stand_in

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
    ) -> "Answer":
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def raw(self, data: bytes, timeout_s: float = 10) -> bytes:
        """Return all that comes back for `data` until the gateway closes or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as client:
            client.sendall(data)
            return read_all(client)

    def metrics(self) -> str:
        return self.console("/metrics").decode()

    def console(self, path: str) -> bytes:
        """Return what the console answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.console_port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """Return the value of one series, 0 where it does not stand."""
        for line in self.metrics().splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0


class Answer:
    """A response, read to its end."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class StandIn(threading.Thread):
    """An execution environment for tests: hello, then a frame for every event."""

    def __init__(self, address: str, function: str, handler: Handler) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._function = function
        self._handler = handler
        self.frames: list[dict[str, Any]] = []
        self.connection: Connection | None = None

    @property
    def events(self) -> list[dict[str, Any]]:
        return [frame["event"] for frame in self.frames]

    def run(self) -> None:
        self.connection = dial(self._address)
        self.connection.send(
            encode(
                {"hello": 1, "function": self._function, "machine": "m1", "pid": 1, "init_ms": 1}
            )
        )
        try:
            self._serve(self.connection)
        except OSError:
            return
        finally:
            self.connection.close()

    def _serve(self, connection: Connection) -> None:
        while (frame := connection.receive()) is not None:
            self.frames.append(frame)
            answer = self._handler(frame)
            if answer.get("die"):
                return
            connection.send(encode({"id": frame["id"], "stdout": "", **answer}))


def returns(result: Any, **more: Any) -> Handler:
    """Return a handler that always returns the same."""
    return lambda frame: {"result": result, **more}


def ok(frame: dict[str, Any]) -> dict[str, Any]:
    """Return a handler that returns the event it was given."""
    return {"result": {"statusCode": 200, "body": json.dumps(frame["event"])}}


def read_all(client: socket.socket) -> bytes:
    """Return what comes until the peer closes."""
    chunks = []
    while chunk := client.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def read_response(client: socket.socket) -> tuple[bytes, bytes]:
    """Return head and body of exactly one response."""
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        chunk = client.recv(1)
        assert chunk, f"closed after {buffer!r}"
        buffer += chunk
    head = buffer.partition(b"\r\n\r\n")[0]
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = b""
    while len(body) < length:
        body += client.recv(length - len(body))
    return head, body


def start(gateway: GatewayProcess, path: str) -> socket.socket:
    """Send a request and do not wait for its answer."""
    client = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return client


def finish(client: socket.socket) -> int:
    """Return the status of the answer to a request that was started."""
    with client:
        head, _ = read_response(client)
        return int(head.split(b" ", 2)[1])


def in_parallel(gateway: GatewayProcess, path: str, count: int) -> list[int]:
    return [finish(client) for client in [start(gateway, path) for _ in range(count)]]
