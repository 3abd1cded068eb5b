"""The documents of a payment, a notification or an event, as moments."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from local.spillway.story import Moment, Part, Source

TIMEOUT_MS = 5_000
NOTIFICATIONS_MAX = 200  # of one payment
PLACE = "document"
# What the provider answered before a payment's event of this type.
STATUS_OF_EVENT = {
    "payment.requires_capture": "succeeded",
    "payment.succeeded": "succeeded",
    "payment.canceled": "succeeded",
    "payment.hold_released": "succeeded",
    "payment.refunded": "succeeded",
    "payment.requires_action": "requires_action",
    "payment.failed": "failed",
    "payment.capture_failed": "failed",
    "payment.cancel_failed": "failed",
    "payment.refund_failed": "failed",
}
EVENT_OF_PAYMENT = re.compile(r"evt_([a-z0-9]{26})_[0-9]+$")


class DocumentsUnreadable(Exception):
    """The document store does not answer."""


def read(url: str, database: str, object_id: str, *, tenants: Collection[str]) -> Part:
    """Return what the store holds of an object and of what was made for it.

    An event is found by its id where its tenant is one of `tenants`. Raises DocumentsUnreadable.
    """
    client: MongoClient[Any] = MongoClient(
        url, serverSelectionTimeoutMS=TIMEOUT_MS, socketTimeoutMS=TIMEOUT_MS
    )
    try:
        return _read(client[database], object_id, tenants)
    except PyMongoError as error:
        raise DocumentsUnreadable("the document store does not answer") from error
    finally:
        client.close()


def _read(store: Any, object_id: str, tenants: Collection[str]) -> Part:
    event = EVENT_OF_PAYMENT.match(object_id)  # as the API names one
    payment_id = f"pay_{event[1]}" if event else object_id
    payment = store["payments"].find_one({"_id": payment_id})
    if payment is not None:
        tenant = payment["tenant"]
        made_later = {"tenant": tenant, "created_ms": {"$gte": payment["created_ms"]}}
        notifications = store["notifications"].find(
            {**made_later, "payment_id": payment_id}, limit=NOTIFICATIONS_MAX
        )
        event_ids = [f"{tenant}:{payment_id}.{each['n']}" for each in payment["events"]]
        events = store["analytics_events"].find({"_id": {"$in": event_ids}})
        return _together([_payment(payment), *map(_notification, notifications), _events(events)])
    notification = store["notifications"].find_one({"_id": object_id})
    if notification is not None:
        return _notification(notification)
    event_ids = [f"{tenant}:{object_id}" for tenant in tenants]
    return _events(store["analytics_events"].find({"_id": {"$in": event_ids}}))


def _together(parts: Sequence[Part]) -> Part:
    moments = tuple(moment for part in parts for moment in part.moments)
    return Part(moments, frozenset().union(*(part.ids for part in parts)))


def _payment(payment: dict[str, Any]) -> Part:
    ids = {payment["_id"], *filter(None, [payment.get("charge_id")])}
    return Part(tuple(_chained(payment["_id"], _moments_of_payment(payment))), frozenset(ids))


def _chained(document_id: str, moments: Iterable[Moment]) -> Iterator[Moment]:
    """Yield the moments of one document, each after the one before it."""
    before: tuple[str, ...] = ()
    for number, moment in enumerate(moments):
        key = moment.key or f"{document_id}#{number}"
        yield replace(moment, key=key, after=(*before, *moment.after))
        before = (key,)


def _moments_of_payment(payment: dict[str, Any]) -> Iterator[Moment]:
    for event in payment["events"]:
        yield from _moments_of_event(payment, event)
    failure = payment.get("failure")
    last_ms = payment["events"][-1]["at_ms"]
    if failure:
        text = f"failed with {failure['code']}: {failure['message']}"
        yield Moment(last_ms, PLACE, text, "document")
    for outgoing in payment.get("outbox", []):
        promised_ms = payment.get("promised_ms") or last_ms
        text = f"a message for {outgoing['queue']} is still to be sent"
        yield Moment(promised_ms, "outbox", text, "queue")
    text = "is {status}: {amount} {currency}, version {version}".format(**payment)
    yield Moment(last_ms, PLACE, text, "document")


def _moments_of_event(payment: dict[str, Any], event: dict[str, Any]) -> Iterator[Moment]:
    """Yield an event of a payment and its ledger entries."""
    at_ms, currency = event["at_ms"], payment["currency"]
    amount = f" {event['amount']} {currency}" if event.get("amount") else ""
    operation = f" ({event['operation']})" if event.get("operation") else ""
    yield Moment(
        at_ms,
        PLACE,
        f"{event['type']}{amount}{operation}",
        "document",
        key=key_of_event(payment["_id"], event["n"]),
        after=_effects(payment, event),
    )
    for entry in payment.get("ledger", []):
        if entry["event"] == event["n"]:
            text = "{state} {debit} -> {credit} {amount} {currency} ({transfer})"
            yield Moment(at_ms, "ledger", text.format(currency=currency, **entry), "ledger")


def key_of_event(payment_id: str, number: int) -> str:
    """Return the id under which a payment's event is announced to others."""
    return f"{payment_id}.{number}"


def key_of_effect(order: str, status: str) -> str:
    """Return the key of what the provider did, by the order's own key."""
    return f"{order} {status}"


def _effects(payment: dict[str, Any], event: dict[str, Any]) -> tuple[str, ...]:
    """Return the key of what the provider did before this event could happen."""
    status = STATUS_OF_EVENT.get(event["type"])
    if status is None:
        return ()
    tries = sum(each["event"] < event["n"] for each in payment.get("attempts", []))
    charge = f"{payment['_id']}:charge" + (f":{tries + 1}" if tries else "")
    return (key_of_effect(event.get("operation") or charge, status),)


def _notification(notification: dict[str, Any]) -> Part:
    ids = {notification["_id"], *filter(None, [notification.get("payment_id")])}
    moments = _moments_of_notification(notification)
    return Part(tuple(_chained(notification["_id"], moments)), frozenset(ids))


def _moments_of_notification(notification: dict[str, Any]) -> Iterator[Moment]:
    notification_id, rendered = notification["_id"], notification["rendered"]
    made = f"{notification['channel']} {rendered['template']} to {notification['to']}"
    source: Source = "webhook" if notification["channel"] == "webhook" else "mail"
    last_ms = notification["created_ms"]
    # A webhook's fingerprint is the id of the event that it tells.
    cause = (notification["fingerprint"],)
    yield Moment(last_ms, notification_id, f"accepted: {made}", "document", after=cause)
    for attempt in notification.get("attempts", []):
        outcome = attempt.get("outcome") or {"result": "not answered yet"}
        words = (str(outcome[name]) for name in ("result", "code", "reason") if outcome.get(name))
        last_ms = attempt["at_ms"]
        is_taken = outcome["result"] == "delivered"
        yield Moment(
            last_ms,
            notification_id,
            f"attempt: {' '.join(words)}",
            source,
            after=(key_of_mail(notification_id),) if is_taken else (),
        )
    yield Moment(last_ms, notification_id, f"is {notification['status']}", "document")


def key_of_mail(notification_id: str) -> str:
    """Return the key of a notification's arrival in the mailbox."""
    return f"{notification_id} arrived"


def _events(events: Iterable[dict[str, Any]]) -> Part:
    return Part(tuple(map(_event, events)))


def _event(event: dict[str, Any]) -> Moment:
    _, _, event_id = event["_id"].partition(":")
    text = f"took {event['name']} to be counted"
    return Moment(event["stored_at_ms"], "analytics", text, "document", after=(event_id,))
