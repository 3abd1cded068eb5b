"""A server in this process that answers the Python client as a test wants it to."""

import http.server
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.integration.webhook_sink import Certificate


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True)
class Answer:
    """An answer; `length` is what its head says where that is not the body's own.

    After one that `ends` the server closes the connection without a word of it.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    ends: bool = False


HANG_UP = Answer(status=0)


@dataclass
class ScriptedApi:
    """A server on a loopback port; use as a context manager. The last answer is for ever.

    Tokens are answered apart: `token_1` at first, and each lives for `token_life_s`.
    """

    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    token_life_s: int = 3600
    certificate: Certificate | None = None  # of "localhost", for TLS
    requests: list[Seen] = field(default_factory=list)
    tokens: list[Seen] = field(default_factory=list)
    connections: int = 0
    ended: int = 0

    def __enter__(self) -> "ScriptedApi":
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.api = self
        if self.certificate is not None:
            self._server.socket = self.certificate.server_tls().wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        start = "http://127.0.0.1" if self.certificate is None else "https://localhost"
        return f"{start}:{self._server.server_address[1]}"

    def answer(self, request: Seen) -> Answer:
        if request.path == "/oauth2/token":
            self.tokens.append(request)
            name = f"token_{len(self.tokens)}"
            return Answer(
                body={"access_token": name, "expires_in": self.token_life_s, "scope": "all"}
            )
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Server(http.server.ThreadingHTTPServer):
    api: ScriptedApi

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.api.ended += 1


def _handler(api: ScriptedApi) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for its second packet

        def setup(self) -> None:
            super().setup()
            api.connections += 1

        def reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = api.answer(Seen(self.command, self.path, headers, body))
            self.close_connection = answer is HANG_UP or answer.ends or answer.length is not None
            if answer is HANG_UP:
                return
            raw = (
                answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            )
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(answer.length or len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = reply

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler
