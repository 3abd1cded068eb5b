"""What the provider charges and remembers: an order, its charge, the journal's line of it."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

Status = Literal["succeeded", "failed", "requires_action"]

OUTCOMES: dict[str, tuple[Status, str | None]] = {  # test token -> status, decline code
    "pm_card_visa": ("succeeded", None),
    "pm_card_chargeDeclined": ("failed", "generic_decline"),
    "pm_card_insufficientFunds": ("failed", "insufficient_funds"),
    "pm_card_expiredCard": ("failed", "expired_card"),
    "pm_card_processingError": ("failed", "processing_error"),
    "pm_card_authenticationRequired": ("requires_action", None),
}


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be charged: the body of POST /charges."""

    amount: Annotated[int, msgspec.Meta(ge=1, le=99_999_999)]  # in the currency's minor unit
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    payment_method: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]  # a test token
    capture: bool
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What a client is answered."""

    id: str
    idempotency_key: str
    reference: str
    status: Status
    decline_code: str | None
    amount: int
    currency: str
    captured: bool
    created_ms: int


class NumberedCharge(Charge, frozen=True, kw_only=True):
    """What a list shows: with the line number in the journal, from 1."""

    sequence: int


class Entry(NumberedCharge, frozen=True, kw_only=True):
    """A line of the journal: with the rest of the order, to tell a repeat from another order."""

    payment_method: str
    capture: bool

    def answers(self, order: Order) -> bool:
        """Whether this charge came of the same order."""
        return order == msgspec.convert(self, Order, from_attributes=True)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /charges; `next` is the `after` of the following page."""

    charges: list[NumberedCharge]
    next: int | None


ORDER = msgspec.json.Decoder(Order)
ENTRY = msgspec.json.Decoder(Entry)
NUMBERED = msgspec.json.Decoder(NumberedCharge)


def charge(order: Order, key: str, *, number: int, now_ms: int) -> Entry:
    """Carry out an order: its test token alone decides the outcome."""
    status, decline_code = OUTCOMES[order.payment_method]
    return Entry(
        id=f"ch_{number:012}",
        idempotency_key=key,
        reference=order.reference,
        status=status,
        decline_code=decline_code,
        amount=order.amount,
        currency=order.currency,
        captured=order.capture and status == "succeeded",
        created_ms=now_ms,
        sequence=number,
        payment_method=order.payment_method,
        capture=order.capture,
    )


def page(lines: Sequence[bytes], next_after: int | None) -> Page:
    """Show journal lines as a page."""
    return Page(charges=[NUMBERED.decode(line) for line in lines], next=next_after)
