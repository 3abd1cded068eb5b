"""The messages to others about a change: events for analytics, a receipt for the customer."""

from collections.abc import Mapping, Sequence

import msgspec

from backend.clock import rfc3339
from backend.domain_events import TYPES
from payments import ledger
from payments.dispute_schema import Dispute
from payments.provider import DisputeStatus
from payments.schema import Event, Failure, Outgoing, Payment

# Whatever a shop has to act on; what it asked for itself (`payment.refund_requested`) it knows.
ANNOUNCED = frozenset(TYPES)
STATUSES: Mapping[
    str, DisputeStatus | None
] = {  # of a dispute after these events; None: as it ended
    "payment.dispute_created": "needs_response",
    "payment.dispute_updated": "under_review",
    "payment.dispute_closed": None,
}


def announcements(before: Payment, after: Payment) -> list[Outgoing]:
    """Return the messages that the events between two versions of a payment call for."""
    fresh = [each for each in after.events[len(before.events) :] if each.type in ANNOUNCED]
    outgoing: list[Outgoing] = []
    if fresh:
        outgoing.append(announcement(after, fresh))
    if has_receipt(after) and not before.amount_captured:
        outgoing.append(receipt(after))
    return outgoing


def announcement(payment: Payment, events: Sequence[Event]) -> Outgoing:
    """Return the message that tells analytics and webhooks of some events of a payment."""
    body = {"tenant": payment.tenant, "events": [_event(payment, each) for each in events]}
    return Outgoing(queue="analytics", body=_json(body))


def has_receipt(payment: Payment) -> bool:
    """Tell whether a receipt is due: one was asked for, and something was paid."""
    return bool(payment.receipt_email and payment.amount_captured)


def receipt(payment: Payment) -> Outgoing:
    """Return the message that asks for a payment's receipt, which is of its first capture."""
    return Outgoing(queue="notifications", body=_json({"request": _receipt(payment)}))


def receipt_key(payment: Payment) -> str:
    """Return the key that a payment's receipt is asked for under: there is one only."""
    return f"{payment.id}.receipt"


def _event(payment: Payment, event: Event) -> dict[str, object]:
    properties = {"currency": payment.currency}
    if failure := _failure_at(payment, event):
        properties["decline_code"] = failure.code
    clock = {"clock": {"id": payment.test_clock, "now_ms": event.clock_ms}}
    return {
        "event_id": f"{payment.id}.{event.n}",
        "name": event.type,
        "occurred_at_ms": event.at_ms,
        "user_id": None,
        "value": event.amount or payment.amount,  # a failed payment moves nothing
        "properties": properties,
        "sequence": event.n,
        "data": _data(payment, event),
        **(clock if payment.test_clock else {}),
    }


def _data(payment: Payment, event: Event) -> dict[str, object]:
    """Return what a webhook tells: the payment as it was right after `event`."""
    data: dict[str, object] = {
        "id": payment.id,
        "status": event.status,
        "amount": payment.amount,
        "amount_captured": event.amount_captured,
        "amount_refunded": event.amount_refunded,
        "currency": payment.currency,
        "metadata": payment.metadata,
    }
    for each in payment.operations:
        if each.id == event.operation and not each.dispute:
            data[each.kind] = {"id": each.id, "amount": each.amount}
    if dispute := _dispute(payment, event):
        data["dispute"] = {
            "id": dispute.id,
            "status": _status_after(payment, event, dispute),
            "amount": dispute.amount,
            "fee": ledger.fee_at(payment, dispute, event.n),
            "reason": dispute.reason,
            "evidence_due_by": rfc3339(dispute.due_ms),
        }
    if payment.test_clock:
        data["test_clock"] = {"id": payment.test_clock, "time": rfc3339(event.clock_ms or 0)}
    failure = _failure_at(payment, event)
    if failure and event.type == "payment.failed":
        data["decline_code"] = failure.code
    return data


def _dispute(payment: Payment, event: Event) -> Dispute | None:
    """Return the dispute that an event belongs to, itself or by the operation that answers it."""
    answers = {each.id: each.dispute for each in payment.operations if each.dispute}
    dispute_id = event.dispute or answers.get(event.operation or "")
    return next((each for each in payment.disputes if each.id == dispute_id), None)


def _status_after(payment: Payment, event: Event, dispute: Dispute) -> DisputeStatus:
    """Return what a dispute was right after an event."""
    mine = [each for each in payment.events if each.dispute == dispute.id]
    last = [each for each in mine if each.n <= event.n][-1]
    is_reversed = last.type == "payment.dispute_closed" and last is not mine[-1]
    return "lost" if is_reversed else STATUSES[last.type] or dispute.status


def _failure_at(payment: Payment, event: Event) -> Failure | None:
    """Return why the try failed that an event belongs to."""
    tries = (each.failure for each in payment.attempts if each.event > event.n)
    return next(tries, payment.failure)


def _receipt(payment: Payment) -> dict[str, object]:
    captures = (each.amount_captured for each in payment.events)
    first = next((each for each in captures if each), payment.amount_captured)
    return {
        "tenant": payment.tenant,
        "key": receipt_key(payment),
        "channel": "email",
        "to": payment.receipt_email,
        "template": "payment_receipt",
        "variables": {
            "amount": first,
            "currency": payment.currency,
            "payment_id": payment.id,
        },
        "payment_id": payment.id,
    }


def _json(body: object) -> str:
    return msgspec.json.encode(body).decode()
