"""The rows of payments and of their double entries, and what these come to by account.

Everything is as it was at the end of the period: entries and events are only ever added, each with
its time, so a report of a period is the same whenever it is built.
"""

from collections.abc import Iterable, Iterator, Sequence

from backend.clock import rfc3339
from payments.reports.schema import Report, ReportType, Total
from payments.schema import Entry, Event, Payment
from payments.views import event_id

Row = Sequence[object]
ENTRY_COLUMNS = (
    *("at", "payment_id", "event_id", "transfer"),
    *("state", "debit", "credit", "amount", "currency"),
)
PAYMENT_COLUMNS = (
    *("payment_id", "created_at", "status", "currency", "amount", "amount_captured"),
    *("amount_refunded", "amount_held", "amount_refunding", "amount_disputing"),
    *("amount_disputed", "amount_fees", "capture_method", "payment_method", "provider"),
    *("customer", "failure_code", "description", "metadata"),
)
SETTLEMENT_COLUMNS = (
    *("at", "payment_id", "kind", "line", "currency"),
    *("provider_amount", "ledger_amount", "difference"),
)
COLUMNS: dict[ReportType, tuple[str, ...]] = {
    "balance": ENTRY_COLUMNS,
    "fees": ENTRY_COLUMNS,
    "payments": PAYMENT_COLUMNS,
    "payout": SETTLEMENT_COLUMNS,
    "mismatches": SETTLEMENT_COLUMNS,
}


class Totals:
    """Sums by currency and account."""

    def __init__(self, totals: Iterable[Total] = ()) -> None:
        self._sums = {(x.currency, x.account): [x.posted, x.pending, x.entries] for x in totals}

    def add(self, currency: str, account: str, *, posted: int = 0, pending: int = 0) -> None:
        """Add one entry."""
        sums = self._sums.setdefault((currency, account), [0, 0, 0])
        sums[0] += posted
        sums[1] += pending
        sums[2] += 1

    def enter(self, payment: Payment, entries: Iterable[Entry]) -> None:
        """Add entries of a payment; one that resolves what was pending takes it from there."""
        promised = {each.transfer for each in payment.ledger if each.state == "pending"}
        for each in entries:
            posted = each.amount if each.state == "posted" else 0
            pending = -each.amount if each.transfer in promised else 0
            if each.state == "pending":
                pending = each.amount
            for account, sign in ((each.debit, 1), (each.credit, -1)):
                self.add(payment.currency, account, posted=sign * posted, pending=sign * pending)

    def of(self, currency: str, account: str) -> tuple[int, int]:
        """Return what is posted and pending."""
        posted, pending, _ = self._sums.get((currency, account), (0, 0, 0))
        return posted, pending

    def __iter__(self) -> Iterator[Total]:
        for (currency, account), (posted, pending, entries) in sorted(self._sums.items()):
            yield Total(
                currency=currency, account=account, posted=posted, pending=pending, entries=entries
            )


def entries_of(payment: Payment, start_ms: int, end_ms: int) -> list[Entry]:
    """Return the entries of a payment that were made in a period."""
    events = payment.events
    return [each for each in payment.ledger if start_ms <= events[each.event - 1].at_ms < end_ms]


def of_payment(report: Report, payment: Payment, totals: Totals) -> Iterator[Row]:
    """Yield the rows of a payment in a report of the ledger, and add them to its totals."""
    if report.type == "payments":
        entries = entries_of(payment, 0, report.end_ms)
        totals.enter(payment, entries)
        yield _payment_row(payment, entries, report.end_ms)
        return
    entries = entries_of(payment, report.start_ms, report.end_ms)
    if report.type == "fees":
        entries = [each for each in entries if "fees" in (each.debit, each.credit)]
    totals.enter(payment, entries)
    for each in entries:
        yield _entry_row(payment, each)


def _entry_row(payment: Payment, entry: Entry) -> Row:
    return (
        rfc3339(payment.events[entry.event - 1].at_ms),
        payment.id,
        event_id(payment, entry.event),
        entry.transfer,
        entry.state,
        entry.debit,
        entry.credit,
        entry.amount,
        payment.currency,
    )


def _payment_row(payment: Payment, entries: Sequence[Entry], end_ms: int) -> Row:
    sums = Totals()
    sums.enter(payment, entries)
    captured, authorized = sums.of(payment.currency, "receivable")
    refunded, refunding = sums.of(payment.currency, "refunds")
    disputed, disputing = sums.of(payment.currency, "disputes")
    fees, _ = sums.of(payment.currency, "fees")
    status = _last_event(payment, end_ms).status or payment.status
    failure = payment.failure if status == "failed" else None
    return (
        payment.id,
        rfc3339(payment.created_ms),
        status,
        payment.currency,
        payment.amount,
        -captured,
        refunded,
        -authorized,
        refunding,
        disputing,
        disputed,
        fees,
        payment.capture_method,
        payment.payment_method,
        payment.provider or "simulator",
        payment.customer,
        failure.code if failure else None,
        payment.description,
        payment.metadata,
    )


def _last_event(payment: Payment, end_ms: int) -> Event:
    """Return the last event before the end of a period in which the payment was made."""
    earlier = [each for each in payment.events if each.at_ms < end_ms]
    return earlier[-1] if earlier else payment.events[0]
