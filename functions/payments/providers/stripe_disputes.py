"""Stripe's disputes: how they are told, and the orders that answer them.

An inquiry (`warning_...`) withdraws nothing: it is told once it has become a dispute.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from backend.telemetry import logger
from payments.provider import Ask, DisputeOrder, DisputeReport, DisputeStatus, Outcome
from payments.providers.connections import Undecided
from payments.providers.stripe_objects import PAYMENT, Intent

EVENTS = tuple(
    f"charge.dispute.{each}"
    for each in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
)
INQUIRY = "warning_"  # begins the statuses of what may become a dispute
STATUSES: Mapping[str, DisputeStatus] = {
    "needs_response": "needs_response",
    "under_review": "under_review",
    "won": "won",
    "lost": "lost",
}


class Deadline(Struct, frozen=True):
    """The `evidence_details`."""

    due_by: Annotated[int, Meta(ge=0, le=253_402_300_799)] | None = None  # s, to the year 9999


class Movement(Struct, frozen=True):
    """A movement of the balance by a dispute."""

    amount: int
    currency: str
    fee: int


class Dispute(Struct, frozen=True):
    """A dispute of a charge."""

    id: str
    amount: int
    currency: str
    status: str
    reason: str
    payment_intent: str | None = None
    balance_transactions: list[Movement] = []
    evidence_details: Deadline = Deadline()

    def report(self, intent: Intent) -> DisputeReport | None:
        """Return it as payments hear of it; nothing where it is about no payment of ours."""
        status, reference = STATUSES.get(self.status), intent.metadata.get(PAYMENT)
        if status is None and not self.status.startswith(INQUIRY):
            unknown = {"dispute": self.id, "status": self.status, "payment_id": reference}
            logger.error("Stripe's dispute has an unknown status", extra=unknown)
        if status is None or not reference or not self.amount:
            return None
        return DisputeReport(
            id=self.id,
            reference=reference,
            charge=intent.id,
            amount=self.amount,
            currency=self.currency.upper(),
            fee=max(0, sum(self._fee(each) for each in self.balance_transactions)),
            reason=self.reason,
            status=status,
            due_ms=1_000 * (self.evidence_details.due_by or 0),
        )

    def _fee(self, movement: Movement) -> int:
        """Return a fee in the dispute's currency, by its share of the amount."""
        if movement.currency == self.currency or not movement.amount:
            return movement.fee
        return round(movement.fee * self.amount / abs(movement.amount))

    def answered(self, reference: str) -> Outcome | Undecided:
        """Return how an answer to it ended."""
        if self.status not in ("under_review", "won", "lost"):
            return "undecided"
        return Outcome(
            id=self.id,
            reference=reference,
            status="succeeded",
            amount=self.amount,
            currency=self.currency.upper(),
        )


def form(ask: Ask, order: DisputeOrder) -> tuple[str, dict[str, str]]:
    """Return where an answer to a dispute is posted, and its fields."""
    path = f"/v1/disputes/{order.dispute_id}"
    if ask.path == "/acceptances":
        return f"{path}/close", {}
    fields = {f"evidence[{name}]": text for name, text in order.evidence.items()}
    return path, {**fields, "submit": "true"}


def read(what: Mapping[str, Any]) -> Dispute | None:
    """Return the dispute of an event, or nothing where its shape is unknown."""
    try:
        return msgspec.convert(what, Dispute)
    except msgspec.ValidationError:
        logger.error("Stripe's dispute has an unknown shape", extra={"dispute": what.get("id")})
        return None
