"""The double entries of one payment: what each event moves, and what must hold of them.

Money is promised (pending), moved (posted) or given up (voided). Entries are only ever added.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from payments.dispute_schema import Dispute
from payments.schema import Account, Entry, EntryState, Event, Operation, Payment, Status

CHARGE = "charge"


def charge(state: EntryState, amount: int, event: int) -> Entry:
    """Book a charge: the provider owes us `amount`, and we owe it to the tenant."""
    return Entry(
        transfer=CHARGE,
        state=state,
        debit="provider_clearing",
        credit="receivable",
        amount=amount,
        event=event,
    )


def refund(state: EntryState, operation: Operation, event: int) -> Entry:
    """Book a refund: its amount goes back through the provider."""
    return Entry(
        transfer=operation.id,
        state=state,
        debit="refunds",
        credit="provider_clearing",
        amount=operation.amount,
        event=event,
    )


def refund_back(operation: Operation, event: int) -> Entry:
    """Book that a refund was sent back after it was made: its amount has come back."""
    return _reversal(refund("posted", operation, event))


def dispute(state: EntryState, dispute: Dispute, event: int) -> Entry:
    """Book a dispute: its amount is held back, then withdrawn or released."""
    return Entry(
        transfer=dispute.id,
        state=state,
        debit="disputes",
        credit="provider_clearing",
        amount=dispute.amount,
        event=event,
    )


def reversal(lost: Dispute, event: int) -> Entry:
    """Book that a dispute was won after it was lost: what was withdrawn has come back."""
    return _reversal(dispute("posted", lost, event))


def fee(dispute: Dispute, amount: int, event: int) -> list[Entry]:
    """Book by how much the fee of a dispute grows; less than 0 is given back, 0 is no entry."""
    entry = provider_fee(_fee_of(dispute), abs(amount), event)
    return [_back(entry) if amount < 0 else entry] if amount else []


def fee_at(payment: Payment, dispute: Dispute, event: int) -> int:
    """Return what the fee of a dispute was right after an event."""
    entries = [each for each in payment.ledger if each.event <= event]
    return _net((each for each in entries if each.transfer == _fee_of(dispute)), "fees")


def provider_fee(transfer: str, amount: int, event: int) -> Entry:
    """Book a fee that the provider keeps of what it owes us."""
    return Entry(
        transfer=transfer,
        state="posted",
        debit="fees",
        credit="provider_clearing",
        amount=amount,
        event=event,
    )


def entered(payment: Payment, entries: Sequence[Entry]) -> Payment:
    """Return `payment` with more entries and what is then open."""
    ledger = (*payment.ledger, *entries)
    changed = replace(
        payment,
        ledger=ledger,
        amount_held=_open_charges(ledger),
        amount_refunding=_refunding(ledger),
    )
    if not payment.disputes:
        return changed
    return replace(
        changed,
        amount_disputing=_open(_debits(ledger, "disputes")),
        amount_disputed=_posted(changed, "disputes"),
        amount_fees=_posted(changed, "fees"),
    )


def disputable(payment: Payment) -> int:
    """Return what is captured and neither refunded nor disputed, in minor units.

    It is negative while a dispute is known and not yet that an earlier one was won; or for good,
    where a bank takes back what was refunded already.
    """
    disputed = payment.amount_disputing + payment.amount_disputed
    return payment.amount_captured - payment.amount_refunded - disputed


def refundable(payment: Payment) -> int:
    """Return what is disputable and not promised to a refund, in minor units."""
    return max(0, disputable(payment) - payment.amount_refunding)


def violations(payment: Payment) -> list[str]:
    """Return what does not hold of a payment, one sentence each; an empty list is the proof."""
    accounts: tuple[Account, ...] = ("receivable", "refunds", "fees")
    posted = {each: _posted(payment, each) for each in accounts}
    disputing, disputed, fees = _disputed(payment.disputes)
    refund_ids = {each.id for each in payment.operations if each.kind == "refund"}
    authorized_amount = sum(
        each.amount for each in payment.ledger if each.state == "pending" and _is_charge(each)
    )
    claims = {
        "the events are numbered without gaps": [each.n for each in payment.events]
        == list(range(1, len(payment.events) + 1)),
        "the ledger has captured what the payment says": posted["receivable"]
        == payment.amount_captured,
        "the ledger has refunded what the payment says": posted["refunds"]
        == payment.amount_refunded,
        "no more is captured than the payment's amount": payment.amount_captured <= payment.amount,
        "no more is refunded than captured": payment.amount_refunded + payment.amount_refunding
        <= payment.amount_captured,
        "the ledger holds back what open disputes are of": _open(
            _debits(payment.ledger, "disputes")
        )
        == payment.amount_disputing
        == disputing,
        "the ledger has withdrawn what lost disputes are of": _posted(payment, "disputes")
        == payment.amount_disputed
        == disputed,
        "the ledger has the fee of every dispute": _dispute_fees(payment) == fees,
        "every dispute has its entries": [
            each.transfer for each in _debits(payment.ledger, "disputes") if each.state == "pending"
        ]
        == [each.id for each in payment.disputes],
        "what is held is the payment's amount": authorized_amount in (0, payment.amount),
        "the ledger holds what the payment says": _open_charges(payment.ledger)
        == payment.amount_held
        >= 0,
        "the ledger is refunding what the payment says": _refunding(payment.ledger)
        == payment.amount_refunding
        >= 0,
        "the ledger has the fees that the payment says": posted["fees"] == payment.amount_fees,
        "every refund has its entries": {
            each.transfer for each in _debits(payment.ledger, "refunds")
        }
        == refund_ids,
        "money and status agree": _status_agrees(payment),
        "the last event tells what the payment is": _public_state(payment.events[-1])
        in (_public_state(payment), (None, 0, 0)),  # older versions told nothing
        "every amount is positive": all(each.amount > 0 for each in payment.ledger),
    }
    return [claim for claim, holds in claims.items() if not holds]


def _public_state(each: Payment | Event) -> tuple[Status | None, int, int]:
    return each.status, each.amount_captured, each.amount_refunded


def _status_agrees(payment: Payment) -> bool:
    statuses = [
        each.status for each in payment.operations if each.kind in ("capture", "cancel", "confirm")
    ]
    if "pending" in statuses and (payment.status != "processing" or statuses.count("pending") > 1):
        return False
    match payment.status:
        case "succeeded":
            return payment.amount_captured > 0
        case "requires_capture":
            return payment.amount_captured == 0 and payment.amount_held == payment.amount
        case "requires_action" | "failed" | "canceled":
            return payment.amount_captured == 0 and payment.amount_held == 0
        case _:
            return True


def _posted(payment: Payment, account: Account) -> int:
    """Return what an account has got, or given for good where it is the tenant's."""
    total = _net((each for each in payment.ledger if each.state == "posted"), account)
    return -total if account == "receivable" else total


