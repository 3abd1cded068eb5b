"""A receiver of webhooks that answers what a test wants it to, and keeps what it was sent."""

import contextlib
import datetime
import http.server
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Delivery:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    server_name: str | None  # of the TLS handshake


@dataclass(frozen=True)
class Drip:
    """An answer that never ends: one byte of a head in each of these periods."""

    every_s: float


Scripted = int | tuple[int, Mapping[str, str]] | bytes | Drip


@dataclass
class WebhookSink:
    """A server on a loopback port of its own; use as a context manager.

    Each answer is a status, a status with headers, raw bytes or a Drip; the last is for ever.
    """

    answers: list[Scripted] = field(default_factory=lambda: [204])
    certificate: "Certificate | None" = None
    deliveries: list[Delivery] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "WebhookSink":
        self.may_answer.set()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if self.certificate is not None:
            self._server.socket = self.certificate.server_tls().wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    def take(self, delivery: Delivery) -> Scripted:
        self.deliveries.append(delivery)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Certificate:
    """A certificate for one name, signed by itself; its files are in `folder`."""

    def __init__(self, name: str, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self._path = folder / f"{name}.pem"
        pem = serialization.Encoding.PEM
        private = serialization.PrivateFormat.PKCS8
        self._path.write_bytes(
            key.private_bytes(pem, private, serialization.NoEncryption()) + made.public_bytes(pem)
        )

    def server_tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._path)
        context.sni_callback = lambda connection, name, _: setattr(connection, "asked_name", name)
        return context

    def client_tls(self) -> ssl.SSLContext:
        """Return a client that trusts this certificate alone."""
        return ssl.create_default_context(cafile=self._path)


def _handler(sink: WebhookSink) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server_name = getattr(self.connection, "asked_name", None)
            answer = sink.take(Delivery(self.path, headers, body, server_name))
            sink.may_answer.wait(timeout=10)
            if isinstance(answer, bytes):
                self.wfile.write(answer)
                return
            if isinstance(answer, Drip):
                self._drip(answer.every_s)
                return
            status, extra = (answer, {}) if isinstance(answer, int) else answer
            self.send_response(status)
            for name, value in {"Content-Length": "0", **extra}.items():
                self.send_header(name, value)
            self.end_headers()

        def _drip(self, every_s: float) -> None:
            with contextlib.suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                while not sink.ended.wait(every_s):
                    self.wfile.write(b"a")

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler
