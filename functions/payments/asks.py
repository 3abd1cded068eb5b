"""The orders to the provider that a payment calls for, each under a key that never changes."""

from collections.abc import Mapping

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


def of_charge(payment: Payment) -> Ask:
    """Return the ask to charge a payment."""
    order = ChargeOrder(
        amount=payment.amount,
        currency=payment.currency,
        payment_method=payment.payment_method,
        capture=payment.capture_method == "automatic",
        reference=payment.id,
        test_clock=payment.test_clock,
        clock_ms=payment.events[0].clock_ms,
    )
    return Ask(key=f"{payment.id}:charge", path="/charges", order=order)


def of_operation(payment: Payment, operation: Operation) -> Ask:
    """Return the ask to do what a client asked for."""
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
