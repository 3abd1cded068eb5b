"""The orders to the provider that a payment calls for, each under a key that never changes."""

from collections.abc import Mapping

from msgspec import UNSET

from payments.provider import Ask, ChargeOrder, MoneyOrder, Path
from payments.schema import Operation, OperationKind, Payment

PATHS: Mapping[OperationKind, Path] = {
    "capture": "/captures",
    "cancel": "/voids",
    "refund": "/refunds",
}


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
    )
    key = charge_key(payment.id, len(payment.attempts))
    return Ask(key=key, path="/charges", order=order)


def of_operation(payment: Payment, operation: Operation) -> Ask:
    """Return the order of a capture, a cancel or a refund."""
    assert payment.charge_id is not None  # nothing else can be captured, canceled or refunded
    order = MoneyOrder(
        charge=payment.charge_id,
        amount=operation.amount,
        currency=payment.currency,
        reference=payment.id,
    )
    return Ask(key=operation.id, path=PATHS[operation.kind], order=order)
