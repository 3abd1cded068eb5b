"""Stripe's objects as far as they are read, and what each says of an order of ours.

Every object of ours bears the payment's id, its tenant and the key of its order as metadata. A
status that nobody knows says nothing: it is "undecided", never "failed".
"""

from typing import Any

from msgspec import Struct

from payments.provider import NextAction, Outcome
from payments.providers.connections import Undecided

PAYMENT = "payment_id"  # names of metadata
TENANT = "tenant"
OPERATION = "operation"

# Stripe's codes as ours. That a card is stolen or looks like fraud is not to be told to whoever
# holds it (https://docs.stripe.com/declines/codes), so all others are a generic decline.
DECLINES = {
    "insufficient_funds": "insufficient_funds",
    "card_velocity_exceeded": "insufficient_funds",  # the balance, or a limit of the card
    "withdrawal_count_limit_exceeded": "insufficient_funds",
    "expired_card": "expired_card",
    "processing_error": "processing_error",
    "issuer_not_available": "processing_error",
    "reenter_transaction": "processing_error",
    "try_again_later": "processing_error",
    "incorrect_cvc": "incorrect_cvc",
    "invalid_cvc": "incorrect_cvc",
    "authentication_required": "authentication_required",
    "mobile_device_authentication_required": "authentication_required",
    "authentication_not_handled": "authentication_failed",
    "payment_intent_authentication_failure": "authentication_failed",
    "amount_too_small": "amount_not_possible",
    "amount_too_large": "amount_not_possible",
    "invalid_amount": "amount_not_possible",
    "resource_missing": "payment_method_unknown",
    "payment_method_unactivated": "payment_method_unknown",
}


class Failure(Struct, frozen=True):
    """The reason why something was refused."""

    type: str = ""
    code: str | None = None
    decline_code: str | None = None
    param: str | None = None
    payment_intent: "Intent | None" = None

    def ours(self) -> str:
        """Return our code of the reason."""
        codes = (self.decline_code, self.code)
        return next((DECLINES[each] for each in codes if each in DECLINES), "generic_decline")


class Redirect(Struct, frozen=True):
    """A page to which the customer is sent."""

    url: str | None = None


class Step(Struct, frozen=True):
    """The `next_action` of an intent."""

    type: str
    redirect_to_url: Redirect | None = None


class Intent(Struct, frozen=True):
    """A PaymentIntent: the charge of one payment of ours, and its capture."""

    id: str
    amount: int
    currency: str
    status: str
    metadata: dict[str, str]
    livemode: bool
    amount_received: int = 0
    client_secret: str | None = None
    next_action: Step | None = None
    last_payment_error: Failure | None = None
    latest_charge: Any = None  # its id, or all of it

    def of_charge(self, failure: Failure | None = None) -> Outcome | Undecided:
        """Return how its charge ended."""
        captured = self.status == "succeeded"
        if captured and self.amount_received not in (0, self.amount):
            return "undecided"  # a part was captured, and not by this order
        match self.status:
            case "succeeded" | "requires_capture":
                return self._outcome("succeeded", captured=captured)
            case "requires_action":
                return self._outcome("requires_action", next_action=self._step())
            case "requires_payment_method" | "canceled":
                reason = failure or self.last_payment_error or Failure()
                return self._outcome("failed", decline_code=reason.ours())
        return "undecided"

    def of_capture(self, amount: int) -> Outcome | Undecided:
        """Return how a capture of `amount` ended; a part of the hold is the end of the rest."""
        if self.status != "succeeded":
            return "undecided"
        captured = self.amount_received or amount
        return self._outcome("succeeded", amount=captured, released=self.amount - captured)

    def of_void(self, amount: int) -> Outcome | Undecided:
        """Return how a void of `amount` ended."""
        if self.status != "canceled":
            return "undecided"
        return self._outcome("succeeded", amount=amount)

    def _outcome(self, status: Any, *, amount: int | None = None, **fields: Any) -> Outcome:
        return Outcome(
            id=self.id,
            reference=self.metadata.get(PAYMENT, ""),
            status=status,
            amount=self.amount if amount is None else amount,
            currency=self.currency.upper(),
            **fields,
        )

    def _step(self) -> NextAction | None:
        if self.next_action is None:
            return None
        page = self.next_action.redirect_to_url
        return NextAction(
            type=self.next_action.type,
            url=page.url if page else None,
            client_secret=self.client_secret,
        )


class Refund(Struct, frozen=True):
    """A refund of a charge."""

    id: str
    amount: int
    currency: str
    status: str
    metadata: dict[str, str] | None = None  # nothing where somebody else made it

    @property
    def key(self) -> str:
        """The key of the order that it is of, or nothing."""
        return (self.metadata or {}).get(OPERATION, "")

    def outcome(self) -> Outcome | Undecided:
        """Return how it ended."""
        if self.status not in ("succeeded", "failed", "canceled"):
            return "undecided"
        return Outcome(
            id=self.id,
            reference=(self.metadata or {}).get(PAYMENT, ""),
            status="succeeded" if self.status == "succeeded" else "failed",
            amount=self.amount,
            currency=self.currency.upper(),
        )


class Refusal(Struct, frozen=True):
    """The body of an error."""

    error: Failure
