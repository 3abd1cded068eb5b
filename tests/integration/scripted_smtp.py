"""An SMTP server that says what a test wants it to say, and counts connections and mails."""

import re
import socketserver
import threading
from collections.abc import Mapping


class ScriptedSmtp:
    """Listens on a port of its own; use as a context manager."""

    def __init__(
        self,
        *,
        rcpt: Mapping[str, str] | None = None,
        offers_pipelining: bool = True,
        mails_a_connection: int = 1_000,
    ) -> None:
        self.rcpt = rcpt or {}
        self.offers_pipelining = offers_pipelining
        self.mails_a_connection = mails_a_connection
        self.connections = 0
        self.mails: list[bytes] = []

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            script = self

        self._server = Server(("127.0.0.1", 0), _Connection)
        self.url = f"smtp://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "ScriptedSmtp":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def message_ids(self) -> list[str]:
        """Of the mails taken."""
        return [
            found[1].decode()
            for mail in self.mails
            if (found := re.search(rb"Message-ID: (\S+)", mail))
        ]


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.script: ScriptedSmtp = self.server.script  # type: ignore[attr-defined]
        self.script.connections += 1
        self.taken = 0
        self.recipients = 0
        self.is_open = False
        self._say("220 ready")
        while self.taken < self.script.mails_a_connection:
            line = self.rfile.readline().decode().strip()
            if not line:
                return
            self._say(self._answer(line))

    def _answer(self, line: str) -> str:
        match line[:4].upper():
            case "EHLO":
                return "250-ok\r\n250 PIPELINING" if self.script.offers_pipelining else "250 ok"
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

    def _take(self) -> str:
        self._say("354 go on")
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.script.mails.append(b"".join(lines))
        self.taken += 1
        self._reset()
        return "250 taken"

    def _reset(self) -> None:
        self.is_open, self.recipients = False, 0

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