def _net(entries: Iterable[Entry], account: Account) -> int:
    return sum(
        each.amount if each.debit == account else -each.amount
        for each in entries
        if account in (each.debit, each.credit)
    )


def _reversal(entry: Entry) -> Entry:
    """Return a transfer of its own that takes a posted one back: it resolves nothing pending."""
    return replace(_back(entry), transfer=f"{entry.transfer}:reversal")


def _back(entry: Entry) -> Entry:
    """Return the entry that takes one back: entries are only ever added."""
    return replace(entry, debit=entry.credit, credit=entry.debit)


def _fee_of(dispute: Dispute) -> str:
    return f"{dispute.id}:fee"


def _open(entries: Iterable[Entry]) -> int:
    """Return what is pending and not resolved; a transfer posted at once was never pending."""
    totals: dict[str, int] = {}
    for each in entries:
        if each.state == "pending":
            totals[each.transfer] = totals.get(each.transfer, 0) + each.amount
        elif each.transfer in totals:
            totals[each.transfer] -= each.amount
    return sum(totals.values())


def _open_charges(entries: Iterable[Entry]) -> int:
    return _open(each for each in entries if _is_charge(each))


def _refunding(entries: Iterable[Entry]) -> int:
    return _open(_debits(entries, "refunds"))


def _debits(entries: Iterable[Entry], account: Account) -> list[Entry]:
    return [each for each in entries if each.debit == account]


def _disputed(disputes: Iterable[Dispute]) -> tuple[int, int, int]:
    """Return what open disputes are of, what lost ones are, and the fees of all."""
    open_amount = lost_amount = fees = 0
    for each in disputes:
        open_amount += each.amount if each.status in ("needs_response", "under_review") else 0
        lost_amount += each.amount if each.status == "lost" else 0
        fees += each.fee
    return open_amount, lost_amount, fees


def _dispute_fees(payment: Payment) -> int:
    transfers = {_fee_of(each) for each in payment.disputes}
    return _net((each for each in payment.ledger if each.transfer in transfers), "fees")


def _is_charge(entry: Entry) -> bool:
    return entry.transfer == CHARGE
