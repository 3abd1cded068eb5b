"""The provider's charges: an order, its effect, and the journal's line of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)
Status = Literal["succeeded", "failed", "requires_action"]
Kind = Literal["charge", "capture", "void", "refund", "evidence", "acceptance"]
EntryKind = Kind | Literal["confirmation", "dispute", "lapse"]
DisputeStatus = Literal["needs_response", "under_review", "won", "lost"]

PREFIXES: dict[Kind, str] = {
    "capture": "cp",
    "void": "vd",
    "refund": "rf",
    "evidence": "ev",
    "acceptance": "ac",
}
REFUSALS = {"evidence": "dispute_not_open", "acceptance": "dispute_not_open"}
HOLD_MS = 7 * 86_400_000  # after which what is authorized and not captured lapses
DISPUTED = "pm_card_createDispute"  # a charge of it is disputed once its money is captured

OUTCOMES: dict[str, tuple[Status, str | None]] = {  # test token -> status, decline code
    "pm_card_visa": ("succeeded", None),
    "pm_card_chargeDeclined": ("failed", "generic_decline"),
    "pm_card_insufficientFunds": ("failed", "insufficient_funds"),
    "pm_card_expiredCard": ("failed", "expired_card"),
    "pm_card_processingError": ("failed", "processing_error"),
    "pm_card_authenticationRequired": ("requires_action", None),
    DISPUTED: ("succeeded", None),
}


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to charge: the body of POST /charges."""

    amount: Annotated[int, msgspec.Meta(ge=1, le=99_999_999)]  # in the currency's minor unit
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    payment_method: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]  # a test token
    capture: bool
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    off_session: bool = False  # no customer is there: what requires one fails
    # The clock whose time it is at this charge, and that time; by default our own.
    test_clock: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    clock_ms: Annotated[int, msgspec.Meta(ge=0)] | msgspec.UnsetType = msgspec.UNSET


class MoneyOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to capture, release or refund of a charge."""

    charge: Annotated[str, msgspec.Meta(pattern="^ch_[0-9]{12}$")]
    amount: Annotated[int, msgspec.Meta(ge=0, le=99_999_999)]  # in the currency's minor unit
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class DisputeOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to take evidence in a dispute, or to take it as lost."""

    dispute_id: Annotated[str, msgspec.Meta(pattern="^dp_[0-9]{12}$")]
    charge: Annotated[str, msgspec.Meta(pattern="^ch_[0-9]{12}$")]
    amount: Annotated[int, msgspec.Meta(ge=1, le=99_999_999)]  # in the currency's minor unit
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    evidence: dict[str, str] = {}


AnyOrder = Order | MoneyOrder | DisputeOrder


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """A dispute as it is after a line of the journal."""

    id: str
    reference: str
    charge: str
    amount: int
    currency: str
    fee: int
    reason: str
    status: DisputeStatus
    due_ms: int  # until when evidence is taken
    clock_ms: int | msgspec.UnsetType = msgspec.UNSET  # when it happened, by its test clock


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
    clock_ms: int | msgspec.UnsetType = msgspec.UNSET  # when it happened, by its test clock


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
    dispute: Dispute | msgspec.UnsetType = msgspec.UNSET  # of a line of kind `dispute`
    dispute_id: str | msgspec.UnsetType = msgspec.UNSET  # of an answer to a dispute
    test_clock: str | msgspec.UnsetType = msgspec.UNSET  # of its charge
    evidence: dict[str, str] | msgspec.UnsetType = msgspec.UNSET

    def answers(self, kind: Kind, order: AnyOrder) -> bool:
        """Return whether this effect came of the same order."""
        if kind != self.kind:
            return False
        return order == _as(type(order), self)

    def public(self) -> Charge:
        """Return the charge as clients see it: a confirmation is news of its charge."""
        charge = _as(Charge, self)
        if self.kind == "confirmation" and self.charge is not None:
            return msgspec.structs.replace(charge, id=self.charge)
        return charge

    def event(self) -> bytes:
        """Return the body of the webhook that tells of it."""
        kind = TOLD_AS.get(self.kind, self.kind)
        event_type = f"{kind}.{self.status}"
        data: Charge | Dispute = self.public()
        if self.dispute:
            event_type, data = DISPUTE_EVENTS[self.dispute.status], self.dispute
        return msgspec.json.encode(
            {
                "id": f"evt_{self.sequence:012}",
                "type": event_type,
                "created_ms": self.created_ms,
                "data": data,
            }
        )


