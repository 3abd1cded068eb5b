"""The provider's charges: an order, its effect, and the journal's line of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

Status = Literal["succeeded", "failed", "requires_action"]
Kind = Literal["charge", "capture", "void", "refund"]
EntryKind = Kind | Literal["confirmation"]

PREFIXES: dict[Kind, str] = {"capture": "cp", "void": "vd", "refund": "rf"}

OUTCOMES: dict[str, tuple[Status, str | None]] = {  # test token -> status, decline code
    "pm_card_visa": ("succeeded", None),
    "pm_card_chargeDeclined": ("failed", "generic_decline"),
    "pm_card_insufficientFunds": ("failed", "insufficient_funds"),
    "pm_card_expiredCard": ("failed", "expired_card"),
    "pm_card_processingError": ("failed", "processing_error"),
    "pm_card_authenticationRequired": ("requires_action", None),
}


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to charge: the body of POST /charges."""

    amount: Annotated[int, msgspec.Meta(ge=1, le=99_999_999)]  # in the currency's minor unit
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    payment_method: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]  # a test token
    capture: bool
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    off_session: bool = False  # no customer is there: what requires one fails


class MoneyOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to capture, release or refund of a charge."""

    charge: Annotated[str, msgspec.Meta(pattern="^ch_[0-9]{12}$")]
    amount: Annotated[int, msgspec.Meta(ge=0, le=99_999_999)]  # in the currency's minor unit
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Confirmation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer's action on a charge that requires it: POST /confirmations."""

    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    outcome: Literal["succeeded", "failed"] = "succeeded"


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge as clients see it."""

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
    """A charge of a list, with its line number in the journal, from 1."""

    sequence: int


class Entry(NumberedCharge, frozen=True, kw_only=True):
    """A line of the journal: with the rest of the order, to tell a repeat from another order."""

    kind: EntryKind = "charge"
    charge: str | None = None  # the charge of a capture, void, refund or confirmation
    payment_method: str = ""
    capture: bool = False
    off_session: bool = False

    def answers(self, kind: Kind, order: Order | MoneyOrder) -> bool:
        """Return whether this effect came of the same order."""
        if kind != self.kind:
            return False
        return order == msgspec.convert(self, type(order), from_attributes=True)

    def public(self) -> Charge:
        """Return the charge as clients see it: a confirmation is news of its charge."""
        charge = msgspec.convert(self, Charge, from_attributes=True)
        if self.kind == "confirmation" and self.charge is not None:
            return msgspec.structs.replace(charge, id=self.charge)
        return charge

    def event(self) -> bytes:
        """Return the body of the webhook that tells of it."""
        kind = "charge" if self.kind == "confirmation" else self.kind
        return msgspec.json.encode(
            {
                "id": f"evt_{self.sequence:012}",
                "type": f"{kind}.{self.status}",
                "created_ms": self.created_ms,
                "data": self.public(),
            }
        )


@dataclass(slots=True)
class Money:
    """The money that is left of one charge."""

    authorized: int = 0  # neither captured nor released
    captured: int = 0  # and not refunded

    @classmethod
    def of(cls, charge: Entry) -> "Money":
        """Return the money of a fresh or a confirmed charge."""
        if charge.status != "succeeded":
            return cls()
        return cls(captured=charge.amount) if charge.captured else cls(authorized=charge.amount)

    def has(self, kind: Kind, amount: int) -> bool:
        """Return whether there is so much to capture, to release or to refund."""
        return 0 < amount <= (self.captured if kind == "refund" else self.authorized)

    def move(self, kind: EntryKind, amount: int) -> None:
        """Capture, release or refund `amount`."""
        if kind == "refund":
            self.captured -= amount
        else:
            self.authorized -= amount
            self.captured += amount if kind == "capture" else 0


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /effects: whole lines of the journal, of every kind."""

    effects: list[msgspec.Raw]
    next: int | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /charges; `next` is the `after` of the following page."""

    charges: list[NumberedCharge]
    next: int | None


ORDERS: dict[Kind, msgspec.json.Decoder[Order] | msgspec.json.Decoder[MoneyOrder]] = {
    "charge": msgspec.json.Decoder(Order),
    "capture": msgspec.json.Decoder(MoneyOrder),
    "void": msgspec.json.Decoder(MoneyOrder),
    "refund": msgspec.json.Decoder(MoneyOrder),
}
ENTRY = msgspec.json.Decoder(Entry)


def charge(order: Order, key: str, *, number: int, now_ms: int) -> Entry:
    """Carry out an order: its test token alone decides the outcome."""
    status, decline_code = OUTCOMES[order.payment_method]
    if order.off_session and status == "requires_action":
        status, decline_code = "failed", "authentication_required"
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
        off_session=order.off_session,
    )


def operate(
    order: MoneyOrder, kind: Kind, key: str, *, done: bool, number: int, now_ms: int
) -> Entry:
    """Note what became of a capture, void or refund."""
    return Entry(
        id=f"{PREFIXES[kind]}_{number:012}",
        idempotency_key=key,
        reference=order.reference,
        status="succeeded" if done else "failed",
        decline_code=None if done else "amount_not_available",
        amount=order.amount,
        currency=order.currency,
        captured=False,
        created_ms=now_ms,
        sequence=number,
        kind=kind,
        charge=order.charge,
    )


def confirm(charge: Entry, outcome: Status, *, number: int, now_ms: int) -> Entry:
    """Note what the customer made of a charge that required action."""
    done = outcome == "succeeded"
    return msgspec.structs.replace(
        charge,
        id=f"cf_{number:012}",
        status=outcome,
        decline_code=None if done else "authentication_failed",
        captured=charge.capture and done,
        created_ms=now_ms,
        sequence=number,
        kind="confirmation",
        charge=charge.id,
    )


def page(lines: Sequence[bytes], next_after: int | None) -> Page:
    """Show the charges among journal lines as a page."""
    entries = [ENTRY.decode(line) for line in lines]
    return Page(
        charges=[
            msgspec.convert(each, NumberedCharge, from_attributes=True)
            for each in entries
            if each.kind == "charge"
        ],
        next=next_after,
    )


def effects(lines: Sequence[bytes], next_after: int | None) -> Effects:
    """Show journal lines as they are."""
    return Effects(effects=[msgspec.Raw(line) for line in lines], next=next_after)
