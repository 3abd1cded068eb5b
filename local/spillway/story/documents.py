"""The documents of a payment, a notification or an event, as moments."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from local.spillway.story import Moment, Part

TIMEOUT_MS = 5_000
NOTIFICATIONS_MAX = 200  # of one payment
PLACE = "document"
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
    return Part(
        tuple(Moment(*each) for each in _moments_of_payment(payment)),
        frozenset({payment["_id"], *filter(None, [payment.get("charge_id")])}),
    )


def _moments_of_payment(payment: dict[str, Any]) -> Iterator[tuple[float, str, str]]:
    currency = payment["currency"]
    entries = payment.get("ledger", [])
    for event in payment["events"]:
        amount = f" {event['amount']} {currency}" if event.get("amount") else ""
        operation = f" ({event['operation']})" if event.get("operation") else ""
        yield event["at_ms"], PLACE, f"{event['type']}{amount}{operation}"
        for entry in entries:
            if entry["event"] == event["n"]:
                text = "{state} {debit} -> {credit} {amount} {currency} ({transfer})"
                yield event["at_ms"], "ledger", text.format(currency=currency, **entry)
    failure = payment.get("failure")
    last_ms = payment["events"][-1]["at_ms"]
    if failure:
        yield last_ms, PLACE, f"failed with {failure['code']}: {failure['message']}"
    for outgoing in payment.get("outbox", []):
        promised_ms = payment.get("promised_ms") or last_ms
        yield promised_ms, "outbox", f"a message for {outgoing['queue']} is still to be sent"
    total = payment["amount"]
    yield (
        last_ms,
        PLACE,
        f"is {payment['status']}: {total} {currency}, version {payment['version']}",
    )


def _notification(notification: dict[str, Any]) -> Part:
    notification_id, rendered = notification["_id"], notification["rendered"]
    made = f"{notification['channel']} {rendered['template']} to {notification['to']}"
    moments = [Moment(notification["created_ms"], notification_id, f"accepted: {made}")]
    for attempt in notification.get("attempts", []):
        outcome = attempt.get("outcome") or {"result": "not answered yet"}
        words = (str(outcome[name]) for name in ("result", "code", "reason") if outcome.get(name))
        moments.append(Moment(attempt["at_ms"], notification_id, f"attempt: {' '.join(words)}"))
    last_ms = moments[-1].at_ms
    moments.append(Moment(last_ms, notification_id, f"is {notification['status']}"))
    ids = {notification_id, *filter(None, [notification.get("payment_id")])}
    return Part(tuple(moments), frozenset(ids))


def _events(events: Iterable[dict[str, Any]]) -> Part:
    return Part(
        tuple(
            Moment(event["stored_at_ms"], "analytics", f"took {event['name']} to be counted")
            for event in events
        )
    )
