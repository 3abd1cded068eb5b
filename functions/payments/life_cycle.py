"""The life of a payment as pure functions from document to document; nothing here does I/O."""

import hashlib
from collections.abc import Collection, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from backend import ids
from backend.errors import InvalidState
from payments import answers, asks, disputes, ledger
from payments.announcements import announcements
from payments.dispute_schema import Acceptance, EvidenceSubmission
from payments.history import at, happened
from payments.provider import (
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
    Event,
    MoneyRequest,
    Operation,
    OperationKind,
    OperationRequest,
    Outgoing,
    Payment,
    PaymentRequest,
    RefundRequest,
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


def payment_id(tenant: str, idempotency_key: str) -> str:
    """Return the id that this key of this tenant always has: one key, one document, one payment."""
    return ids.derived("pay_", tenant, ROUTE, idempotency_key)


def operation_id(request: OperationRequest, payment_id: str, idempotency_key: str) -> str:
    """Return the id that this key always has for this kind of operation on this payment."""
    kind = KINDS[type(request)]
    return ids.derived(PREFIXES[kind], payment_id, kind, idempotency_key)


def fingerprint(request: Struct) -> str:
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


def answered(
    payment: Payment,
    outcomes: Mapping[str, Outcome],
    reports: Sequence[DisputeReport] = (),
    *,
    now_ms: int,
) -> Payment:
    """Return `payment` after the provider's definitive answers, by the keys of its orders.

    What others must hear of it is in the outbox; without an answer it is the same payment.
    `reports` are of disputes, which the provider tells of unasked.
    """
    changed = payment
    for ask in asks.answerable(payment):
        outcome = outcomes.get(ask.key)
        if outcome is None or not matches(outcome, ask):
            continue
        before = at(changed, outcome.clock_ms)
        after = answers.taken(before, ask, outcome, now_ms)
        changed = changed if after is before else after
    for report in reports:
        changed = disputes.reported(changed, report, now_ms=now_ms)
    if changed is payment:
        return payment
    asked_already = not asks.due(changed)
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


def _settlement(payment_id: str) -> Outgoing:
    return Outgoing(queue="payments", body=f'{{"payment_id":"{payment_id}"}}')
