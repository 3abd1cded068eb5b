"""Webhooks as their receiver sees them: signed, repeated until they are accepted, with faults."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.conftest import wait_until
from tests.integration.outside.processes import Provider

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
WAITS = {"payment_method": "pm_card_authenticationRequired"}


class Receiver(ThreadingHTTPServer):
    """A receiver that answers each webhook with the next of `statuses`, or else 200."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    def events(self) -> list[tuple[str, str]]:
        """Return id and type of each, in the order in which they came."""
        bodies = [json.loads(body) for _, body in self.requests]
        return [(each["id"], each["type"]) for each in bodies]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((headers, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.01,))
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


@pytest.fixture
def provider(stopped: Provider, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setenv("PROVIDER_WEBHOOK_SECRET", SECRET)
    stopped.start("--webhook-url", receiver.url)
    return stopped


def _post(provider: Provider, path: str, **body: object) -> tuple[int, dict[str, object]]:
    sent = json.dumps(body).encode()
    return provider.request("POST", path, sent, content_type="application/json")[:2]


def _set(provider: Provider, **faults: object) -> None:
    provider.request("PUT", "/faults", json.dumps(faults).encode())


def _told(receiver: Receiver, count: int) -> list[tuple[str, str]]:
    wait_until(lambda: len(receiver.requests) >= count)
    return receiver.events()


def test_a_customer_who_confirms_makes_the_charge_succeed_and_both_are_told(provider, receiver):
    charge = provider.charge("k", **WAITS)[1]
    _told(receiver, 1)

    status, confirmed = _post(provider, "/confirmations", reference="pay_1")

    assert status == 200
    assert (confirmed["id"], confirmed["status"], confirmed["captured"]) == (
        charge["id"],
        "succeeded",
        True,
    )
    assert _told(receiver, 2) == [
        ("evt_000000000001", "charge.requires_action"),
        ("evt_000000000002", "charge.succeeded"),
    ]
    assert json.loads(receiver.requests[1][1])["data"] == confirmed
    kinds = [(each["kind"], each["status"]) for each in provider.get("/effects")[1]["effects"]]
    assert kinds == [("charge", "requires_action"), ("confirmation", "succeeded")]


def test_a_webhook_carries_the_signature_of_standard_webhooks(provider, receiver):
    provider.charge("k", **WAITS)
    _told(receiver, 1)

    headers, body = receiver.requests[0]

    assert Webhook(SECRET).verify(body, headers)["type"] == "charge.requires_action"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", headers)


def test_a_charge_that_needs_no_customer_is_told_of_only_when_asked(provider, receiver):
    provider.charge("k")
    provider.charge("k2", **WAITS)

    assert _told(receiver, 1) == [("evt_000000000002", "charge.requires_action")]
    assert _post(provider, "/webhooks", sequence=1) == (202, {"status": "sending"})
    assert _told(receiver, 2)[1] == ("evt_000000000001", "charge.succeeded")
    assert _post(provider, "/webhooks", sequence=3)[0] == 404


def test_a_charge_is_confirmed_once_and_a_repeat_of_it_is_answered_as_at_first(provider):
    first = provider.charge("k", **WAITS)
    assert _post(provider, "/confirmations", reference="pay_1", outcome="failed")[1][
        "decline_code"
    ] == ("authentication_failed")

    again = _post(provider, "/confirmations", reference="pay_1")

    assert (again[0], again[1]["code"]) == (404, "nothing_to_confirm")
    assert provider.charge("k", **WAITS)[:2] == first[:2]


def _move(provider: Provider, path: str, key: str, charge: str, amount: int) -> str:
    order = {"charge": charge, "amount": amount, "currency": "EUR", "reference": "pay_1"}
    headers = {"idempotency_key": key, "content_type": "application/json"}
    answer = provider.request("POST", path, json.dumps(order).encode(), **headers)[1]
    return str(answer["status"])


def test_what_a_customer_confirmed_can_be_captured_also_after_a_restart(provider):
    charge = provider.charge("k", capture=False, **WAITS)[1]["id"]
    assert _move(provider, "/captures", "c1", charge, 1234) == "failed"
    _post(provider, "/confirmations", reference="pay_1")
    provider.stop()
    provider.start()

    assert _move(provider, "/voids", "v", charge, 0) == "failed"
    assert _move(provider, "/captures", "c2", charge, 1234) == "succeeded"


def test_a_charge_that_was_given_up_is_confirmed_no_more(provider):
    charge = provider.charge("k", **WAITS)[1]["id"]

    assert _move(provider, "/voids", "v", charge, 0) == "succeeded"

    assert _post(provider, "/confirmations", reference="pay_1")[0] == 404


def test_a_webhook_that_is_not_taken_is_sent_again(provider, receiver):
    receiver.statuses = [500]

    provider.charge("k", **WAITS)

    assert _told(receiver, 2) == [("evt_000000000001", "charge.requires_action")] * 2


def test_webhooks_are_dropped_doubled_and_overtaken_as_told(provider, receiver):
    _set(provider, p_webhook_dropped=1)
    provider.charge("k1", **WAITS)
    _set(provider, p_webhook_duplicated=1, p_webhook_overtaken=1)
    provider.charge("k2", **WAITS)
    thrown = provider.get("/faults")[1]["thrown"]
    _set(provider)
    provider.charge("k3", **WAITS)

    ids = [event_id for event_id, _ in _told(receiver, 3)]

    assert thrown == {"webhook_duplicated": 1, "webhook_overtaken": 1}
    assert ids == [f"evt_{number:012}" for number in (2, 3, 2)]


def test_webhooks_without_a_secret_are_refused_at_the_start(stopped):
    process = stopped.spawn("--webhook-url", "http://127.0.0.1:9/hook")

    errors = process.communicate(timeout=10)[1]

    assert process.returncode == 2
    assert "PROVIDER_WEBHOOK_SECRET" in errors
