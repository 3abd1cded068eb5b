"""Answers of a shape that nobody knows: each provider's order stays asked for, and it is logged."""

from http.server import BaseHTTPRequestHandler

import pytest

from backend.errors import ProviderUnavailable
from payments.provider import Provider
from payments.providers.simulator import Simulator
from payments.providers.stripe import Stripe
from tests.contract.providers.places import charge, reference
from tests.contract.providers.stripe_server import KEY
from tests.threaded_server import ThreadedServer

OF_ANOTHER = b'{"id":"x","reference":"pay_0","status":"succeeded","amount":1,"currency":"EUR"}'
ODD = {
    "no json": b"<html>",
    "no text": b'{"id":"\xff"}',
    "nothing": b"",
    "a list": b"[]",
    "deep": b'{"latest_charge":' + b"[" * 100_000,
    "of another": OF_ANOTHER,
}


class OddServer(ThreadedServer):
    """A server that answers everything with these bytes."""

    body = b""


class _Handler(BaseHTTPRequestHandler):
    server: OddServer

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server():
    with OddServer(_Handler) as server:
        yield server


def provider_of(name: str, url: str) -> Provider:
    if name == "simulator":
        return Simulator(url, timeout_ms=2_000, webhook_secret="")
    return Stripe(url, key=KEY, secrets=(), is_live=False, timeout_ms=2_000)


@pytest.mark.parametrize("name", ["simulator", "stripe"])
@pytest.mark.parametrize("odd", ODD)
def test_an_answer_that_nobody_understands_says_nothing_and_is_logged(server, caplog, name, odd):
    server.body = ODD[odd]
    provider = provider_of(name, server.url)

    assert provider.ask_all([charge(reference())]) == {}
    assert "unknown shape" in caplog.text or "another order" in caplog.text
    with pytest.raises(ProviderUnavailable):
        provider.effects(0)
