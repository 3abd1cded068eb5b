"""Stripe's events, as its webhooks bring them and its record lists them, and what they answer.

An event bears the Idempotency-Key of the request that caused it: ours, or of a customer's page.
"""

import hashlib
import hmac
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from backend import strict_json
from backend.errors import Unauthorized
from backend.telemetry import logger
from payments.asks import LAPSE
from payments.provider import Answer, EffectKind, Outcome
from payments.providers.connections import Undecided
from payments.providers.stripe_objects import OPERATION, PAYMENT, Intent, Refund

TOLERANCE_S = 300  # either way, as Stripe's libraries have it
SIGNATURES_MAX = 10  # a few while a secret is rotated
OF_INTENTS = (
    *("payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled"),
    *("payment_intent.requires_action", "payment_intent.amount_capturable_updated"),
)
OF_REFUNDS = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
CLOSE = ":close"  # ends the key by which an intent is given up whose confirmation failed
KINDS: Mapping[str, EffectKind] = {
    "cap": "capture",
    "can": "void",
    "re": "refund",
    "ev": "evidence",
    "acc": "acceptance",
}


class Content(Struct, frozen=True):
    """The `data` of an event."""

    object: dict[str, Any]


class Refunds(Struct, frozen=True):
    """The refunds of a charge, as far as it shows them."""

    data: list[Refund] = []


class Charge(Struct, frozen=True):
    """A charge, of which only its refunds are read."""

    refunds: Refunds | None = None


class Event(Struct, frozen=True):
    """Something that happened to one of Stripe's objects, with the object as it was then."""

    id: str
    type: str
    created: int  # s
    livemode: bool
    data: Content
    account: str | None = None  # of another, where one is connected to ours
    request: Any = None

    @property
    def key(self) -> str:
        """The key of the request that caused it."""
        key = self.request.get("idempotency_key") if isinstance(self.request, dict) else None
        return key or ""

    def answers(self) -> list[Answer]:
        """Return what it answers; nothing where it is about no order of ours."""
        try:
            if self.type in OF_INTENTS:
                return self._of_intent(msgspec.convert(self.data.object, Intent))
            if self.type in OF_REFUNDS:
                return _of_refunds([msgspec.convert(self.data.object, Refund)])
            if self.type == "charge.refunded":
                refunds = msgspec.convert(self.data.object, Charge).refunds
                return _of_refunds(refunds.data if refunds else [])
        except msgspec.ValidationError:
            logger.error("Stripe's event has an unknown shape", extra={"event": self.id})
        return []

    def leaves_open(self, answer: Answer) -> bool:
        """Tell whether the customer, whose confirmation failed, could still succeed."""
        is_failure = self.type == "payment_intent.payment_failed"
        return is_failure and self.key != answer.key

    def kind_of(self, answer: Answer) -> EffectKind:
        """Return what was done to the charge, or to nothing yet."""
        if answer.key.endswith(LAPSE):
            return "lapse"
        kind = KINDS.get(answer.key.partition("_")[0])
        return kind or ("charge" if self.key == answer.key else "confirmation")

    def _of_intent(self, intent: Intent) -> list[Answer]:
        if not (intent.metadata.get(PAYMENT) and intent.metadata.get(OPERATION)):
            return []
        key, outcome = intent.metadata[OPERATION], intent.of_charge()
        if self.key.endswith(CLOSE):
            return []
        if self.key.startswith("cap_"):
            key, outcome = self.key, intent.of_capture(intent.amount_received)
        elif self.type == "payment_intent.canceled":
            amount_held = intent.amount if intent.latest_charge else 0
            if self.key.startswith("can_"):
                key, outcome = self.key, intent.of_void(amount_held)
            elif amount_held:  # nobody asked for the end of the hold
                key, outcome = f"{intent.metadata[PAYMENT]}{LAPSE}", intent.of_void(amount_held)
        return _decided(key, outcome)


def heard(
    body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str], now_s: float
) -> Event:
    """Return the event of a webhook; raises Unauthorized unless Stripe signed it just now."""
    fields = [each.partition("=") for each in headers.get("stripe-signature", "").split(",")]
    stamp = next((value for name, _, value in fields if name.strip() == "t"), "")
    signatures = [value for name, _, value in fields if name.strip() == "v1"][:SIGNATURES_MAX]
    if not (secrets and stamp.isascii() and stamp.isdigit() and len(stamp) < 15):
        raise _refusal("Send Stripe-Signature with t and v1.")
    if abs(now_s - int(stamp)) > TOLERANCE_S:
        raise _refusal(f"The time of Stripe-Signature is over {TOLERANCE_S} s away from our clock.")
    signed = f"{stamp}.".encode() + body
    digests = [hmac.new(each.encode(), signed, hashlib.sha256).hexdigest() for each in secrets]
    pairs = itertools.product(signatures, digests)
    if not any(hmac.compare_digest(one.encode(), other.encode()) for one, other in pairs):
        raise _refusal("No v1 of Stripe-Signature is made with a secret of ours over this body.")
    return strict_json.parse(body, Event)


def _of_refunds(refunds: Sequence[Refund]) -> list[Answer]:
    answers: list[Answer] = []
    for refund in refunds:
        if refund.key:
            answers += _decided(refund.key, refund.outcome())
    return answers


def _decided(key: str, outcome: Outcome | Undecided) -> list[Answer]:
    return [] if outcome == "undecided" else [Answer(key=key, outcome=outcome)]


def _refusal(detail: str) -> Unauthorized:
    return Unauthorized(detail, code="webhook_signature_invalid")
