"""A server that hangs up a moment after each answer, though it did not say so."""

import threading
from http.server import BaseHTTPRequestHandler

from tests.threaded_server import ThreadedServer

KEPT_S = 0.05  # so long a connection waits for another request


class HangingUp(ThreadedServer):
    """Answers every request with `body`; use as a context manager."""

    def __init__(self, body: bytes = b"") -> None:
        super().__init__(_Handler)
        self.body = body
        self.paths: list[str] = []
        self.hung_up = threading.Event()

    def shutdown_request(self, request: object) -> None:
        super().shutdown_request(request)  # type: ignore[arg-type]  # a socket, of TCP
        self.hung_up.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = KEPT_S
    server: HangingUp

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing, which keeps the tests' output clean."""
