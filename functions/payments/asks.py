"""The orders to the provider that a payment calls for, each under a key that never changes."""

from collections.abc import Mapping

from msgspec import UNSET

from payments import disputes
from payments.provider import Ask, ChargeOrder, DisputeOrder, MoneyOrder, Path
from payments.schema import Operation, OperationKind, Payment

PATHS: Mapping[OperationKind, Path] = {
    "capture": "/captures",
    "cancel": "/voids",
    "refund": "/refunds",
    "dispute_evidence": "/evidence",
    "dispute_acceptance": "/acceptances",
}
LAPSE = ":lapse"  # ends the key of a hold's end, which nobody asks for


def due(payment: Payment) -> list[Ask]:
    """Return what the provider is still to be asked, each under a key that never changes."""
    orders = [
        of_operation(payment, each)
        for each in payment.operations
        if each.status == "pending" and each.kind != "confirm"
    ]
    if payment.status == "processing" and payment.charge_id is None:
        orders.append(of_charge(payment))
    return orders


def awaited(payment: Payment) -> list[Ask]:
    """Return what the provider may still answer: what is due, and what it may tell by itself.

    A customer acts on a charge that waits at any time, also while a cancel is being asked for; and
    what is held may lapse.
    """
    orders = due(payment)
    if payment.amount_held and payment.charge_id:
        orders.append(of_lapse(payment, payment.charge_id))
    is_open = payment.status in ("requires_action", "processing")
    if payment.charge_id and is_open and not (payment.ledger or payment.failure):
        orders.append(of_charge(payment))
    return orders


def answerable(payment: Payment) -> list[Ask]:
    """Return what is awaited, and the refunds that were made: banks may still send them back."""
    refunds = (each for each in payment.operations if each.kind == "refund")
    made = [of_operation(payment, each) for each in refunds if each.status == "succeeded"]
    return [*awaited(payment), *made]


def charge_key(payment_id: str, attempts: int = 0) -> str:
    """Return the key of a payment's charge at the provider, after so many others failed."""
    return f"{payment_id}:charge" if not attempts else f"{payment_id}:charge:{attempts + 1}"


def of_charge(payment: Payment) -> Ask:
    """Return the order of a payment's charge, or of the try that it has come to."""
    order = ChargeOrder(
        amount=payment.amount,
        currency=payment.currency,
        payment_method=payment.payment_method,
        capture=payment.capture_method == "automatic",
        reference=payment.id,
        # Who confirms a payment with another method is there.
        off_session=True if payment.off_session and not payment.attempts else UNSET,
        test_clock=payment.test_clock,
        clock_ms=_clock_ms(payment),
    )
    key = charge_key(payment.id, len(payment.attempts))
    return Ask(key=key, path="/charges", order=order)


def _clock_ms(payment: Payment) -> int | None:
    """Return the time of the test clock at which the current try was asked for."""
    confirms = [each.event for each in payment.operations if each.kind == "confirm"]
    return payment.events[confirms[-1] - 1 if confirms else 0].clock_ms


def of_operation(payment: Payment, operation: Operation) -> Ask:
    """Return the order of what a client asked for."""
    assert payment.charge_id is not None  # nothing else can be operated on
    if operation.dispute:
        response = _response(payment, operation)
        return Ask(key=operation.id, path=PATHS[operation.kind], order=response)
    order = MoneyOrder(
        charge=payment.charge_id,
        amount=operation.amount,
        currency=payment.currency,
        reference=payment.id,
    )
    return Ask(key=operation.id, path=PATHS[operation.kind], order=order)


def of_lapse(payment: Payment, charge_id: str) -> Ask:
    """Return the ask that the end of a hold answers, though nobody asks it."""
    order = MoneyOrder(
        charge=charge_id,
        amount=payment.amount_held,
        currency=payment.currency,
        reference=payment.id,
    )
    return Ask(key=f"{payment.id}{LAPSE}", path="/voids", order=order)


def _response(payment: Payment, operation: Operation) -> DisputeOrder:
    dispute = disputes.find(payment, operation.dispute or "")
    assert dispute is not None  # the operation was asked for by it
    assert payment.charge_id is not None  # only a charge is disputed
    return DisputeOrder(
        dispute_id=dispute.provider_id,
        charge=payment.charge_id,
        amount=operation.amount,
        currency=payment.currency,
        reference=payment.id,
        evidence=operation.evidence.texts() if operation.evidence else {},
    )
