"""The Lambda Runtime API: what a runtime client asks that serves one environment (2.22).

Here is HTTP only; who asks, and what becomes of the answers, is in `runtime_client`.
"""

import json
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any, NamedTuple

from local.runtime.captured_output import STDOUT_MAX_BYTES
from local.runtime.environment import RESULT_MAX_BYTES

ROOT = "/2018-06-01/runtime"
BODY_MAX_BYTES = RESULT_MAX_BYTES + STDOUT_MAX_BYTES  # an error's trace may be as long as a log
_ENDED = re.compile(rf"{ROOT}/invocation/([^/]+)/(response|error)")


class ClientStep(NamedTuple):
    """The step that a client has ended: it is "ready" for the next event, has a "response" or an
    "error" for the one in hand, or an "init-error"; or it has "exited"."""

    how: str
    body: bytes


class RuntimeApi(ThreadingHTTPServer):
    """The server on loopback for the client of one environment; `said` gets what it says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.endings: Queue[ClientStep] = Queue()
        self._events: Queue[tuple[bytes, Mapping[str, str]]] = Queue()
        self._request_id = ""  # of the event in hand

    @property
    def address(self) -> str:
        """Return the value of AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self.server_port}"

    def hand_over(self, event: bytes, headers: Mapping[str, str]) -> None:
        """Give the client that asks next an event, or the one that has asked."""
        self._request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self._events.put((event, headers))

    def next(self) -> tuple[bytes, Mapping[str, str]]:
        """Wait for the next event, for ever as AWS does."""
        self.endings.put(ClientStep("ready", b""))
        return self._events.get()

    def take(self, request_id: str, how: str, body: bytes) -> bool:
        """Take the end of the event in hand; False where that is another, or has ended."""
        if request_id != self._request_id:
            return False
        self._request_id = ""
        self.endings.put(ClientStep(how, body))
        return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a runtime that is killed in the middle of a request."""


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RuntimeApi

    def do_GET(self) -> None:
        if self.path != f"{ROOT}/invocation/next":
            self._reply(404, {"errorType": "NotFound", "errorMessage": self.path})
            return
        event, headers = self.server.next()
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True
            sentence = "streamed responses are not emulated; send a Content-Length"
            self._reply(411, {"errorType": "LengthRequired", "errorMessage": sentence})
            return
        body = self.rfile.read(min(int(length), BODY_MAX_BYTES))
        self.close_connection = int(length) > BODY_MAX_BYTES
        match = _ENDED.fullmatch(self.path)
        if self.path == f"{ROOT}/init/error":
            self.server.endings.put(ClientStep("init-error", body))
        elif match is None or not self.server.take(match[1], match[2], body):
            self._reply(
                400, {"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"}
            )
            return
        if len(body) > RESULT_MAX_BYTES:
            sentence = f"Exceeded maximum allowed payload size ({RESULT_MAX_BYTES} bytes)."
            self._reply(413, {"errorType": "RequestEntityTooLarge", "errorMessage": sentence})
        else:
            self._reply(202, {"status": "OK"})

    def _reply(self, status: int, answer: Mapping[str, str]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: an access log of one's own runtime is noise."""
