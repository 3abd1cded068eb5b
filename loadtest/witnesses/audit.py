"""The audit: what the client may claim against what the system and the outside world recorded.

Each comparison is one by one, by id, and pure; `audit` fetches the records and runs them all.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtest.generator.scenarios import (
    ANALYTICS,
    PAYMENTS,
    description_of,
    event_name,
    payment_of,
    receipt_email,
)
from loadtest.witnesses import records
from loadtest.witnesses.api import Api, ApiError
from loadtest.witnesses.claims import Claims
from loadtest.witnesses.records import Sources
from loadtest.wording import counted

EXAMPLES = 5  # named per kind of difference; the count tells the rest
MAX_ORPHANS_ASKED = 50  # charges without a payment that are looked up one by one
CLOCK_SLACK_S = 2.0  # between our clock and the system's
PAYMENT_EVENTS = {"succeeded": "payment.succeeded", "failed": "payment.failed"}
NOT_STORED = "accepted payment not stored"

Record = Mapping[str, Any]


@dataclass(slots=True)
class Audit:
    """The contract's figures, and every kind of difference with how often and where."""

    payments_accepted: int = 0
    payments_stored: int = 0
    provider_effects: int = 0
    lost: int = 0
    doubled: int = 0
    ledger_imbalance: int = 0  # minor units, summed over currencies
    events_accepted: int = 0
    events_counted: int = 0
    payment_events_expected: int = 0
    payment_events_counted: int = 0
    notifications_accepted: int = 0
    notifications_delivered: int = 0
    notifications_doubled: int = 0
    receipts_expected: int = 0
    receipts_delivered: int = 0
    unresolved: int = 0
    payments_of_others: int = 0  # created meanwhile by somebody else
    differing: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what could not be looked at, by choice

    def differs(self, kind: str, where: object) -> None:
        self.differing.setdefault(kind, []).append(str(where))

    def differences(self) -> tuple[str, ...]:
        """Return one line per kind of difference: how many, and the first few."""
        return tuple(
            f"{kind}: {len(where):,}, such as {', '.join(where[:EXAMPLES])}"
            for kind, where in self.differing.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The run on the wall clock, and what had been counted before it."""

    since_s: float
    until_s: float
    payment_events_before: Mapping[str, int]


def payment_event_counts(system: Api, *, since_s: float, until_s: float) -> dict[str, int]:
    """Return how many payment events analytics has counted, by the payment's state."""
    return {
        state: records.counted(system, name, since_s=since_s, until_s=until_s)
        for state, name in PAYMENT_EVENTS.items()
    }


def audit(claims: Claims, sources: Sources, period: Period) -> Audit:
    """Fetch every record of the run and compare; a witness that does not answer is a difference."""
    result = Audit(unresolved=len(claims.unresolved))
    for index in sorted(claims.unresolved):
        result.differs("never answered, and not when asked again", f"{claims.run}-{index}")
    for contradiction in claims.contradictions:
        result.differs("a repeated key answered with another payment", contradiction)
    since_s = period.since_s - CLOCK_SLACK_S
    steps: tuple[Callable[[], None], ...] = (
        lambda: _audit_payments(result, claims, sources, since_s),
        lambda: _audit_events(result, claims, sources.system, period),
        lambda: _audit_notifications(result, claims, sources, since_s),
    )
    for step in steps:
        try:
            step()
        except (ApiError, KeyError, TypeError, ValueError) as error:
            result.differs("could not be audited", f"{error or type(error).__name__}")
    return result


def _audit_payments(result: Audit, claims: Claims, sources: Sources, since_s: float) -> None:
    stored = list(records.newest(sources.system, "/v1/payments", since_s=since_s))
    compare_payments(result, claims, stored)
    if sources.provider is None:
        result.notes.append("the provider's journal was not compared: PROVIDER is empty")
        return
    charges = list(records.journal(sources.provider, "/charges", "charges"))
    compare_charges(result, claims, stored, charges)
    stored_ids = {payment["id"] for payment in stored}
    recent = [charge["reference"] for charge in charges if charge["created_ms"] >= since_s * 1000]
    _audit_orphans(result, [each for each in recent if each not in stored_ids], sources, since_s)


def _audit_orphans(
    result: Audit, references: Iterable[str], sources: Sources, since_s: float
) -> None:
    """Look whose payments these charges are: an earlier one, another tenant's, or nobody's."""
    references = list(references)
    of_others: set[str] = set()
    if references:
        for tenant in sources.other_tenants:
            payments = records.newest(tenant, "/v1/payments", since_s=since_s)
            of_others |= {payment["id"] for payment in payments}
    strange = [each for each in references if each not in of_others]
    for reference in strange[:MAX_ORPHANS_ASKED]:
        everybody = (sources.system, *sources.other_tenants)
        if all(tenant.find(f"/v1/payments/{reference}") is None for tenant in everybody):
            result.differs("charged by the provider without a payment", reference)
    count = len(of_others & set(references))
    if count:
        result.notes.append(f"other tenants had {counted(count, 'payment')} charged meanwhile")


def compare_payments(result: Audit, claims: Claims, stored: Iterable[Record]) -> None:
    """Check that every accepted key has one payment, in the state its test token leads to."""
    by_description = _grouped(stored, "description")
    result.payments_of_others = sum(
        len(payments)
        for description, payments in by_description.items()
        if not description.startswith(f"load {claims.run} ")
    )
    if result.payments_of_others:
        result.notes.append(
            f"others created {counted(result.payments_of_others, 'payment')} meanwhile: "
            "payment events cannot be told apart, so more of them than expected is no difference"
        )
    for index, payment_id in claims.payments.items():
        mine = by_description.pop(description_of(claims.run, index), [])
        result.payments_stored += len(mine)
        if payment_id not in [payment["id"] for payment in mine]:
            result.lost += 1
            result.differs(NOT_STORED, payment_id)
        if len(mine) > 1:
            result.doubled += len(mine) - 1
            result.differs("one key, several payments", ", ".join(p["id"] for p in mine))
        for payment in mine:
            _compare_payment(result, index, payment)
    result.payments_accepted = len(claims.payments)
    either_way = claims.unresolved | claims.uncertain.get(PAYMENTS, set())
    open_ends = {description_of(claims.run, index) for index in either_way}
    for description, unclaimed in by_description.items():
        if description.startswith(f"load {claims.run} ") and description not in open_ends:
            result.payments_stored += len(unclaimed)
            result.differs("stored though it was refused", unclaimed[0]["id"])


def _compare_payment(result: Audit, index: int, payment: Record) -> None:
    order, state = payment_of(index), state_of(index)
    code = (payment.get("failure") or {}).get("code")
    if payment["status"] != state or code != order.decline_code:
        got = payment["status"] if code is None else f"{payment['status']} {code}"
        result.differs("payment in the wrong state", f"{payment['id']} is {got}, not {state}")
    captured = 0 if order.decline_code else order.amount
    expected = (order.amount, order.currency, captured)
    if (payment["amount"], payment["currency"], payment["amount_captured"]) != expected:
        result.differs("payment of another amount", payment["id"])


def compare_charges(
    result: Audit, claims: Claims, stored: Iterable[Record], charges: Iterable[Record]
) -> None:
    """Check that every accepted payment has one charge, of its amount, and equal captures."""
    by_reference = _grouped(charges, "reference")
    captured = {payment["id"]: payment["amount_captured"] for payment in stored}
    missing = set(result.differing.get(NOT_STORED, ()))
    for index, payment_id in claims.payments.items():
        order = payment_of(index)
        mine = by_reference.get(payment_id, [])
        result.provider_effects += len(mine)
        if not mine:
            result.lost += payment_id not in missing
            result.differs("accepted payment never charged", payment_id)
        if len(mine) > 1:
            result.doubled += len(mine) - 1
            result.differs("charged more than once", payment_id)
        for charge in mine:
            if (charge["amount"], charge["currency"]) != (order.amount, order.currency):
                result.differs("charge of another amount", payment_id)
        charged = sum(charge["amount"] for charge in mine if charge["captured"])
        result.ledger_imbalance += abs(captured.get(payment_id, 0) - charged)
        if captured.get(payment_id, 0) != charged:
            result.differs("captured here and at the provider differ", payment_id)


def _audit_events(result: Audit, claims: Claims, system: Api, period: Period) -> None:
    span = {"since_s": period.since_s, "until_s": period.until_s}
    result.events_accepted = claims.events.total()
    extra = Counter(event_name(claims.run, i) for i in claims.uncertain.get(ANALYTICS, ()))
    for name in sorted(claims.events | extra):
        accepted, counted = claims.events[name], records.counted(system, name, **span)
        result.events_counted += counted
        if not accepted <= counted <= accepted + extra[name]:
            result.differs("events counted", f"{name} {counted:,} of {accepted:,}")
    expected = Counter(state_of(index) for index in claims.payments)
    extra = Counter(state_of(index) for index in claims.uncertain.get(PAYMENTS, ()))
    for state, total in payment_event_counts(system, **span).items():
        counted = total - period.payment_events_before.get(state, 0)
        result.payment_events_expected += expected[state]
        result.payment_events_counted += counted
        most = expected[state] + extra[state]
        if counted < expected[state] or (counted > most and not result.payments_of_others):
            where = f"payment.{state} {counted:,} of {expected[state]:,}"
            result.differs("payment events counted", where)


def _audit_notifications(result: Audit, claims: Claims, sources: Sources, since_s: float) -> None:
    stored = records.newest(sources.system, "/v1/notifications", since_s=since_s)
    status = {each["id"]: str(each["status"]) for each in stored}
    if sources.mailbox is None:
        result.notes.append("mails were not compared: MAILBOX is empty")
        mails = None
    else:
        mails = list(records.journal(sources.mailbox, "/messages", "messages"))
        compare_receipts(result, claims, mails)
    compare_notifications(result, claims, status, mails)


def compare_notifications(
    result: Audit, claims: Claims, status: Mapping[str, str], mails: Iterable[Record] | None
) -> None:
    """Check that every accepted notification is delivered and in the mailbox once."""
    copies_by_id = (
        None if mails is None else Counter(mail["message_id"].strip("<>") for mail in mails)
    )
    result.notifications_accepted = len(claims.notifications)
    for index, notification_id in claims.notifications.items():
        copies = 1 if copies_by_id is None else copies_by_id[f"{notification_id}@spillway.example"]
        if status.get(notification_id) != "delivered":
            got = status.get(notification_id, "not stored")
            result.differs("notification not delivered", f"{notification_id} is {got}")
        elif copies == 0:
            result.differs("delivered, but not in the mailbox", notification_id)
        else:
            result.notifications_delivered += 1
        if copies > 1:
            result.notifications_doubled += copies - 1
            result.differs("mailed more than once", f"{claims.run}-{index} {notification_id}")


def compare_receipts(result: Audit, claims: Claims, mails: Iterable[Record]) -> None:
    """Check that every succeeded payment that named a `receipt_email` has one mail there."""
    copies = Counter(address for mail in mails for address in _recipients(mail))
    for index, payment_id in claims.payments.items():
        order = payment_of(index)
        if not order.receipt or order.decline_code:
            continue
        result.receipts_expected += 1
        mails_count = copies[receipt_email(claims.run, index)]
        result.receipts_delivered += mails_count > 0
        if mails_count != 1:
            result.differs("receipts mailed", f"{mails_count} for {payment_id}")


def state_of(index: int) -> str:
    """Return the state that the payment of this arrival must end in."""
    return "failed" if payment_of(index).decline_code else "succeeded"


def _recipients(mail: Record) -> list[str]:
    to = mail["to"]
    return [to] if isinstance(to, str) else list(to)


def _grouped(each: Iterable[Record], key: str) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in each:
        groups[record[key] or ""].append(record)
    return groups
