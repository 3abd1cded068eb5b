"""The store of notifications: one document each, changed by the holder of its claim."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import msgspec
from pymongo import IndexModel, ReplaceOne, ReturnDocument, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from backend import arrivals, test_clock_store, test_clocks
from backend.clock import parse_rfc3339
from backend.settings import settings
from backend.store import (
    EXPIRY,
    NEWEST,
    Document,
    collection,
    duplicates,
    insert_new,
    moment_after,
    newest,
    opened_early,
    searched,
    store_errors,
)
from backend.test_clocks import TestClock
from notifications.life_cycle import FINISHED, NEVER_MS
from notifications.schema import Attempt, Notification, NotificationQuery
from notifications.templates import store as template_store
from notifications.templates.own import OwnTemplate

LIFE_S = 90 * 86_400  # of a notification that is over
DELIVERY_LIFE_S = 30 * 86_400  # of a webhook's, of which each event makes one an endpoint
INDEXES = (
    NEWEST,
    EXPIRY,
    IndexModel([("wake_ms", 1)], name="waiting", sparse=True),
    IndexModel([("log", 1)], name="deliveries", sparse=True),
    # Of those tied to a test clock that are not over; others have not the field.
    IndexModel(
        [("test_clock", 1), ("clock_due_ms", 1)],
        name="due_by_test_clock",
        partialFilterExpression={"clock_due_ms": {"$exists": True}},
    ),
    # The filters of an endpoint's log; only deliveries to endpoints have the field.
    *(
        IndexModel(
            [(field, 1), ("log", 1)], name=name, partialFilterExpression={"log": {"$exists": True}}
        )
        for field, name in {
            "status": "deliveries_by_status",
            "rendered.template": "deliveries_by_type",
            "payment_id": "deliveries_by_payment",
        }.items()
    ),
)


def insert(notification: Notification) -> Notification | None:
    """Store a new notification; returns the one that has its id already, or None when stored."""
    with store_errors():
        try:
            _notifications().insert_one(_document(notification))
        except DuplicateKeyError:
            return _notification(_notifications().find_one({"_id": notification.id}))
    return None


def find(tenant: str, notification_id: str) -> Notification | None:
    """Return a notification of this tenant."""
    with store_errors():
        return _notification(_notifications().find_one({"_id": notification_id, "tenant": tenant}))


def find_any(notification_id: str) -> Notification | None:
    """Return a notification of any tenant, for whoever proves to be its recipient."""
    with store_errors():
        return _notification(_notifications().find_one({"_id": notification_id}))


def page(
    tenant: str,
    query: NotificationQuery,
    *,
    limit: int,
    after: Notification | None,
    before: Notification | None,
) -> list[Notification]:
    """Return up to `limit` notifications that a query asks for, newest first, next to one of these.

    No index has the filters, which each new notification would pay for. Raises InvalidRequest where
    too many have to be looked through, and Throttled where that is done too often.
    """
    whole: Document = {"tenant": tenant, **_created(query)}
    filters = {
        name: value
        for name, value in {
            "status": query.status,
            "channel": query.channel,
            "rendered.template": query.template,
            "category": query.category,
            "to": query.to,
        }.items()
        if value is not None
    }
    if filters:
        from backend import rate_limits  # noqa: PLC0415  # workers search nothing

        documents = searched(
            _notifications(),
            whole,
            filters,
            limit=limit,
            after=after,
            before=before,
            begin_long=partial(rate_limits.take_search, tenant),
        )
    else:
        documents = newest(_notifications(), whole, limit=limit, after=after, before=before)
    return [msgspec.convert(document, Notification) for document in documents]


def insert_all(notifications: Sequence[Notification]) -> None:
    """Store those that do not exist yet."""
    insert_new(_notifications(), [_document(each) for each in notifications])


def deliveries(
    tenant: str,
    endpoint_id: str,
    filters: Mapping[str, str],
    *,
    limit: int,
    after: Notification | None,
    before: Notification | None,
) -> list[Notification]:
    """Return up to `limit` deliveries to an endpoint, newest first, next to `after` or `before`.

    `filters` has the values that some fields must have, by their names in the document.
    """
    start = f"{endpoint_id}/" if before is None else before.log
    end = f"{endpoint_id}0" if after is None else after.log  # "0" comes after "/"
    way = 1 if before else -1
    with store_errors():
        documents = _notifications().find(
            {"log": {"$gt": start, "$lt": end}, "tenant": tenant, **filters},
            sort=[("log", way)],
            limit=limit,
        )
        return [msgspec.convert(each, Notification) for each in [*documents][::-way]]


def replace(before: Notification, after: Notification) -> bool:
    """Store `after` unless somebody has sent or changed the notification since `before`."""
    unchanged = {
        "_id": before.id,
        "status": before.status,
        "claim": before.claim,
        "claimable_at_ms": before.claimable_at_ms,
    }
    with store_errors():
        return _notifications().replace_one(unchanged, _document(after)).matched_count == 1


def find_template(template_id: str, *, with_earlier: bool) -> OwnTemplate | None:
    """Return a template of a tenant's own; earlier versions only where they are wanted."""
    return template_store.find(template_id, with_earlier=with_earlier)


