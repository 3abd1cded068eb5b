"""The messages to others about a change: events for analytics, a receipt for the customer."""

import msgspec

from payments.schema import Event, Outgoing, Payment

# Whatever a shop has to act on; what it asked for itself (`payment.refund_requested`) it knows.
ANNOUNCED = {
    "payment.succeeded",
    "payment.requires_capture",
    "payment.requires_action",
    "payment.failed",
    "payment.canceled",
    "payment.hold_released",
    "payment.refunded",
    "payment.capture_failed",
    "payment.cancel_failed",
    "payment.refund_failed",
}


def announcements(before: Payment, after: Payment) -> list[Outgoing]:
    """Return the messages that the events between two versions of a payment call for."""
    fresh = [each for each in after.events[len(before.events) :] if each.type in ANNOUNCED]
    outgoing: list[Outgoing] = []
    if fresh:
        events = [_event(after, each) for each in fresh]
        body = {"tenant": after.tenant, "events": events}
        outgoing.append(Outgoing(queue="analytics", body=_json(body)))
    if after.receipt_email and after.amount_captured and not before.amount_captured:
        outgoing.append(Outgoing(queue="notifications", body=_json({"request": _receipt(after)})))
    return outgoing


def _event(payment: Payment, event: Event) -> dict[str, object]:
    properties = {"currency": payment.currency}
    if payment.failure:
        properties["decline_code"] = payment.failure.code
    return {
        "event_id": f"{payment.id}.{event.n}",
        "name": event.type,
        "occurred_at_ms": event.at_ms,
        "user_id": None,
        "value": event.amount or payment.amount,  # a failed payment moves nothing
        "properties": properties,
        "sequence": event.n,
        "data": _data(payment, event),
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
        if each.id == event.operation:
            data[each.kind] = {"id": each.id, "amount": each.amount}
    if payment.failure and event.type == "payment.failed":
        data["decline_code"] = payment.failure.code
    return data


def _receipt(payment: Payment) -> dict[str, object]:
    return {
        "tenant": payment.tenant,
        "key": f"{payment.id}.receipt",
        "channel": "email",
        "to": payment.receipt_email,
        "template": "payment_receipt",
        "variables": {
            "amount": payment.amount_captured,
            "currency": payment.currency,
            "payment_id": payment.id,
        },
        "payment_id": payment.id,
    }


def _json(body: object) -> str:
    return msgspec.json.encode(body).decode()
