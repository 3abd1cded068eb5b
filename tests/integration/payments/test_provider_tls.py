"""The provider spoken to by TLS: only one whose certificate holds is told anything."""

import datetime
import ipaddress
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.integration.payments.conftest import VISA

PAYMENT = "/v1/payments/{payment_id}"


class Orders(BaseHTTPRequestHandler):
    """A provider that takes every order, and remembers its key."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.keys.append(self.headers["idempotency-key"])  # type: ignore[attr-defined]
        outcome = {"id": "ch_1", "status": "succeeded", "captured": True, **order}
        body = json.dumps(outcome).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1, signed by itself, with its key."""
    key, name = Ed25519PrivateKey.generate(), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, None)
    )
    path = tmp_path / "provider.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure(certificate):
    """A provider behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Orders) as server:
        server.keys = []  # type: ignore[attr-defined]
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # of refused handshakes
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _settings(secure, **others):
    url = f"https://127.0.0.1:{secure.server_port}"
    return {"PROVIDER_URL": url, "PROVIDER_TIMEOUT_MS": "1000", **others}


def test_a_provider_is_asked_by_tls(payments, asking, messages, secure, certificate):
    ask = asking(payments("app"))
    worker = payments("worker", **_settings(secure, SSL_CERT_FILE=str(certificate)))
    ids = [ask("POST", key=str(n), body=VISA).body["id"] for n in range(3)]

    for message in messages():
        assert worker.consume([message]) == []

    statuses = {ask("GET", PAYMENT, payment_id=each).body["status"] for each in ids}
    assert statuses == {"succeeded"}
    assert sorted(secure.keys) == sorted(f"{each}:charge" for each in ids)


def test_a_provider_whose_certificate_nobody_knows_is_told_nothing(
    payments, asking, messages, secure
):
    ask, worker = asking(payments("app")), payments("worker", **_settings(secure))
    payment_id = ask("POST", key="k", body=VISA).body["id"]
    batch = messages()

    assert worker.consume(batch) == [each.message_id for each in batch]

    assert ask("GET", PAYMENT, payment_id=payment_id).body["status"] == "processing"
    assert secure.keys == []


class Together(ThreadingHTTPServer):
    """A provider so far away that it greets nobody by TLS before three have come."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Orders)
        self.keys: list[str] = []
        self._context = context
        self._three = threading.Barrier(3)

    def finish_request(self, request: Any, client_address: Any) -> None:
        self._three.wait(10)
        with self._context.wrap_socket(request, server_side=True) as greeted:
            super().finish_request(greeted, client_address)


def test_connections_for_a_batch_are_opened_together(payments, asking, messages, certificate):
    ask = asking(payments("app"))
    for number in range(3):
        ask("POST", key=str(number), body=VISA)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Together(context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        worker = payments("worker", **_settings(server, SSL_CERT_FILE=str(certificate)))
        missed = worker.consume(messages())
        server.shutdown()
        thread.join()

    assert missed == []
