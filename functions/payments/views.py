"""The payments as clients see them; an answer can be given again from fields that never change."""

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from backend.clock import rfc3339
from backend.domain_events import public_id
from payments import ledger
from payments.balances import Sums
from payments.customers.schema import CustomerView
from payments.dispute_schema import Dispute
from payments.provider import DisputeStatus, NextAction
from payments.schema import Entry, Event, Failure, Operation, Payment, Status

# The types that an event may have by which an operation is done.
DONE = {
    "refund": ("payment.refunded",),
    "capture": ("payment.succeeded",),
    "cancel": ("payment.canceled", "payment.hold_released"),
    "dispute_evidence": (),
    "dispute_acceptance": (),
}

NO_CUSTOMERS: Mapping[str, CustomerView] = {}


class EventView(Struct, frozen=True, kw_only=True):
    """An event as clients see it."""

    id: str
    type: str
    sequence: int  # from 1, without gaps, in the order in which they happened to this payment
    created_at: str


class RefundView(Struct, frozen=True, kw_only=True):
    """A refund as clients see it."""

    id: str
    payment_id: str
    status: Literal["pending", "succeeded", "failed"]
    amount: int
    currency: str
    reason: str | None
    created_at: str


class ResponseView(Struct, frozen=True, kw_only=True):
    """What the merchant has answered to a dispute last."""

    kind: Literal["evidence", "acceptance"]
    status: Literal["pending", "succeeded", "failed"]  # of handing it to the provider
    submitted_at: str
    evidence: dict[str, str] | UnsetType = UNSET


class DisputeView(Struct, frozen=True, kw_only=True):
    """A dispute as clients see it."""

    id: str
    payment_id: str
    status: DisputeStatus
    amount: int
    fee: int
    currency: str
    reason: str
    evidence_due_by: str
    created_at: str
    response: ResponseView | None


class DisputePage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[DisputeView]
    has_more: bool


class PaymentView(Struct, frozen=True, kw_only=True):
    """A payment as clients see it."""

    id: str
    status: Status
    amount: int
    currency: str
    payment_method: str
    capture_method: str
    amount_captured: int
    amount_refunded: int
    description: str | None
    metadata: dict[str, str]
    receipt_email: str | None
    created_at: str
    test_clock: str | UnsetType = UNSET
    failure: Failure | UnsetType = UNSET
    next_action: NextAction | UnsetType = UNSET  # while the customer has to confirm
    amount_capturable: int  # held, and to be captured or canceled now
    customer: str | CustomerView | None  # expanded, if that was asked for and there still is one
    off_session: bool
    refunds: list[RefundView]
    disputed: bool
    disputes: list[str]
    events: list[EventView]


class PaymentPage(Struct, frozen=True, kw_only=True):
    """One page of payments, newest first."""

    data: list[PaymentView]
    has_more: bool


class RefundPage(Struct, frozen=True, kw_only=True):
    """One page of a payment's refunds, newest first."""

    data: list[RefundView]
    has_more: bool


class EntryView(Struct, frozen=True, kw_only=True):
    """One transfer of the ledger: what it debits and credits, in minor units."""

    n: int
    transfer: str
    state: Literal["pending", "posted", "voided"]
    debit: str
    credit: str
    amount: int
    currency: str
    event_id: str


class LedgerView(Struct, frozen=True, kw_only=True):
    """The double entries of one payment, oldest first."""

    payment_id: str
    data: list[EntryView]


class BalanceView(Struct, frozen=True, kw_only=True):
    """One account in one currency; a debit counts positive, so all accounts together are 0."""

    account: str
    currency: str
    posted: int  # minor units
    pending: int  # minor units; promised, not moved yet


class BalancesView(Struct, frozen=True, kw_only=True):
    """All accounts of the tenant."""

    data: list[BalanceView]


def view(payment: Payment, customers: Mapping[str, CustomerView] = NO_CUSTOMERS) -> PaymentView:
    """Return what a client sees of `payment`, with its customer if that is among `customers`."""
    is_capturable = payment.status in ("requires_capture", "succeeded")
    return PaymentView(
        id=payment.id,
        status=payment.status,
        amount=payment.amount,
        currency=payment.currency,
        payment_method=payment.payment_method,
        capture_method=payment.capture_method,
        amount_captured=payment.amount_captured,
        amount_refunded=payment.amount_refunded,
        description=payment.description,
        metadata=payment.metadata,
        receipt_email=payment.receipt_email,
        created_at=rfc3339(payment.events[0].clock_ms or payment.created_ms),
        test_clock=payment.test_clock or UNSET,
        failure=payment.failure or UNSET,
        next_action=_next_action(payment),
        amount_capturable=payment.amount_held if is_capturable else 0,
        customer=customers.get(payment.customer or "", payment.customer),
        off_session=payment.off_session,
        refunds=[refund_view(payment, each) for each in payment.operations if _is_refund(each)],
        disputed=bool(payment.disputes),
        disputes=[each.id for each in payment.disputes],
        events=[
            EventView(
                id=event_id(payment, each.n),
                type=each.type,
                sequence=each.n,
                created_at=_moment(each),
            )
            for each in payment.events
        ],
    )


def _next_action(payment: Payment) -> NextAction | UnsetType:
    is_open = payment.status == "requires_action"
    return payment.next_action or UNSET if is_open else UNSET


def refund_view(payment: Payment, refund: Operation) -> RefundView:
    """Return what a client sees of one refund."""
    return RefundView(
        id=refund.id,
        payment_id=payment.id,
        status=refund.status,
        amount=refund.amount,
        currency=payment.currency,
        reason=refund.reason,
        created_at=_moment(payment.events[refund.event - 1]),
    )