def _as(shape: type[S], entry: Entry) -> S:
    """Return the part of a line that `shape` has; `convert` takes no fields that are unset."""
    return shape(**{name: getattr(entry, name) for name in shape.__struct_fields__})


TOLD_AS: dict[EntryKind, Kind] = {"confirmation": "charge", "lapse": "void"}
DISPUTE_EVENTS = {
    "needs_response": "dispute.created",
    "under_review": "dispute.updated",
    "won": "dispute.closed",
    "lost": "dispute.closed",
}


@dataclass(slots=True)
class Money:
    """The money that is left of one charge."""

    authorized: int = 0  # neither captured nor released
    captured: int = 0  # and neither refunded nor disputed
    clock: str = ""  # the test clock that its time goes by, or our own
    is_disputed: bool = False  # once it is captured, by its test token

    @classmethod
    def of(cls, charge: Entry) -> "Money":
        """Return the money of a fresh or a confirmed charge."""
        money = cls(clock=charge.test_clock or "", is_disputed=is_disputed(charge))
        if charge.status == "succeeded":
            money.captured = charge.amount if charge.captured else 0
            money.authorized = charge.amount - money.captured
        return money

    def has(self, kind: Kind, amount: int) -> bool:
        """Return whether there is so much to capture, to release or to refund."""
        return 0 < amount <= (self.captured if kind == "refund" else self.authorized)

    def move(self, kind: EntryKind, amount: int) -> None:
        """Capture, release or refund `amount`."""
        if kind == "refund":
            self.captured -= amount
        elif kind in ("capture", "void", "lapse"):
            self.authorized -= amount
            self.captured += amount if kind == "capture" else 0

    def dispute(self, dispute: Dispute) -> None:
        """Hold back what a new dispute is of; release it where it is won."""
        if dispute.status == "needs_response":
            self.captured -= dispute.amount
        elif dispute.status == "won":
            self.captured += dispute.amount


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /effects: whole lines of the journal, of every kind."""

    effects: list[msgspec.Raw]
    next: int | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /charges; `next` is the `after` of the following page."""

    charges: list[NumberedCharge]
    next: int | None


ORDERS: dict[Kind, msgspec.json.Decoder[Any]] = {
    "charge": msgspec.json.Decoder(Order),
    "capture": msgspec.json.Decoder(MoneyOrder),
    "void": msgspec.json.Decoder(MoneyOrder),
    "refund": msgspec.json.Decoder(MoneyOrder),
    "evidence": msgspec.json.Decoder(DisputeOrder),
    "acceptance": msgspec.json.Decoder(DisputeOrder),
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
        test_clock=order.test_clock,
        clock_ms=order.clock_ms,
    )


def operate(
    order: MoneyOrder | DisputeOrder, kind: Kind, key: str, *, done: bool, number: int, now_ms: int
) -> Entry:
    """Note what became of a capture, void or refund, or of an answer to a dispute."""
    return Entry(
        id=f"{PREFIXES[kind]}_{number:012}",
        idempotency_key=key,
        reference=order.reference,
        status="succeeded" if done else "failed",
        decline_code=None if done else REFUSALS.get(kind, "amount_not_available"),
        amount=order.amount,
        currency=order.currency,
        captured=False,
        created_ms=now_ms,
        sequence=number,
        kind=kind,
        charge=order.charge,
        dispute_id=getattr(order, "dispute_id", msgspec.UNSET),
        evidence=getattr(order, "evidence", msgspec.UNSET),
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


def is_disputed(charge: Entry) -> bool:
    """Tell whether the test token of a charge has it disputed."""
    return charge.payment_method == DISPUTED


def lapsed(charge: Entry, amount: int, *, number: int, now_ms: int) -> Entry:
    """Note that what is still authorized of a charge lapses: its bank holds it no longer."""
    return Entry(
        id=f"lp_{number:012}",
        idempotency_key=f"{charge.reference}:lapse",
        reference=charge.reference,
        status="succeeded",
        decline_code=None,
        amount=amount,
        currency=charge.currency,
        captured=False,
        created_ms=now_ms,
        sequence=number,
        kind="lapse",
        charge=charge.id,
    )


def page(lines: Sequence[bytes], next_after: int | None) -> Page:
    """Show the charges among journal lines as a page."""
    entries = [ENTRY.decode(line) for line in lines]
    return Page(
        charges=[_as(NumberedCharge, each) for each in entries if each.kind == "charge"],
        next=next_after,
    )


def effects(lines: Sequence[bytes], next_after: int | None) -> Effects:
    """Show journal lines as they are."""
    return Effects(effects=[msgspec.Raw(line) for line in lines], next=next_after)
