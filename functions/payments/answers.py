"""The provider's answers: a payment as each of them leaves it."""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from payments import asks, disputes, ledger
from payments.history import happened
from payments.provider import Ask, ChargeOrder, Outcome
from payments.schema import Entry, Failure, Operation, OperationKind, Payment, Status

DECLINES = {
    "generic_decline": "The card was declined.",
    "insufficient_funds": "The card has insufficient funds.",
    "expired_card": "The card has expired.",
    "processing_error": "The card's bank could not process the payment.",
    "authentication_failed": "The customer did not confirm the payment.",
    "authentication_required": "The customer has to confirm the payment, and was not there.",
    "incorrect_cvc": "The card's security code is wrong.",
    "amount_not_possible": "The provider does not charge such an amount.",
    "payment_method_unknown": "The provider cannot charge this payment method.",
}


def taken(payment: Payment, ask: Ask, outcome: Outcome, now_ms: int) -> Payment:
    """Return `payment` after the answer to one ask."""
    if isinstance(ask.order, ChargeOrder):
        return _charged(payment, outcome, now_ms)
    if ask.key.endswith(asks.LAPSE):
        return _lapsed(payment, outcome, now_ms)
    return _operated(payment, ask.key, outcome, now_ms)


def _charged(payment: Payment, outcome: Outcome, now_ms: int) -> Payment:
    """Take over how the charge ended; a cancel that is being asked for decides the status."""
    if payment.charge_id and (
        outcome.id != payment.charge_id or outcome.status == "requires_action"
    ):
        return payment  # another charge is a difference to be told of; the other thing is known
    event = len(payment.events) + 1
    status: Status
    entries: list[Entry] = []
    match outcome.status:
        case "succeeded" if outcome.captured:
            status, entries = "succeeded", [ledger.charge("posted", payment.amount, event)]
        case "succeeded":
            status, entries = "requires_capture", [ledger.charge("pending", payment.amount, event)]
        case other:
            status = other
    changed = replace(
        payment,
        status="processing" if payment.charge_id and asks.due(payment) else status,
        charge_id=outcome.id,
        amount_captured=payment.amount if status == "succeeded" else 0,
        failure=_failure(outcome) if status == "failed" else None,
        next_action=outcome.next_action,
        operations=tuple(_confirmed(each, status) for each in payment.operations),
    )
    return happened(changed, f"payment.{status}", now_ms, entries=entries)


def _confirmed(operation: Operation, status: Status) -> Operation:
    """Return a confirm that waits for this charge as answered; anything else as it is."""
    if operation.kind != "confirm" or operation.status != "pending":
        return operation
    return replace(operation, status="failed" if status == "failed" else "succeeded")


def _operated(payment: Payment, operation_id: str, outcome: Outcome, now_ms: int) -> Payment:
    operation = next(each for each in payment.operations if each.id == operation_id)
    done = outcome.status == "succeeded"
    if done and operation.status == "succeeded":
        return payment  # a refund that is known
    operations = tuple(
        replace(each, status="succeeded" if done else "failed") if each is operation else each
        for each in payment.operations
    )
    payment = replace(payment, operations=operations)
    changed = TRANSITIONS[operation.kind](payment, operation, done, now_ms)
    return _released(changed, outcome.released, now_ms) if outcome.released else changed


def _released(payment: Payment, amount: int, now_ms: int) -> Payment:
    """Give up the rest of the hold, where a provider allows one capture of a charge."""
    entry = ledger.charge("voided", min(amount, payment.amount_held), len(payment.events) + 1)
    if not entry.amount:
        return payment
    return happened(payment, "payment.hold_released", now_ms, entries=[entry])


def _captured(payment: Payment, operation: Operation, done: bool, now_ms: int) -> Payment:
    if not done:
        return _refused(payment, operation, now_ms)
    entry = ledger.charge("posted", operation.amount, len(payment.events) + 1)
    amount_captured = payment.amount_captured + operation.amount
    changed = replace(payment, status="succeeded", amount_captured=amount_captured)
    return happened(changed, "payment.succeeded", now_ms, operation=operation, entries=[entry])


def _canceled(payment: Payment, operation: Operation, done: bool, now_ms: int) -> Payment:
    """Release what is held; a payment of which a part was captured stays succeeded."""
    if not done:
        return _refused(payment, operation, now_ms)
    event, amount = len(payment.events) + 1, operation.amount
    entries = [ledger.charge("voided", amount, event)] if amount else []
    is_paid = payment.amount_captured > 0
    changed = replace(payment, status="succeeded" if is_paid else "canceled")
    name = "payment.hold_released" if is_paid else "payment.canceled"
    return happened(changed, name, now_ms, operation=operation, entries=entries)


def _lapsed(payment: Payment, outcome: Outcome, now_ms: int) -> Payment:
    """Release what the bank holds no longer; a capture that is under way will be refused."""
    entry = ledger.charge("voided", outcome.amount, len(payment.events) + 1)
    status: Status = "succeeded" if payment.amount_captured else "canceled"
    is_under_way = payment.status == "processing"  # refunds leave it as it is
    changed = replace(payment, status="processing" if is_under_way else status)
    name = "payment.hold_released" if payment.amount_captured else "payment.canceled"
    return happened(changed, name, now_ms, entries=[entry])


def _refused(payment: Payment, operation: Operation, now_ms: int) -> Payment:
    """Return to what the payment is without a capture or a cancel that the provider refused."""
    status: Status = "failed" if payment.failure else "requires_action"
    if payment.ledger:  # it was held: unless that has lapsed, it is
        status = "requires_capture" if payment.amount_held else "canceled"
    if payment.amount_captured:
        status = "succeeded"
    changed = replace(payment, status=status)
    return happened(changed, f"payment.{operation.kind}_failed", now_ms, operation=operation)


def _refunded(payment: Payment, operation: Operation, done: bool, now_ms: int) -> Payment:
    """Take over how a refund ended, which may be that the bank has sent it back."""
    if operation.status == "succeeded":
        return _sent_back(payment, operation, now_ms)
    entry = ledger.refund("posted" if done else "voided", operation, len(payment.events) + 1)
    name = "payment.refunded" if done else "payment.refund_failed"
    amount_refunded = payment.amount_refunded + (operation.amount if done else 0)
    changed = replace(payment, amount_refunded=amount_refunded)
    return happened(changed, name, now_ms, operation=operation, entries=[entry])


def _sent_back(payment: Payment, operation: Operation, now_ms: int) -> Payment:
    entry = ledger.refund_back(operation, len(payment.events) + 1)
    changed = replace(payment, amount_refunded=payment.amount_refunded - operation.amount)
    return happened(changed, "payment.refund_failed", now_ms, operation=operation, entries=[entry])


TRANSITIONS: Mapping[OperationKind, Callable[[Payment, Operation, bool, int], Payment]] = {
    "capture": _captured,
    "cancel": _canceled,
    "refund": _refunded,
    "dispute_evidence": disputes.responded,
    "dispute_acceptance": disputes.responded,
}


def _failure(outcome: Outcome) -> Failure:
    code = outcome.decline_code or "generic_decline"
    return Failure(code=code, message=DECLINES.get(code, "The card was declined."))
