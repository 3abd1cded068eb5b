"""The lines of a provider's record that move money, each beside what our ledger has of it.

An amount counts positive where the provider owes it to us: a charge, a capture; and negative where
it takes it: a refund, a fee, a dispute that is lost. What comes back of these is positive again.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from backend.clock import rfc3339
from payments import asks
from payments.provider import Effect
from payments.reports.rows import Row, Totals
from payments.schema import Entry, Payment

PROVIDER, LEDGER = "provider", "provider_clearing"  # the accounts of the totals
CHANGE = ":change:"  # within the keys of what a fee became more or less
BACK = ":reversal"  # ends the keys of what has come back


class Line(Struct, frozen=True, kw_only=True):
    """One movement of money, by the provider's record or by our ledger."""

    key: str  # by which both know it
    kind: str
    amount: int  # minor units, signed
    currency: str


def lines_of(effect: Effect) -> list[Line]:
    """Return the money that a line of the provider's record says was moved."""
    if effect.dispute:
        return _dispute_lines(effect)
    if effect.status != "succeeded":
        return []
    key, amount = effect.idempotency_key, effect.amount
    match effect.kind:
        case "charge" | "confirmation" if effect.captured:
            kind = "charge"
        case "capture":
            kind = "capture"
        case "refund":
            kind, amount = "refund", -amount
        case "fee" if amount:
            key, kind, amount = effect.id, "fee", -amount
        case _:
            return []
    return [_line(key, kind, amount, effect.currency)]


def keys_of(effect: Effect) -> set[str]:
    """Return the keys of all money that a line speaks of, also where others tell its amount."""
    keys = {each.key for each in lines_of(effect)}
    keys |= {each.key for each in _returns(effect)}
    return keys | {_fee_key(effect.dispute.id)} if effect.dispute else keys


def posted_lines(payment: Payment, entries: Iterable[Entry]) -> list[tuple[Entry, Line]]:
    """Return the money that posted entries say was moved, in the provider's words."""
    return [
        (each, _posted(payment, each))
        for each in entries
        if each.state == "posted" and LEDGER in (each.debit, each.credit)
    ]


def of_provider(payment: Payment, effect: Effect) -> Iterator[tuple[Row, Line, int]]:
    """Yield the rows of a line of the record: each with its movement, and what the ledger has."""
    ours = _by_key(payment)
    # What failed at once, or was won at once, was never taken: of that the ledger has nothing back.
    returns = [each for each in _returns(effect) if each.key in ours]
    for line in lines_of(effect) + returns:
        entered = ours.get(line.key)
        difference = ""
        if entered is None:
            difference = "the ledger has no such entry"
        elif line.currency != payment.currency:
            difference = "the provider has another currency"
        elif entered != line.amount:
            difference = "the amounts differ"
        at = rfc3339(effect.created_ms)
        kind, amount = line.kind, line.amount
        row = (at, payment.id, kind, effect.id, line.currency, amount, entered, difference)
        yield row, line, entered or 0


def of_ledger(payment: Payment, entry: Entry, line: Line) -> Row:
    """Return the row of an entry that no line of the provider's record is of."""
    at = rfc3339(payment.events[entry.event - 1].at_ms)
    difference = "the provider has no such line"
    if line.kind == "fee" and CHANGE in line.key:
        difference = "the provider tells what this fee is in all"
    return (at, payment.id, line.kind, None, line.currency, None, line.amount, difference)


def add(totals: Totals, line: Line | None, entered: tuple[str, int] | None) -> None:
    """Add a row: what the provider says, and what the ledger has, by currency."""
    if line:
        totals.add(line.currency, PROVIDER, posted=line.amount)
    if entered:
        currency, amount = entered
        totals.add(currency, LEDGER, posted=amount)


def _by_key(payment: Payment) -> Mapping[str, int]:
    sums: dict[str, int] = {}
    for _, line in posted_lines(payment, payment.ledger):
        sums[line.key] = sums.get(line.key, 0) + line.amount
    return sums


def _posted(payment: Payment, entry: Entry) -> Line:
    is_ours = entry.debit == LEDGER
    amount, account = (entry.amount, entry.credit) if is_ours else (-entry.amount, entry.debit)
    operation = payment.events[entry.event - 1].operation
    provider_ids = {each.id: each.provider_id for each in payment.disputes}
    dispute_id = entry.transfer.removesuffix(":fee").removesuffix(BACK)
    match account:
        case "receivable" if operation:
            key, kind = operation, "capture"
        case "receivable":
            key, kind = asks.charge_key(payment.id, len(payment.attempts)), "charge"
        case "fees" if dispute_id in provider_ids:
            key, kind = _fee_key(provider_ids[dispute_id]) + _change(payment, entry), "fee"
        case "fees":
            key, kind = entry.transfer, "fee"
        case "disputes":
            key, kind = provider_ids.get(dispute_id, dispute_id), "dispute"
            key += BACK if entry.transfer.endswith(BACK) else ""
        case _:
            key, kind = entry.transfer, "refund"
    return _line(key, kind, amount, payment.currency)


def _dispute_lines(effect: Effect) -> list[Line]:
    """Return the fee where a dispute begins, and its amount where it is lost."""
    report = effect.dispute
    assert report is not None  # only such lines come here
    if report.status == "needs_response" and report.fee:
        return [_line(_fee_key(report.id), "fee", -report.fee, report.currency)]
    if report.status == "lost":
        return [_line(report.id, "dispute", -report.amount, report.currency)]
    return []


def _returns(effect: Effect) -> list[Line]:
    """Return what has come back by a line, if it went before: a lost dispute, or a refund."""
    amount, currency = effect.amount, effect.currency
    if effect.dispute and effect.dispute.status == "won":
        return [_line(f"{effect.dispute.id}{BACK}", "dispute", amount, currency)]
    if effect.kind == "refund" and effect.status == "failed":
        return [_line(f"{effect.idempotency_key}{BACK}", "refund", amount, currency)]
    return []


def _change(payment: Payment, entry: Entry) -> str:
    """Return what ends the key of a fee that was more or less than at first, or nothing."""
    first = next(each for each in payment.ledger if each.transfer == entry.transfer)
    return "" if entry is first else f"{CHANGE}{entry.event}"


def _fee_key(dispute_id: str) -> str:
    return f"{dispute_id}:fee"


def _line(key: str, kind: str, amount: int, currency: str) -> Line:
    return Line(key=key, kind=kind, amount=amount, currency=currency)
