"""Disputes as pure functions: what the provider reports, and what a client answers.

A dispute goes one way: needs_response, under_review, lost, won. What was lost may still be won, as
banks think again. So a report may come twice, late or overtaken: what is not further on changes
nothing. Of two of one status that is further on which has moved more of the fee.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from backend.clock import DAY_MS
from backend.errors import InvalidState
from payments import ledger
from payments.dispute_schema import Acceptance, Dispute, EvidenceSubmission
from payments.history import at, happened
from payments.provider import DisputeReport, DisputeStatus
from payments.schema import EntryState, Operation, Payment, ResponseRequest

DISPUTES_MAX = 20  # of a payment: another is possible only after one was won
RESPONSES_MAX = 20  # of a payment, besides its other operations: the provider has refused most
PREFIX = "dp_"
SOON_MS = 2 * DAY_MS  # before its evidence is due, a dispute is counted
COUNTED_MAX = 1_000  # one is enough to alarm
RANKS: Mapping[DisputeStatus, int] = {"needs_response": 0, "under_review": 1, "lost": 2, "won": 3}
RESOLVED: Mapping[DisputeStatus, EntryState] = {"won": "voided", "lost": "posted"}


class Place(NamedTuple):
    """The payment that a dispute stands in, and its number there, from 1."""

    payment_id: str
    number: int


class Payments(Protocol):
    """The store of payments; `payments.store` says what the function guarantees."""

    def disputes_due_before(self, time_ms: int, *, limit: int) -> int: ...


def place(dispute_id: str) -> Place | None:
    """Return where a dispute of this id stands, or None where it is no id of a dispute."""
    name, _, number = dispute_id.removeprefix(PREFIX).partition("_")
    is_id = dispute_id.startswith(PREFIX) and number.isascii() and number.isdigit()
    if not is_id or len(number) > 2 or number.startswith("0"):
        return None
    return Place(f"pay_{name}", int(number))


def find(payment: Payment, dispute_id: str) -> Dispute | None:
    """Return the payment's dispute of this id."""
    return next((each for each in payment.disputes if each.id == dispute_id), None)


def reported(payment: Payment, report: DisputeReport, *, now_ms: int) -> Payment:
    """Return `payment` after the provider's report; the same where it tells nothing new.

    A report of other money than the payment's changes nothing: the reconciler tells of it.
    """
    dispute = of_provider(payment, report.id)
    if dispute is None:
        if not _fits(payment, report):
            return payment
        payment = _opened(at(payment, report.clock_ms), report, now_ms)
        dispute = payment.disputes[-1]
    if not _is_same(payment, dispute, report) or not _is_further(dispute, report):
        return payment
    return _moved(at(payment, report.clock_ms), dispute, report.status, report.fee, now_ms)


def of_provider(payment: Payment, provider_id: str) -> Dispute | None:
    """Return the payment's dispute that the provider calls so."""
    return next((each for each in payment.disputes if each.provider_id == provider_id), None)


def mismatches(payment: Payment, report: DisputeReport) -> list[str]:
    """Return how a dispute differs from the report of it that the payment has heard."""
    dispute = of_provider(payment, report.id)
    if dispute is None:
        return ["a dispute is of other money than was captured"]
    is_same = _is_same(payment, dispute, report)
    return [] if is_same else ["the dispute is of another amount"]


def ended_otherwise(reports: Sequence[DisputeReport]) -> list[str]:
    """Return what is wrong with disputes that were won and then lost, by reports in their order.

    A payment keeps what it was told of these: no provider has said yet that it takes a win back.
    """
    won: set[str] = set()
    wrong = []
    for each in reports:
        won |= {each.id} if each.status == "won" else set()
        wrong += ["the dispute ended otherwise"] * (each.status == "lost" and each.id in won)
    return wrong


def answerable(payment: Payment, request: ResponseRequest, *, now_ms: int) -> int:
    """Return the amount of the dispute that is answered; raises InvalidState where it cannot be."""
    dispute = find(payment, request.dispute)
    assert dispute is not None  # whoever asks has found it
    if dispute.status != "needs_response":
        raise InvalidState(f"A dispute that is {dispute.status} takes no answer.")
    if pending_response(payment, dispute):
        raise InvalidState("The dispute is being answered already; wait for what becomes of that.")
    if now_ms >= dispute.due_ms:
        raise InvalidState("The evidence was due earlier; the dispute is about to be lost.")
    return dispute.amount


