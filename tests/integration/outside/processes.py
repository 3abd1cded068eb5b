"""The outside world's processes as its clients see them: started, called, stopped, killed."""

import http.client
import json
import signal
import smtplib
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.conftest import free_port, wait_until

ORDER = {
    "amount": 1234,
    "currency": "EUR",
    "payment_method": "pm_card_visa",
    "capture": True,
    "reference": "pay_1",
}


@dataclass
class OutsideProcess:
    """A process on a journal; may be started again. A context that kills it at its end."""

    program: ClassVar[str]

    journal: Path
    http_port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop(signal.SIGKILL)

    def start(self, *options: str) -> None:
        self.process = self.spawn(*options)
        wait_until(self.answers)

    def spawn(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", self.program, *self.ports()),
                *("--journal", str(self.journal), *options),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )

    def ports(self) -> list[str]:
        """Return the options that say where it listens."""
        return ["--port", str(self.http_port)]

    def fail_to_start(self) -> tuple[int, str]:
        process = self.spawn()
        try:
            errors = process.communicate(timeout=10)[1]
        finally:
            process.kill()
        return process.returncode, errors

    def answers(self) -> bool:
        try:
            return self.get("/health") == (200, {"status": "ok"})
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        process, self.process = self.process, None
        if process is None:
            return 0, ""
        process.send_signal(number)
        errors = process.communicate(timeout=10)[1]
        return process.returncode, errors

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            response = connection.getresponse()
            return response.status, json.loads(response.read()), response.headers
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, Any]:
        return self.request("GET", path)[:2]


@dataclass
class Provider(OutsideProcess):
    """The payment provider, called as a backend calls it."""

    program = "local.simulators.provider"

    def charge(self, key: str, **changes: object) -> tuple[int, Any, http.client.HTTPMessage]:
        body = json.dumps(ORDER | changes).encode()
        return self.request(
            "POST", "/charges", body, idempotency_key=key, content_type="application/json"
        )

    def charges(self, key: str = "") -> list[dict[str, Any]]:
        query = f"?idempotency_key={key}" if key else ""
        charges: list[dict[str, Any]] = self.get(f"/charges{query}")[1]["charges"]
        return charges


@dataclass
class Mailbox(OutsideProcess):
    """The mailbox, fed by SMTP and read by HTTP."""

    program = "local.simulators.mailbox"

    smtp_port: int = field(default_factory=free_port)

    def ports(self) -> list[str]:
        return ["--smtp-port", str(self.smtp_port), "--http-port", str(self.http_port)]

    def messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.get("/messages")[1]["messages"]
        return messages

    def raw(self, sequence: int) -> bytes:
        mail = self.get(f"/messages/{sequence}")[1]
        return bytes(mail["raw"], mail["charset"])

    def client(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.smtp_port, "client.example", timeout=10)

    def session(self, commands: bytes) -> list[bytes]:
        """Send everything at once, with a QUIT behind it; give the replies after EHLO's."""
        with socket.create_connection(("127.0.0.1", self.smtp_port), timeout=10) as client:
            client.sendall(b"EHLO client.example\r\n" + commands + b"QUIT\r\n")
            replies = b"".join(iter(lambda: client.recv(65536), b""))
        return replies.partition(b"250 SMTPUTF8\r\n")[2].splitlines()


def receipt(number: int = 1, text: str = "Thank you.\n") -> EmailMessage:
    """Return a mail to ada@example.com."""
    mail = EmailMessage()
    mail["From"] = "shop@spillway.example"
    mail["To"] = "ada@example.com"
    mail["Subject"] = "Your receipt"
    mail["Message-ID"] = f"<ntf_{number}@spillway.example>"
    mail.set_content(text)
    return mail
