"""The provider's disputes: opened by a customer's bank, answered by the merchant, then decided.

The evidence decides as at Stripe: `winning_evidence` wins at once, `losing_evidence` loses, any
other waits under review for POST /rulings.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from local.simulators.charges import Dispute, DisputeOrder, DisputeStatus, Entry, Kind

DUE_MS = 7 * 86_400_000  # for evidence; card networks give a week to three
FEE = 1_500  # in the minor unit of the charge's currency; kept also where a dispute is won
OUTCOMES: dict[str, DisputeStatus] = {"winning_evidence": "won", "losing_evidence": "lost"}
TOLD_AFTER_S = 1.0  # an account hears of its charge before it hears that it is disputed


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer's dispute of a charge: POST /disputes; without an amount all that is left."""

    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    amount: Annotated[int, msgspec.Meta(ge=1, le=99_999_999)] | None = None
    reason: Annotated[str, msgspec.Meta(pattern="^[a-z_]{1,40}$")] = "fraudulent"
    due_s: Annotated[int, msgspec.Meta(ge=0, le=31_536_000)] = DUE_MS // 1000


class Ruling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bank's decision of an open dispute, or that a lost one is won: POST /rulings."""

    dispute: str
    outcome: Literal["won", "lost"]


def opened(charge: Entry, opening: Opening, amount: int, *, number: int, now_ms: int) -> Dispute:
    """Return a new dispute of a line's charge; `now_ms` is by the charge's clock."""
    return Dispute(
        id=f"dp_{number:012}",
        reference=charge.reference,
        charge=charge.charge or charge.id,
        amount=amount,
        currency=charge.currency,
        fee=FEE,
        reason=opening.reason,
        status="needs_response",
        due_ms=now_ms + opening.due_s * 1000,
    )


def line(dispute: Dispute, *, number: int, now_ms: int) -> Entry:
    """Note a dispute as it is now."""
    return Entry(
        id=dispute.id,
        idempotency_key=f"{dispute.id}:{dispute.status}",
        reference=dispute.reference,
        status="succeeded",
        decline_code=None,
        amount=dispute.amount,
        currency=dispute.currency,
        captured=False,
        created_ms=now_ms,
        sequence=number,
        kind="dispute",
        charge=dispute.charge,
        dispute=dispute,
    )


def statuses(kind: Kind, order: DisputeOrder) -> Iterator[DisputeStatus]:
    """Yield what becomes of a dispute by an answer that was taken."""
    if kind == "acceptance":
        yield "lost"
        return
    yield "under_review"
    for text in order.evidence.values():
        if text in OUTCOMES:
            yield OUTCOMES[text]
            return


class Disputes:
    """The disputes that may still be decided, by their ids: open ones, and lost ones."""

    def __init__(self) -> None:
        self._open: dict[str, Dispute] = {}
        self.lost: dict[str, Dispute] = {}  # a bank that thinks again gives the money back

    def take(self, dispute: Dispute) -> None:
        """Keep a dispute as it is by now, or forget one that is won."""
        self._open.pop(dispute.id, None)
        self.lost.pop(dispute.id, None)
        if dispute.status != "won":
            place = self.lost if dispute.status == "lost" else self._open
            place[dispute.id] = dispute

    def takes(self, order: DisputeOrder, *, now_ms: int) -> bool:
        """Tell whether a dispute takes this answer now."""
        dispute = self._open.get(order.dispute_id)
        return (
            dispute is not None
            and dispute.status == "needs_response"
            and now_ms < dispute.due_ms
            and (dispute.charge, dispute.reference) == (order.charge, order.reference)
            and (dispute.amount, dispute.currency) == (order.amount, order.currency)
        )

    def moved(self, dispute_id: str, status: DisputeStatus) -> Dispute | None:
        """Return a dispute with another status, or None where it can no more come to that."""
        dispute = self._open.get(dispute_id)
        if dispute is None and status == "won":
            dispute = self.lost.get(dispute_id)
        return replace(dispute, status=status) if dispute else None

    def is_unanswered(self, dispute_id: str) -> bool:
        """Tell whether a dispute still waits for its merchant."""
        dispute = self._open.get(dispute_id)
        return dispute is not None and dispute.status == "needs_response"
