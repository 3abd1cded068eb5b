"""The history of a payment: each event with what it left, and what it moved in the ledger."""

from collections.abc import Sequence

from msgspec.structs import replace

from payments import ledger
from payments.dispute_schema import Dispute
from payments.schema import Entry, Event, Operation, Payment


def happened(
    payment: Payment,
    type: str,
    now_ms: int,
    *,
    operation: Operation | None = None,
    dispute: Dispute | None = None,
    entries: Sequence[Entry] = (),
) -> Payment:
    """Return `payment`, as this event leaves it, with the event and what it moves in the ledger."""
    about = operation or dispute
    event = Event(
        n=len(payment.events) + 1,
        type=type,
        at_ms=now_ms,
        amount=about.amount if about else sum(each.amount for each in entries),
        operation=operation.id if operation else None,
        dispute=dispute.id if dispute else None,
        status=payment.status,
        amount_captured=payment.amount_captured,
        amount_refunded=payment.amount_refunded,
        clock_ms=payment.clock_ms,
    )
    changed = replace(payment, events=(*payment.events, event))
    return ledger.entered(changed, entries) if entries else changed


def at(payment: Payment, clock_ms: int | None) -> Payment:
    """Return `payment` at a time of its test clock; one that is over is its time already."""
    if not payment.test_clock or clock_ms is None or clock_ms <= (payment.clock_ms or 0):
        return payment
    return replace(payment, clock_ms=clock_ms)
