"""Stripe as far as payments use it: its published objects, its idempotency, its events and faults.

Its objects begin as those of Stripe's own description (github.com/stripe/openapi, fixtures), its
answers and refusals are those that docs.stripe.com tells of.
"""

import hmac
import itertools
import json
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.contract.providers.stripe_faults import AFTER, BEFORE
from tests.threaded_server import ThreadedServer

OBJECTS = json.loads(Path(__file__).with_name("stripe_objects.json").read_text())
KEY = "sk_test_contract"
DECLINES = {  # Stripe's test tokens: code, decline code
    "pm_card_visa_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": ("card_declined", "lost_card"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", None),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", None),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", None),
}
SAVED = {"pm_saved": "cus_ada"}
METHODS = {"pm_card_visa", "pm_card_authenticationRequired", *DECLINES, *SAVED}
PARAMETERS = {
    "/v1/payment_intents": {
        *("amount", "currency", "payment_method", "payment_method_types", "capture_method"),
        *("confirm", "metadata", "customer", "off_session"),
    },
    "capture": {"amount_to_capture", "final_capture", "metadata"},
    "cancel": {"cancellation_reason"},
    "disputes": {"evidence", "submit"},
    "/v1/refunds": {"payment_intent", "amount", "metadata", "reason"},
}
Refused = tuple[int, dict[str, Any]]


class Refusal(Exception):
    """An error answer; `saved` under the key of its request."""

    def __init__(self, status: int, code: str | None, *, saved: bool = False, **more: Any) -> None:
        super().__init__(code)
        kind = more.pop("type", "invalid_request_error")
        self.status, self.saved = status, saved
        self.body = {"error": {"type": kind, "code": code, "message": "No.", **more}}