def dispute_view(payment: Payment, dispute: Dispute) -> DisputeView:
    """Return what a client sees of one dispute."""
    responses = [each for each in payment.operations if each.dispute == dispute.id]
    return DisputeView(
        id=dispute.id,
        payment_id=payment.id,
        status=dispute.status,
        amount=dispute.amount,
        fee=dispute.fee,
        currency=payment.currency,
        reason=dispute.reason,
        evidence_due_by=rfc3339(dispute.due_ms),
        created_at=_moment(payment.events[dispute.event - 1]),
        response=_response(payment, responses[-1]) if responses else None,
    )


def answer_view(payment: Payment, operation: Operation) -> PaymentView | RefundView | DisputeView:
    """Return what the client sees who asked for an operation: what it asked about, as it was."""
    payment_then = as_asked(payment, operation)
    if operation.dispute:
        dispute = next(each for each in payment_then.disputes if each.id == operation.dispute)
        return dispute_view(payment_then, dispute)
    if _is_refund(operation):
        return refund_view(payment_then, payment_then.operations[-1])
    return view(payment_then)


def refunds_view(payment: Payment) -> list[RefundView]:
    """Return what a client sees of a payment's refunds, newest first."""
    return [refund_view(payment, each) for each in payment.operations[::-1] if _is_refund(each)]


def ledger_view(payment: Payment) -> LedgerView:
    """Return the double entries of `payment`."""
    return LedgerView(
        payment_id=payment.id,
        data=[_entry(payment, n, each) for n, each in enumerate(payment.ledger, start=1)],
    )


def balances_view(sums: Sums) -> BalancesView:
    """Return the accounts from the sums of payments by currency."""
    return BalancesView(
        data=[
            BalanceView(account=account, currency=currency, posted=posted, pending=pending)
            for currency, each in sorted(sums.items())
            for account, posted, pending in _accounts(each)
        ]
    )


def _accounts(each: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    """Yield each account with what is posted and pending; those that few need only where used."""
    withdrawn = each["refunded"] + each["disputed"] + each["fees"]
    leaving = each["refunding"] + each["disputing"]
    yield "provider_clearing", each["captured"] - withdrawn, each["held"] - leaving
    yield "receivable", -each["captured"], -each["held"]
    yield "refunds", each["refunded"], each["refunding"]
    if each["disputed"] or each["disputing"]:
        yield "disputes", each["disputed"], each["disputing"]
    if each["fees"]:
        yield "fees", each["fees"], 0


def as_asked(payment: Payment, operation: Operation | None) -> Payment:
    """Return `payment` as it was when `operation` was asked for, or when it was made.

    Events never change, so the answer that was given then can be given again at any time.
    """
    events = payment.events[: operation.event if operation else 1]
    happened = {(each.type, each.operation) for each in events}
    operations = [
        replace(each, status=_status_then(each, happened))
        for each in payment.operations
        if each.event <= len(events)
    ]
    # Whoever answers a dispute finds it needs a response, and no other answer is shown.
    disputes = [
        replace(each, status="needs_response", fee=ledger.fee_at(payment, each, len(events)))
        for each in payment.disputes
        if each.event <= len(events)
    ]
    is_refund = operation is not None and _is_refund(operation)
    tries = [each for each in payment.attempts if each.event > len(events)]
    then = replace(
        payment,
        status="succeeded" if is_refund else "processing",
        payment_method=tries[0].payment_method if tries else payment.payment_method,
        amount_captured=sum(e.amount for e in events if e.type == "payment.succeeded"),
        amount_refunded=sum(e.amount for e in events if _is_refunded(e, happened)),
        failure=None,
        events=events,
        operations=tuple(operations),
        disputes=tuple(disputes),
        ledger=(),
        amount_held=0,
    )
    entries = [each for each in payment.ledger if each.event <= len(events)]
    return ledger.entered(then, entries) if entries else then


def event_id(payment: Payment, number: int) -> str:
    """Return the id of a payment's event as clients see it."""
    return public_id(f"{payment.id}.{number}")


def _moment(event: Event) -> str:
    """Return when an event happened, by the payment's own clock."""
    return rfc3339(event.clock_ms or event.at_ms)


def _status_then(
    operation: Operation, happened: set[tuple[str, str | None]]
) -> Literal["pending", "succeeded", "failed"]:
    if (f"payment.{operation.kind}_failed", operation.id) in happened:
        return "failed"  # perhaps after it was made
    if any((each, operation.id) in happened for each in DONE.get(operation.kind, ())):
        return "succeeded"
    return "pending"


def _response(payment: Payment, operation: Operation) -> ResponseView:
    is_evidence = operation.kind == "dispute_evidence"
    return ResponseView(
        kind="evidence" if is_evidence else "acceptance",
        status=operation.status,
        submitted_at=_moment(payment.events[operation.event - 1]),
        evidence=operation.evidence.texts() if operation.evidence else UNSET,
    )


def _entry(payment: Payment, number: int, entry: Entry) -> EntryView:
    return EntryView(
        n=number,
        transfer=entry.transfer,
        state=entry.state,
        debit=entry.debit,
        credit=entry.credit,
        amount=entry.amount,
        currency=payment.currency,
        event_id=event_id(payment, entry.event),
    )


def _is_refunded(event: Event, happened: set[tuple[str, str | None]]) -> bool:
    is_back = ("payment.refund_failed", event.operation) in happened
    return event.type == "payment.refunded" and not is_back


def _is_refund(operation: Operation) -> bool:
    return operation.kind == "refund"
