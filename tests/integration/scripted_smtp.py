"""An SMTP server that says what a test wants it to say, and counts connections and mails."""

import re
import socketserver
import threading
from collections.abc import Mapping
from typing import Any


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
        script: ScriptedSmtp = self.server.script  # type: ignore[attr-defined]
        script.connections += 1
        self._say("220 ready")
        taken, recipients = 0, 0
        while line := self.rfile.readline().decode().strip():
            match line.split(":")[0].upper():
                case "RCPT TO":
                    refusal = script.rcpt.get(line.partition("<")[2].rstrip(">"))
                    recipients += refusal is None
                    self._say(refusal or "250 ok")
                case "DATA" if not recipients:
                    self._say("503 no recipient")
                case "DATA":
                    self._say("354 go on")
                    script.mails.append(self._mail())
                    taken, recipients = taken + 1, 0
                    self._say("250 taken")
                    if taken == script.mails_a_connection:
                        return
                case command if command.startswith("EHLO"):
                    if script.offers_pipelining:
                        self._say("250-scripted\r\n250 PIPELINING")
                    else:
                        self._say("250 scripted")
                case _:
                    recipients = 0
                    self._say("250 ok")

    def _mail(self) -> bytes:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join(lines)

    def _say(self, text: str) -> Any:
        self.wfile.write(f"{text}\r\n".encode())