def tie(tenant: str, clock_id: str) -> TestClock:
    """Count one object more of a test clock, and return the clock; raises InvalidRequest."""
    test_clocks.check_allowed(settings.test_clocks)
    return test_clocks.tie(clock_id, tenant=tenant, clocks=test_clock_store)


def cancel(tenant: str, notification_id: str) -> Notification | None:
    """Cancel a notification that is queued; returns it, or None where there is none such."""
    canceled = {"status": "canceled", "claimable_at_ms": NEVER_MS}
    with store_errors():
        document = _notifications().find_one_and_update(
            {"_id": notification_id, "tenant": tenant, "status": "queued"},
            {
                "$set": {**canceled, "expires_at": moment_after(LIFE_S)},
                "$unset": {"wake_ms": "", "clock_due_ms": ""},
            },
            return_document=ReturnDocument.AFTER,
        )
        return _notification(document)


def bounced(notification_id: str, attempt: Attempt) -> None:
    """Store that a notification which was delivered came back."""
    with store_errors():
        _notifications().update_one(
            {"_id": notification_id, "status": "delivered"},
            {"$set": {"status": "failed"}, "$push": {"attempts": msgspec.to_builtins(attempt)}},
        )


def claim(
    ids: Collection[str],
    new: Collection[Notification],
    *,
    claim: str,
    now_ms: int,
    until_ms: int,
) -> list[Notification]:
    """Claim what is claimable of `ids` and `new`, storing those of `new` that do not exist.

    Returns all of them that exist, whoever has them: look at their `claim`.
    """
    update = {
        "$set": {"status": "sending", "claim": claim, "claimable_at_ms": until_ms},
        "$push": {"attempts": msgspec.to_builtins(Attempt(at_ms=now_ms))},
    }
    writes = [UpdateOne(_claimable(each, now_ms), update) for each in ids]
    writes += [
        UpdateOne(
            _claimable(each.id, now_ms),
            {**update, "$setOnInsert": _document(each, without=("_id", *CLAIMED_FIELDS))},
            upsert=True,
        )
        for each in new
    ]
    every = [*ids, *(each.id for each in new)]
    with store_errors():
        try:
            _notifications().bulk_write(writes, ordered=False)
        except BulkWriteError as error:
            # An upsert that met an unclaimable document: it exists, which is all it asked.
            duplicates(error)
        documents = _notifications().find({"_id": {"$in": every}})
        return [msgspec.convert(document, Notification) for document in documents]


def finish(changed: Sequence[Notification]) -> None:
    """Store what an attempt made of notifications, unless another batch has claimed them since."""
    if not changed:
        return
    with store_errors():
        _notifications().bulk_write(
            [
                ReplaceOne({"_id": each.id, "claim": each.claim}, _document(each))
                for each in changed
            ],
            ordered=False,
        )


def waiting(until_ms: int, *, limit: int) -> list[Notification]:
    """Return notifications to wake by `until_ms`, longest due first."""
    with store_errors():
        documents = _notifications().find(
            {"wake_ms": {"$lte": until_ms}}, sort=[("wake_ms", 1)], limit=limit
        )
        return [msgspec.convert(document, Notification) for document in documents]


def woken(notifications: Sequence[Notification]) -> None:
    """Store when these must be woken next, unless somebody else has changed that meanwhile."""
    if not notifications:
        return
    with store_errors():
        _notifications().bulk_write(
            [
                UpdateOne(
                    {"_id": each.id, "claimable_at_ms": each.claimable_at_ms},
                    {"$set": {"wake_ms": each.wake_ms}},
                )
                for each in notifications
            ],
            ordered=False,
        )


def first_due(clock_id: str, until_ms: int, *, limit: int) -> list[Notification]:
    """Return notifications due by a time of their test clock, the first due first."""
    due = {"test_clock": clock_id, "clock_due_ms": {"$exists": True, "$lte": until_ms}}
    with store_errors():
        documents = _notifications().find(due, sort=[("clock_due_ms", 1)], limit=limit)
        return [msgspec.convert(document, Notification) for document in documents]


def _created(query: NotificationQuery) -> Document:
    bounds = {"$gte": ("created_gte", query.created_gte), "$lt": ("created_lt", query.created_lt)}
    created = {
        operator: parse_rfc3339(text, param=param)
        for operator, (param, text) in bounds.items()
        if text is not None
    }
    return {"created_ms": created} if created else {}


CLAIMED_FIELDS = ("status", "claim", "claimable_at_ms", "attempts")  # which the update itself sets


def _claimable(notification_id: str, now_ms: int) -> Document:
    return {"_id": notification_id, "claimable_at_ms": {"$lte": now_ms}}


@opened_early
def _notifications() -> MongoCollection[Document]:
    return collection(arrivals.NOTIFICATIONS, INDEXES)


def _document(notification: Notification, *, without: Collection[str] = ()) -> Document:
    document: Document = msgspec.to_builtins(notification)
    # Of those tied to a test clock, which may never come to their time, every change begins a life.
    if notification.status in FINISHED or notification.test_clock:
        is_delivery = notification.channel == "webhook"
        document["expires_at"] = moment_after(DELIVERY_LIFE_S if is_delivery else LIFE_S)
    return {name: value for name, value in document.items() if name not in without}


def _notification(document: Document | None) -> Notification | None:
    return None if document is None else msgspec.convert(document, Notification)
