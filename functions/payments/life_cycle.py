"""The life of a payment as pure functions from document to document; nothing here does I/O."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from backend import ids
from backend.errors import InvalidState
from payments import asks, disputes, ledger
from payments.announcements import announcements
from payments.dispute_schema import Acceptance, EvidenceSubmission
from payments.history import at, happened
from payments.provider import (
    Ask,
    ChargeOrder,
    DisputeReport,
    Effect,
    Outcome,
    matches,
)
from payments.schema import (
    Attempt,
    CancelRequest,
    CaptureRequest,
    ConfirmRequest,
    Entry,
    Event,
    Failure,
    MoneyRequest,
    Operation,
    OperationKind,
    OperationRequest,
    Outgoing,
    Payment,
    PaymentRequest,
    RefundRequest,
    Status,
)

ROUTE = "POST /v1/payments"
OPERATIONS_MAX = 100  # a payment is one document; nobody refunds one payment a hundred times
KINDS: Mapping[type[OperationRequest], OperationKind] = {
    CaptureRequest: "capture",
    CancelRequest: "cancel",
    RefundRequest: "refund",
    EvidenceSubmission: "dispute_evidence",
    Acceptance: "dispute_acceptance",
    ConfirmRequest: "confirm",
}
POSTPONED_MS = 10_000  # an open breaker probes the provider every 30 s at the latest
REMIND_MS = 50_000  # so that a settlement whose message is lost is driven on within a minute
PREFIXES: Mapping[OperationKind, str] = {
    "capture": "cap_",
    "cancel": "can_",
    "refund": "re_",
    "dispute_evidence": "ev_",
    "dispute_acceptance": "acc_",
    "confirm": "con_",
}

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


def payment_id(tenant: str, idempotency_key: str) -> str:
    """Return the id that this key of this tenant always has: one key, one document, one payment."""
    return ids.derived("pay_", tenant, ROUTE, idempotency_key)


def operation_id(request: OperationRequest, payment_id: str, idempotency_key: str) -> str:
    """Return the id that this key always has for this kind of operation on this payment."""
    kind = KINDS[type(request)]
    return ids.derived(PREFIXES[kind], payment_id, kind, idempotency_key)


def fingerprint(request: PaymentRequest | OperationRequest) -> str:
    """Return a hash that is equal for equal requests, however they were written."""
    canonical = msgspec.json.encode(request, order="sorted")
    return hashlib.sha256(canonical).hexdigest()


def create(
    request: PaymentRequest,
    *,
    key: str,
    tenant: str,
    now_ms: int,
    provider: str = "",
    payment_method: str | UnsetType = UNSET,
    clock_ms: int | None = None,
) -> Payment:
    """Return a new payment in `processing`, its settlement promised in the outbox.

    Its method is the request's own, or the `payment_method` that its customer has for it;
    `clock_ms` is the time of the test clock that it is tied to.
    """
    identity = payment_id(tenant, key)
    method = payment_method or request.payment_method
    assert method  # a request without one has a customer with a default
    return Payment(
        id=identity,
        tenant=tenant,
        fingerprint=fingerprint(request),
        created_ms=now_ms,
        amount=request.amount,
        currency=request.currency,
        payment_method=method,
        capture_method=request.capture_method,
        description=request.description,
        metadata=request.metadata,
        receipt_email=request.receipt_email,
        provider=provider,
        customer=request.customer or None,
        off_session=request.off_session is True,
        status="processing",
        version=1,
        test_clock=request.test_clock or None,
        clock_ms=clock_ms,
        events=(
            Event(
                n=1, type="payment.created", at_ms=now_ms, status="processing", clock_ms=clock_ms
            ),
        ),
        outbox=(_settlement(identity),),
        promised_ms=now_ms,
    )


def requested(payment: Payment, request: OperationRequest, *, key: str, now_ms: int) -> Payment:
    """Return `payment` with an operation asked for and promised; raises InvalidState.

    A capture, a cancel or a confirm is the payment's next state, so it is `processing` until the
    provider has answered; refunds run beside one another, each reserving its amount, and so do
    answers to disputes.
    """
    kind = KINDS[type(request)]
    response: Mapping[str, object] = {}
    operations_max = OPERATIONS_MAX
    if isinstance(request, EvidenceSubmission | Acceptance):
        amount = disputes.answerable(payment, request, now_ms=payment.clock_ms or now_ms)
        response = disputes.response_fields(request)
        operations_max += disputes.RESPONSES_MAX
    else:
        amount = _amount_of(payment, request, kind)
    if len(payment.operations) >= operations_max:
        raise InvalidState(f"A payment takes {operations_max} operations at most.")
    operation = Operation(
        id=operation_id(request, payment.id, key),
        kind=kind,
        fingerprint=fingerprint(request),
        amount=amount,
        event=len(payment.events) + 1,
        reason=getattr(request, "reason", None),
        **response,  # type: ignore[arg-type]
    )
    before = _retried(payment, request) if isinstance(request, ConfirmRequest) else payment
    changed = happened(
        replace(
            before,
            operations=(*payment.operations, operation),
            status="processing" if kind in ("capture", "cancel", "confirm") else payment.status,
        ),
        f"payment.{kind}_requested",
        now_ms,
        operation=operation,
        entries=[ledger.refund("pending", operation, operation.event)] if kind == "refund" else [],
    )
    return replace(
        changed,
        version=payment.version + 1,
        outbox=(*payment.outbox, _settlement(payment.id)),
        promised_ms=now_ms,
    )


def due(payment: Payment) -> list[Ask]:
    """Return what the provider is still to be asked, each under a key that never changes."""
    orders = [
        asks.of_operation(payment, each)
        for each in payment.operations
        if each.status == "pending" and each.kind != "confirm"
    ]
    if payment.status == "processing" and payment.charge_id is None:
        orders.append(asks.of_charge(payment))
    return orders


def awaited(payment: Payment) -> list[Ask]:
    """Return what the provider may still answer: what is due, and what it may tell by itself.

    A customer acts on a charge that waits at any time, also while a cancel is being asked for; and
    what is held may lapse.
    """
    orders = due(payment)
    if payment.amount_held and payment.charge_id:
        orders.append(asks.of_lapse(payment, payment.charge_id))
    is_open = payment.status in ("requires_action", "processing")
    if payment.charge_id and is_open and not (payment.ledger or payment.failure):
        orders.append(asks.of_charge(payment))
    return orders


def answered(
    payment: Payment,
    outcomes: Mapping[str, Outcome],
    reports: Sequence[DisputeReport] = (),
    *,
    now_ms: int,
) -> Payment:
    """Return `payment` after the provider's definitive answers, by the keys of what is awaited.

    What others must hear of it is in the outbox; without an answer it is the same payment.
    `reports` are of disputes, which the provider tells of unasked.
    """
    changed = payment
    for ask in awaited(payment):
        outcome = outcomes.get(ask.key)
        if outcome is None or not matches(outcome, ask):
            continue
        before = at(changed, outcome.clock_ms)
        after = _taken(before, ask, outcome, now_ms)
        changed = changed if after is before else after
    for report in reports:
        changed = disputes.reported(changed, report, now_ms=now_ms)
    if changed is payment:
        return payment
    asked_already = not due(changed)
    outbox = [each for each in payment.outbox if not (asked_already and each.queue == "payments")]
    outbox += announcements(payment, changed)
    return replace(
        changed,
        version=payment.version + 1,
        outbox=tuple(outbox),
        promised_ms=now_ms if outbox else None,
    )


def sent(payment: Payment, unsent: Collection[str] = (), *, now_ms: int) -> Payment:
    """Return this version of `payment` after its outbox was sent, but not to the queues `unsent`.

    What was not sent stays promised, behind what others were promised before now. So does a
    settlement that is due: if its message is lost, the relay sends another.
    """
    outbox = tuple(e for e in payment.outbox if e.queue == "payments" or e.queue in unsent)
    promised_ms = now_ms + (0 if any(each.queue in unsent for each in outbox) else REMIND_MS)
    return replace(payment, outbox=outbox, promised_ms=promised_ms if outbox else None)


def postponed(payment: Payment, *, now_ms: int) -> Payment:
    """Return this version of `payment`, its settlement promised again for when it may succeed."""
    outbox = [each for each in payment.outbox if each.queue != "payments"]
    return replace(
        payment,
        outbox=(*outbox, _settlement(payment.id)),
        promised_ms=now_ms + POSTPONED_MS,
    )


def _amount_of(payment: Payment, request: MoneyRequest, kind: OperationKind) -> int:
    """Return what the operation moves, or raise InvalidState where it is not allowed now."""
    if kind == "cancel" and payment.status == "requires_action":
        return payment.amount_held  # nothing, and its charge is given up
    left = _left_to(kind, payment)
    amount = left
    if isinstance(request, CaptureRequest | RefundRequest):
        amount = request.amount or left
    if not left:
        raise InvalidState(f"A payment that is {payment.status} has nothing to {kind} now.")
    if amount > left:
        raise InvalidState(f"There is {left} left to {kind}, not {amount}.", param="amount")
    return amount


def _taken(payment: Payment, ask: Ask, outcome: Outcome, now_ms: int) -> Payment:
    """Return `payment` after the answer to one ask."""
    if isinstance(ask.order, ChargeOrder):
        return _charged(payment, outcome, now_ms)
    if ask.key.endswith(asks.LAPSE):
        return _lapsed(payment, outcome, now_ms)
    return _operated(payment, ask.key, outcome, now_ms)


def _left_to(kind: OperationKind, payment: Payment) -> int:
    """Return how much of a payment there is for an operation just now."""
    match kind, payment.status:
        case "capture", "requires_capture" | "succeeded":
            return payment.amount_held
        case "cancel", status if status != "processing":
            return payment.amount_held
        case "refund", "succeeded":
            return ledger.refundable(payment)
        case "confirm", "failed":
            return payment.amount
    return 0


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
        status="processing" if payment.charge_id and due(payment) else status,
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


def _retried(payment: Payment, request: ConfirmRequest) -> Payment:
    """Return a payment that failed as it is for its next try, under another key."""
    attempt = Attempt(
        payment_method=payment.payment_method,
        charge_id=payment.charge_id,
        failure=payment.failure,
        event=len(payment.events) + 1,
    )
    return replace(
        payment,
        payment_method=request.payment_method,
        attempts=(*payment.attempts, attempt),
        charge_id=None,
        failure=None,
    )


def _operated(payment: Payment, operation_id: str, outcome: Outcome, now_ms: int) -> Payment:
    operation = next(each for each in payment.operations if each.id == operation_id)
    done = outcome.status == "succeeded"
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


def with_fees(payment: Payment, fees: Sequence[Effect], *, now_ms: int) -> Payment:
    """Return `payment` with those fees of the provider in its ledger that are not there yet.

    The same payment where all are, so that fees may be told twice and in any order.
    """
    changed = payment
    for fee in fees:
        is_known = any(each.transfer == fee.id for each in changed.ledger)
        if is_known or fee.amount <= 0 or fee.currency != payment.currency:
            continue
        entry = ledger.provider_fee(fee.id, fee.amount, len(changed.events) + 1)
        changed = replace(changed, amount_fees=changed.amount_fees + fee.amount)
        changed = happened(changed, "payment.provider_fee", now_ms, entries=[entry])
    if changed is payment:
        return payment
    return replace(changed, version=payment.version + 1)


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
    entry = ledger.refund("posted" if done else "voided", operation, len(payment.events) + 1)
    name = "payment.refunded" if done else "payment.refund_failed"
    amount_refunded = payment.amount_refunded + (operation.amount if done else 0)
    changed = replace(payment, amount_refunded=amount_refunded)
    return happened(changed, name, now_ms, operation=operation, entries=[entry])


TRANSITIONS: Mapping[OperationKind, Callable[[Payment, Operation, bool, int], Payment]] = {
    "capture": _captured,
    "cancel": _canceled,
    "refund": _refunded,
    "dispute_evidence": disputes.responded,
    "dispute_acceptance": disputes.responded,
}


def _settlement(payment_id: str) -> Outgoing:
    return Outgoing(queue="payments", body=f'{{"payment_id":"{payment_id}"}}')


def _failure(outcome: Outcome) -> Failure:
    code = outcome.decline_code or "generic_decline"
    return Failure(code=code, message=DECLINES.get(code, "The card was declined."))