def pending_response(payment: Payment, dispute: Dispute) -> Operation | None:
    """Return the operation that answers a dispute, while the provider has not taken it."""
    return next(
        (x for x in payment.operations if x.dispute == dispute.id and x.status == "pending"), None
    )


def responded(payment: Payment, operation: Operation, done: bool, now_ms: int) -> Payment:
    """Take over what became of evidence or an acceptance; a report may have been faster."""
    if not done:
        return happened(payment, f"payment.{operation.kind}_failed", now_ms, operation=operation)
    dispute = find(payment, operation.dispute or "")
    assert dispute is not None  # the operation was asked for by it
    status: DisputeStatus = "lost" if operation.kind == "dispute_acceptance" else "under_review"
    if RANKS[status] <= RANKS[dispute.status]:
        return payment
    return _moved(payment, dispute, status, dispute.fee, now_ms)


def due_soon(*, payments: Payments, now_ms: int) -> int:
    """Count the payments with a dispute whose evidence is due within SOON_MS, COUNTED_MAX at most.

    Those whose time is over are counted until the provider says that they are lost.
    """
    return payments.disputes_due_before(now_ms + SOON_MS, limit=COUNTED_MAX)


def response_fields(request: ResponseRequest) -> Mapping[str, object]:
    """Return the fields of the operation that a response has, and no other."""
    match request:
        case EvidenceSubmission(dispute=dispute, evidence=evidence):
            return {"dispute": dispute, "evidence": evidence}
        case Acceptance(dispute=dispute):
            return {"dispute": dispute}


def _opened(payment: Payment, report: DisputeReport, now_ms: int) -> Payment:
    event = len(payment.events) + 1
    dispute = Dispute(
        id=f"{PREFIX}{payment.id.removeprefix('pay_')}_{len(payment.disputes) + 1}",
        provider_id=report.id,
        amount=report.amount,
        fee=report.fee,
        reason=report.reason,
        due_ms=report.due_ms,
        event=event,
    )
    changed = _with(payment, (*payment.disputes, dispute))
    return happened(
        replace(changed, disputed_ms=now_ms),
        "payment.dispute_created",
        now_ms,
        dispute=dispute,
        entries=[
            ledger.dispute("pending", dispute, event),
            *ledger.fee(dispute, dispute.fee, event),
        ],
    )


def _moved(
    payment: Payment, dispute: Dispute, status: DisputeStatus, fee: int, now_ms: int
) -> Payment:
    """Return `payment` with its dispute in a status that is further on, and its fee."""
    after = replace(dispute, status=status, fee=fee)
    changed = _with(payment, tuple(after if each is dispute else each for each in payment.disputes))
    event = len(payment.events) + 1
    entries = ledger.fee(dispute, fee - dispute.fee, event)
    if status == dispute.status:
        return happened(changed, "payment.provider_fee", now_ms, entries=entries)
    state = RESOLVED.get(status)
    if dispute.status == "lost":
        entries.append(ledger.reversal(dispute, event))
    elif state:
        entries.append(ledger.dispute(state, dispute, event))
    name = "payment.dispute_closed" if state else "payment.dispute_updated"
    return happened(changed, name, now_ms, dispute=after, entries=entries)


def _is_further(dispute: Dispute, report: DisputeReport) -> bool:
    """Tell whether a report is news: of one status, a fee grows until it is given back."""
    if report.status != dispute.status:
        return RANKS[report.status] > RANKS[dispute.status]
    return report.fee < dispute.fee if report.status == "won" else report.fee > dispute.fee


def _with(payment: Payment, disputes: tuple[Dispute, ...]) -> Payment:
    due_ms = [each.due_ms for each in disputes if each.status == "needs_response"]
    if payment.test_clock:
        due_ms = []  # that time never comes by our clock, and is nobody's worry
    return replace(payment, disputes=disputes, dispute_due_ms=min(due_ms, default=None))


def _fits(payment: Payment, report: DisputeReport) -> bool:
    """Tell whether a new dispute is of this payment's money.

    That it takes back what others have taken already is no reason not to book it: it is gone.
    """
    return (
        (report.charge, report.currency) == (payment.charge_id, payment.currency)
        and report.amount <= payment.amount_captured
        and len(payment.disputes) < DISPUTES_MAX
    )


def _is_same(payment: Payment, dispute: Dispute, report: DisputeReport) -> bool:
    return (report.charge, report.currency, report.amount) == (
        payment.charge_id,
        payment.currency,
        dispute.amount,
    )
