"""The providers of the contract, each with the world around it: customers, network, webhooks."""

import base64
import itertools
import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from standardwebhooks import Webhook

from payments import provider
from payments.provider import Ask, ChargeOrder, MoneyOrder, Outcome, Path
from payments.providers.simulator import Simulator
from payments.providers.stripe import Stripe
from tests.contract.providers.stripe_server import KEY, StripeServer
from tests.integration.outside import processes

TIMEOUT_MS = 2_000
WAITS = "pm_card_authenticationRequired"
SIMULATOR_SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()
STRIPE_SECRETS = ("whsec_new", "whsec_old")
_numbers = itertools.count(1)
_run = os.urandom(4).hex()


def reference() -> str:
    """Return the id of a payment that no test has had."""
    return f"pay_{_run}{next(_numbers):06}"


def charge(reference: str, *, method: str = "pm_card_visa", capture: bool = True) -> Ask:
    """Return the order of a charge of 10 euros."""
    order = ChargeOrder(
        amount=1000,
        currency="EUR",
        payment_method=method,
        capture=capture,
        reference=reference,
    )
    return Ask(key=f"{reference}:charge", path="/charges", order=order, tenant="demo")


def then(charge_id: str, reference: str, path: Path, amount: int, key: str = "") -> Ask:
    """Return an order of something that is done to a charge."""
    prefix = {"/captures": "cap_", "/voids": "can_", "/refunds": "re_"}[path]
    order = MoneyOrder(charge=charge_id, amount=amount, currency="EUR", reference=reference)
    key = key or f"{prefix}{_run}{next(_numbers):06}"
    return Ask(key=key, path=path, order=order, tenant="demo")


def done(place: "Place", ask: Ask) -> Any:
    """Give one order; returns its definitive answer, or None."""
    return place.provider.ask_all([ask]).get(ask.key)


class Place(Protocol):
    """One provider."""

    provider: provider.Provider

    def confirm(self, reference: str, outcome: str = "succeeded") -> None:
        """Have the customer act on a charge that waits."""

    def webhook(self, reference: str, *, late_s: int = 0) -> tuple[bytes, Mapping[str, str]]:
        """Return the last webhook about a payment."""

    def befall(self, fault: str) -> None:
        """Have a fault befall the next order alone: lost, limited or failed."""

    def effects(self, reference: str) -> list[str]:
        """Return what its own record has of a payment, for certain."""


class OnSimulator:
    """The simulator in its process."""

    def __init__(self, process: processes.Provider) -> None:
        self._process = process
        url = f"http://127.0.0.1:{process.http_port}"
        self.provider: provider.Provider = Simulator(
            url, timeout_ms=TIMEOUT_MS, webhook_secret=SIMULATOR_SECRET
        )
        self._fault("")

    def confirm(self, reference: str, outcome: str = "succeeded") -> None:
        body = json.dumps({"reference": reference, "outcome": outcome}).encode()
        assert self._process.request("POST", "/confirmations", body)[0] == 200

    def webhook(self, reference: str, *, late_s: int = 0) -> tuple[bytes, Mapping[str, str]]:
        effect = self._lines(reference)[-1]
        data = effect | ({"id": effect["charge"]} if effect["kind"] == "confirmation" else {})
        kind = "charge" if effect["kind"] == "confirmation" else effect["kind"]
        content = {"id": "evt_1", "type": f"{kind}.{effect['status']}", "data": data}
        body = json.dumps(content)
        stamp = datetime.fromtimestamp(int(time.time()) - late_s, UTC)
        headers = {
            "webhook-id": "evt_1",
            "webhook-timestamp": str(int(stamp.timestamp())),
            "webhook-signature": Webhook(SIMULATOR_SECRET).sign("evt_1", stamp, body),
        }
        return body.encode(), headers

    def befall(self, fault: str) -> None:
        self._fault(fault)
        ask_all = self.provider.ask_all

        def once(asks: Any) -> dict[str, Outcome]:
            outcomes = ask_all(asks)
            self._fault("")
            self.provider.ask_all = ask_all  # type: ignore[method-assign]
            return outcomes

        self.provider.ask_all = once  # type: ignore[method-assign]

    def effects(self, reference: str) -> list[str]:
        return [each["kind"] for each in self._lines(reference) if each["status"] == "succeeded"]

    def _lines(self, reference: str) -> list[dict[str, Any]]:
        lines = self._process.get("/effects")[1]["effects"]
        return [each for each in lines if each["reference"] == reference]

    def _fault(self, fault: str) -> None:
        names = {"lost": "p_lost", "limited": "p_429", "failed": "p_5xx"}
        body = json.dumps({names[fault]: 1} if fault else {}).encode()
        assert self._process.request("PUT", "/faults", body)[0] == 200