class StripeServer(ThreadedServer):
    """Stripe at `url`; use as a context manager. What it lists was done `age_s` ago."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.age_s = 0
        self.fee = 55
        self.settlement = ""  # currency of the balance, where it is another
        self.is_blind = False  # it shows nothing
        self.faults: list[str] = []  # each befalls one order
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str]]] = []
        self.intents: dict[str, dict[str, Any]] = {}
        self.charges: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.disputes: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.transactions: list[dict[str, Any]] = []
        self.saved: dict[str, tuple[Any, int, dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self.lock = threading.RLock()

    def post(self, path: str, fields: dict[str, str], key: str) -> Refused:
        """Carry out an order, or repeat the answer of its key."""
        if key in self.saved:
            earlier, status, body = self.saved[key]
            if earlier != (path, fields):
                raise Refusal(400, None, type="idempotency_error")
            return status, body
        try:
            status, body = 200, deepcopy(self._do(path, fields, key))
        except Refusal as refusal:
            if not refusal.saved:
                raise
            status, body = refusal.status, deepcopy(refusal.body)
        self.saved[key] = ((path, fields), status, body)
        return status, body

    def confirm(self, reference: str, outcome: str = "succeeded") -> None:
        """Have the customer confirm the intent of a payment, or fail to."""
        with self.lock:
            intent = self._of(reference)
            assert intent["status"] == "requires_action"
            intent["next_action"] = None
            if outcome == "succeeded":
                self._authorize(intent, key=None)
            else:
                self._fail(intent, ("payment_intent_authentication_failure", None), key=None)

    def lapse(self, reference: str) -> None:
        """End a hold, as banks do after a week."""
        with self.lock:
            self._cancel(self._of(reference), "automatic", key=None)

    def dispute(self, reference: str, status: str = "needs_response") -> dict[str, Any]:
        """Have a payment's customer dispute it; returns the event."""
        with self.lock:
            intent, dispute = self._of(reference), self._made("dispute", "dp")
            dispute |= {name: intent[name] for name in ("amount", "currency")}
            dispute |= {"payment_intent": intent["id"], "status": status, "reason": "fraudulent"}
            dispute["evidence_details"] = {"due_by": int(time.time()) + 20 * 86_400}
            movement = {"amount": -intent["amount"], "currency": intent["currency"], "fee": 1500}
            dispute["balance_transactions"] = [movement] if status == "needs_response" else []
            self.disputes[dispute["id"]] = dispute
            return self.tell("charge.dispute.created", dispute, None)

    def sent(self, event: dict[str, Any], secret: str, *, late_s: int = 0) -> tuple[bytes, str]:
        """Return an event as it is posted: body and Stripe-Signature."""
        body = json.dumps(event, indent=2).encode()
        stamp = int(time.time()) - late_s
        digest = hmac.digest(secret.encode(), f"{stamp}.".encode() + body, "sha256").hex()
        return body, f"t={stamp},v0={'0' * 64},v1={digest}"

    def shown(self, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        """Return what stands at a path."""
        if self.is_blind:
            raise Refusal(503, None, type="api_error")
        match path.split("/")[2:]:
            case ["payment_intents", "search"]:
                name, value = query["query"][0].removeprefix("metadata['").split("']:'")
                pairs = [e for e in self.intents.values() if e["metadata"].get(name) == value[:-1]]
                return {"object": "search_result", "data": pairs, "has_more": False}
            case ["payment_intents" | "disputes", id_] if id_ in {**self.intents, **self.disputes}:
                return {**self.intents, **self.disputes}[id_]
            case ["payment_methods", id_] if id_ in METHODS:
                return {"id": id_, "object": "payment_method", "customer": SAVED.get(id_)}
            case ["refunds"]:
                intent = query["payment_intent"][0]
                refunds = [e for e in self.refunds.values() if e["payment_intent"] == intent]
                return {"object": "list", "data": refunds, "has_more": False}
            case ["events"]:
                types = {value[0] for name, value in query.items() if name.startswith("types[")}
                return self._page([e for e in self.events if e["type"] in types], query)
            case ["balance_transactions"]:
                assert query["expand[0]"] == ["data.source"]
                sources = {**self.charges, **self.refunds}
                lines = [{**e, "source": sources[e["source"]]} for e in self.transactions]
                return self._page(lines, query)
        raise Refusal(404, "resource_missing", param="id")

    def _page(self, lines: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
        since, before = (int(query[f"created[{each}]"][0]) for each in ("gte", "lt"))
        newest = [each for each in reversed(lines) if since <= each["created"] < before]
        after = query.get("starting_after", [""])[0]
        if after:
            newest = newest[[each["id"] for each in newest].index(after) + 1 :]
        limit = int(query["limit"][0])
        assert limit <= 100
        return {"object": "list", "data": newest[:limit], "has_more": len(newest) > limit}

    def _do(self, path: str, fields: dict[str, str], key: str) -> dict[str, Any]:
        action = path.rpartition("/")[2]
        _check_parameters(path, fields)
        if path == "/v1/payment_intents":
            return self._charge(fields, key)
        if path.startswith("/v1/disputes/"):
            return self._answer_dispute(path, key)
        if path == "/v1/refunds":
            return self._refund(fields, key)
        intent = self.intents.get(path.split("/")[3])
        if intent is None:
            raise Refusal(404, "resource_missing", param="intent")
        if action == "capture":
            return self._capture(intent, int(fields["amount_to_capture"]), key)
        if intent["status"] in ("succeeded", "canceled", "processing"):
            raise Refusal(400, "payment_intent_unexpected_state", payment_intent=deepcopy(intent))
        return self._cancel(intent, None, key)

    def _charge(self, fields: dict[str, str], key: str) -> dict[str, Any]:
        method, amount = fields["payment_method"], int(fields["amount"])
        if method not in METHODS:
            raise Refusal(400, "resource_missing", param="payment_method")
        if fields.get("customer") != SAVED.get(method):
            raise Refusal(400, None, param="customer")
        if amount < 50:
            raise Refusal(400, "amount_too_small", param="amount")
        intent = self._made("payment_intent", "pi")
        intent |= {
            "amount": amount,
            "currency": fields["currency"],
            "capture_method": fields["capture_method"],
            "client_secret": f"{intent['id']}_secret_x",
            "payment_method": method,
            "metadata": _metadata(fields),
            **dict.fromkeys(("canceled_at", "last_payment_error", "next_action", "processing")),
        }
        self.intents[intent["id"]] = intent
        if method in DECLINES:
            self._fail(intent, DECLINES[method], key)
            error = intent["last_payment_error"]
            raise Refusal(402, saved=True, payment_intent=deepcopy(intent), **error)
        if method == "pm_card_authenticationRequired" and "off_session" in fields:
            self._fail(intent, ("authentication_required", "authentication_required"), key)
            error = intent["last_payment_error"]
            raise Refusal(402, saved=True, payment_intent=deepcopy(intent), **error)
        if method == "pm_card_authenticationRequired":
            intent["status"] = "requires_action"
            intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
            self.tell("payment_intent.requires_action", intent, key)
        else:
            self._authorize(intent, key)
        return intent

    def _authorize(self, intent: dict[str, Any], key: str | None) -> None:
        charge = self._made("charge", "ch")
        charge |= {name: intent[name] for name in ("amount", "currency", "metadata")}
        charge["payment_intent"] = intent["id"]
        intent["latest_charge"] = charge["id"]
        self.charges[charge["id"]] = charge
        if intent["capture_method"] == "automatic":
            self._settle(intent, intent["amount"], key)
        else:
            intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
            self.tell("payment_intent.amount_capturable_updated", intent, key)

    def _settle(self, intent: dict[str, Any], amount: int, key: str | None) -> None:
        intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
        charge = self.charges[intent["latest_charge"]]
        charge |= {"captured": True, "amount_captured": amount}
        self._move("charge", charge["id"], amount, intent["currency"], self.fee)
        self.tell("payment_intent.succeeded", intent, key)

    def _capture(self, intent: dict[str, Any], amount: int, key: str) -> dict[str, Any]:
        if intent["status"] != "requires_capture":
            raise Refusal(400, "payment_intent_unexpected_state", payment_intent=deepcopy(intent))
        if amount > intent["amount_capturable"]:
            raise Refusal(400, "amount_too_large", param="amount_to_capture")
        self._settle(intent, amount, key)
        return intent

    def _cancel(
        self, intent: dict[str, Any], reason: str | None, key: str | None
    ) -> dict[str, Any]:
        intent |= {"status": "canceled", "amount_capturable": 0, "next_action": None}
        intent["cancellation_reason"] = reason
        self.tell("payment_intent.canceled", intent, key)
        return intent

    def _fail(self, intent: dict[str, Any], codes: tuple[str, str | None], key: str | None) -> None:
        error = {"type": "card_error", "code": codes[0], "decline_code": codes[1]}
        intent |= {"status": "requires_payment_method", "last_payment_error": error}
        intent["latest_charge"] = "ch_of_the_failure"
        self.tell("payment_intent.payment_failed", intent, key)

    def _refund(self, fields: dict[str, str], key: str) -> dict[str, Any]:
        intent, amount = self.intents[fields["payment_intent"]], int(fields["amount"])
        charge = self.charges[intent["latest_charge"]]
        left = charge["amount_captured"] - charge["amount_refunded"]
        if left == 0:
            raise Refusal(400, "charge_already_refunded")
        if amount > left:
            raise Refusal(400, None, param="amount")
        charge["amount_refunded"] += amount
        refund = self._made("refund", "re")
        refund |= {
            "amount": amount,
            "currency": intent["currency"],
            "charge": charge["id"],
            "payment_intent": intent["id"],
            "metadata": _metadata(fields),
        }
        self.refunds[refund["id"]] = refund
        self._move("refund", refund["id"], -amount, intent["currency"], 0)
        self.tell("refund.created", refund, key)
        self.tell("charge.refunded", {**charge, "refunds": {"data": [refund]}}, key)
        return refund

    def _answer_dispute(self, path: str, key: str) -> dict[str, Any]:
        dispute = self.disputes[path.split("/")[3]]
        if dispute["status"] != "needs_response":
            raise Refusal(400, None)
        is_closed = path.endswith("/close")
        dispute["status"] = "lost" if is_closed else "under_review"
        self.tell(f"charge.dispute.{'closed' if is_closed else 'updated'}", dispute, key)
        return dispute

    def _move(self, kind: str, source: str, amount: int, currency: str, fee: int) -> None:
        transaction = self._made("balance_transaction", "txn")
        rate = 2 if self.settlement else 1
        transaction |= {"type": kind, "reporting_category": kind, "source": source, "fee": fee}
        transaction |= {"amount": rate * amount, "currency": self.settlement or currency}
        self.transactions.append(transaction)

    def tell(self, type: str, what: dict[str, Any], key: str | None) -> dict[str, Any]:
        """Note an event; `sent` posts it."""
        event = self._made("event", "evt")
        event |= {"type": type, "data": {"object": deepcopy(what)}}
        event["request"] = {"id": "req_1", "idempotency_key": key}
        self.events.append(event)
        return event

    def _made(self, kind: str, prefix: str) -> dict[str, Any]:
        made: dict[str, Any] = deepcopy(OBJECTS[kind])
        number, created = next(self._numbers), int(time.time()) - self.age_s
        return made | {"id": f"{prefix}_{number:08}", "created": created, "livemode": False}

    def _of(self, reference: str) -> dict[str, Any]:
        mine = [e for e in self.intents.values() if e["metadata"]["payment_id"] == reference]
        return mine[-1]


def _check_parameters(path: str, fields: dict[str, str]) -> None:
    last = path.rpartition("/")[2]
    known = PARAMETERS.get(path) or PARAMETERS.get(last) or PARAMETERS[path.split("/")[2]]
    for name in fields:
        if name.partition("[")[0] not in known:
            raise Refusal(400, "parameter_unknown", param=name)


def _metadata(fields: dict[str, str]) -> dict[str, str]:
    return {n[9:-1]: value for n, value in fields.items() if n.startswith("metadata[")}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: StripeServer

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["content-length"])).decode()
        fields, key = dict(parse_qsl(text)), self.headers["idempotency-key"]
        with self.server.lock:
            self.server.requests.append((self.path, key, fields, dict(self.headers)))
            is_replay = key in self.server.saved
            fault = self.server.faults.pop(0) if self.server.faults else ""
            if fault in BEFORE:
                return self._answer(*BEFORE[fault])
            self._try(lambda: self.server.post(self.path, fields, key), fault, is_replay=is_replay)
            return None

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        with self.server.lock:
            self.server.requests.append((self.path, "", {}, dict(self.headers)))
            query = parse_qs(parts.query)
            self._try(lambda: (200, self.server.shown(parts.path, query)), "")

    def _try(self, do: Callable[[], Refused], fault: str, *, is_replay: bool = False) -> None:
        if self.headers["authorization"] != f"Bearer {KEY}" or not self.headers["stripe-version"]:
            return self._answer(401, {"error": {"type": "invalid_request_error"}})
        try:
            status, body = do()
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        if fault == "lost":
            self.close_connection = True
            return None
        if fault:
            status, body = AFTER[fault](status, deepcopy(body))
        headers = {"Idempotent-Replayed": "true"} if is_replay else {}
        return self._answer(status, body, headers)

    def _answer(
        self, status: int, body: dict[str, Any] | str, headers: dict[str, str] | None = None
    ) -> None:
        encoded = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Request-Id": "req_1"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
