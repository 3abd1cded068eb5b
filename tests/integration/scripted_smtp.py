"""An SMTP server that says what a test wants it to say, and counts connections and mails."""

import base64
import re
import socketserver
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path


class ScriptedSmtp:
    """A server on a port of its own; use as a context manager."""

    def __init__(
        self,
        *,
        rcpt: Mapping[str, str] | None = None,
        offers_pipelining: bool = True,
        mails_a_connection: int = 1_000,
        certificate: Path | None = None,
        scheme: str = "smtp",
        login: str = "",
    ) -> None:
        self.rcpt = rcpt or {}
        self.offers_pipelining = offers_pipelining
        self.mails_a_connection = mails_a_connection
        self.scheme = scheme  # smtps: encrypted from the first byte; smtp+starttls: when asked to
        self.login = login  # user:password that mails need
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate)
        self.connections = 0
        self.hung_up = 0
        self.logins = 0
        self.mails: list[bytes] = []

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            script = self

        self._server = Server(("127.0.0.1", 0), _Connection)
        self.port = self._server.server_address[1]
        self.url = f"{scheme}://{login}{'@' if login else ''}localhost:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "ScriptedSmtp":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def message_ids(self) -> list[str]:
        """Return the ids of the mails taken."""
        return [
            header[1].decode()
            for mail in self.mails
            if (header := re.search(rb"Message-ID: (\S+)", mail))
        ]


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.script: ScriptedSmtp = self.server.script  # type: ignore[attr-defined]
        self.has_access = not self.script.login
        try:
            if self.script.scheme == "smtps":
                self._encrypt()
            self._serve()
        except ssl.SSLError:
            return  # the client does not trust us

    def finish(self) -> None:
        try:
            super().finish()
            self.connection.close()  # the encrypted one: the server knows the plain one only
        except OSError:
            return
        finally:
            self.script.hung_up += 1

    def _can_encrypt(self) -> bool:
        return self.script.scheme == "smtp+starttls"

    def _encrypt(self) -> None:
        self.connection = self.script.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)

    def _serve(self) -> None:
        self.script.connections += 1
        self.mails_taken = 0
        self.recipients = 0
        self.is_open = False
        self._say("220 ready")
        while self.mails_taken < self.script.mails_a_connection:
            line = self.rfile.readline().decode().strip()
            if not line:
                return
            self._say(self._answer(line))
            if line == "STARTTLS" and self._can_encrypt():
                self._encrypt()

    def _answer(self, line: str) -> str:  # noqa: PLR0911  # one a command
        match line[:4].upper():
            case "EHLO":
                return "250-ok\r\n250 PIPELINING" if self.script.offers_pipelining else "250 ok"
            case "STAR":
                return "220 go on" if self._can_encrypt() else "502 5.5.1 not implemented"
            case "AUTH":
                return self._log_in(line)
            case "MAIL" if not self.has_access:
                return "530 5.7.0 log in"
            case "MAIL":
                was_open, self.is_open = self.is_open, True
                return "503 one mail at a time" if was_open else "250 ok"
            case "RCPT":
                refusal = self.script.rcpt.get(line.partition("<")[2].rstrip(">"))
                self.recipients += refusal is None
                return refusal or "250 ok"
            case "DATA":
                return self._take() if self.recipients else "503 no recipient"
            case _:
                self._reset()
                return "250 ok"

    def _log_in(self, line: str) -> str:
        self.script.logins += 1
        _, user, password = base64.b64decode(line.removeprefix("AUTH PLAIN ")).split(b"\0")
        self.has_access = f"{user.decode()}:{password.decode()}" == self.script.login
        return "235 welcome" if self.has_access else "535 5.7.8 wrong password"

    def _take(self) -> str:
        self._say("354 go on")
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.script.mails.append(b"".join(lines))
        self.mails_taken += 1
        self._reset()
        return "250 taken"

    def _reset(self) -> None:
        self.is_open, self.recipients = False, 0

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