class OnStripe:
    """The server of these tests that behaves as Stripe does."""

    def __init__(self, server: StripeServer) -> None:
        self.server = server
        server.faults.clear()
        server.age_s, server.settlement = 0, ""
        self.provider: provider.Provider = Stripe(
            server.url, key=KEY, secrets=STRIPE_SECRETS, is_live=False, timeout_ms=TIMEOUT_MS
        )

    def confirm(self, reference: str, outcome: str = "succeeded") -> None:
        self.server.confirm(reference, outcome)

    def webhook(self, reference: str, *, late_s: int = 0) -> tuple[bytes, Mapping[str, str]]:
        mine = [e for e in self.server.events if _is_about(e["data"]["object"], reference)]
        body, signature = self.server.sent(mine[-1], STRIPE_SECRETS[0], late_s=late_s)
        return body, {"stripe-signature": signature}

    def last_event(self, type: str) -> dict[str, Any]:
        """Return the last event of a type."""
        return next(each for each in reversed(self.server.events) if each["type"] == type)

    def hear(
        self,
        event: dict[str, Any],
        secret: str = STRIPE_SECRETS[0],
        by: provider.Provider | None = None,
    ) -> Sequence[provider.Word]:
        """Return what an event tells, signed with a secret."""
        body, signature = self.server.sent(event, secret)
        headers = {"stripe-signature": signature}
        return (by or self.provider).hear(body, headers, now_s=time.time())

    def befall(self, fault: str) -> None:
        self.server.faults.append(fault)

    def effects(self, reference: str) -> list[str]:
        kinds = {"payment_intent.succeeded": "charge", "refund.created": "refund"}
        kinds["payment_intent.canceled"] = "void"
        kinds["payment_intent.amount_capturable_updated"] = "charge"
        return [
            "capture" if str(event["request"]["idempotency_key"]).startswith("cap_") else kind
            for event in self.server.events
            if (kind := kinds.get(event["type"])) and _is_about(event["data"]["object"], reference)
        ]


class OnStripeItself:
    """Stripe's test mode, or another server at its address."""

    def __init__(self, url: str, key: str) -> None:
        self.provider: provider.Provider = Stripe(
            url, key=key, secrets=(), is_live=False, timeout_ms=10_000
        )

    def effects(self, reference: str) -> list[str]:
        lines: list[provider.Effect] = []
        after = int(time.time() - 600) * 10_000
        while page := self.provider.effects(after):
            lines += page
            after = page[-1].sequence
        kinds = [e.kind for e in lines if e.reference == reference and e.status == "succeeded"]
        return [each for each in kinds if each != "fee"]

    def confirm(self, reference: str, outcome: str = "succeeded") -> None:
        raise NotImplementedError

    def webhook(self, reference: str, *, late_s: int = 0) -> tuple[bytes, Mapping[str, str]]:
        raise NotImplementedError

    def befall(self, fault: str) -> None:
        raise NotImplementedError


def _is_about(what: dict[str, Any], reference: str) -> bool:
    return bool(what.get("metadata", {}).get("payment_id") == reference)
