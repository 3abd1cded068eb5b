"""The store of payments' sums: a document for each tenant, currency and period; and pointers.

All of it is made from the payments: delete the collection `balances`, the pointers, and every
period is added up again.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec
from pymongo import IndexModel, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import DuplicateKeyError

from backend.store import Document, collection, store_errors
from payments.balances import NOTHING, Period, Pointer, Sums

SUMS = {name: {"$sum": f"${name}"} for name in NOTHING}
BEHIND = (IndexModel([("up_to_ms", 1)], name="behind"),)
INDEXES = (
    IndexModel([("tenant", 1), ("start_ms", 1)], name="periods"),
    IndexModel([("tenant", 1), ("touched_ms", 1)], name="touched"),
    IndexModel([("touched_ms", 1)], name="longest_touched", sparse=True),
)


def pointer(tenant: str) -> Pointer:
    """Return the tenant's pointer; there is one from then on."""
    with store_errors():
        document = _pointers().find_one({"_id": tenant})
        if document:
            return _pointer(document)
        _pointers().update_one({"_id": tenant}, {"$setOnInsert": {"up_to_ms": 0}}, upsert=True)
        return Pointer(tenant=tenant, up_to_ms=0)


def pointers() -> list[Pointer]:
    """Return the pointers of all tenants."""
    with store_errors():
        return [_pointer(each) for each in _pointers().find()]


def least_behind(time_ms: int) -> Pointer | None:
    """Return the pointer that is nearest before `time_ms`."""
    with store_errors():
        document = _pointers().find_one({"up_to_ms": {"$lt": time_ms}}, sort=[("up_to_ms", -1)])
        return _pointer(document) if document else None


def advance(pointer: Pointer, up_to_ms: int) -> None:
    """Move a pointer on, unless somebody else has moved or deleted it."""
    with store_errors():
        _pointers().update_one(
            {"_id": pointer.tenant, "up_to_ms": pointer.up_to_ms}, {"$set": {"up_to_ms": up_to_ms}}
        )


def touch(periods: Iterable[Period], *, now_ms: int) -> None:
    """Say that payments of these periods are about to change: their sums hold no longer."""
    touched = [
        UpdateOne(
            {"_id": each.id},
            {
                "$setOnInsert": _key(each),
                "$inc": {"touches": 1},
                "$max": {"touched_ms": now_ms, "changed_ms": now_ms},
            },
            upsert=True,
        )
        for each in periods
    ]
    if touched:
        with store_errors():
            _periods().bulk_write(touched, ordered=False)


def periods(tenant: str, start_ms: int) -> list[Period]:
    """Return a tenant's periods that begin at `start_ms`, one for each currency."""
    return _stored({"tenant": tenant, "start_ms": start_ms})


def touched(tenant: str) -> list[Period]:
    """Return a tenant's periods that were touched and not folded since."""
    return _stored({"tenant": tenant, "touched_ms": {"$gt": 0}})


def changed_since(tenant: str, time_ms: int, *, start_ms: int) -> int | None:
    """Return the first start, from `start_ms` on, of a period that was touched since `time_ms`.

    Versions before this one did not note when: what they touched may be.
    """
    begins = {"tenant": tenant, "start_ms": {"$gte": start_ms}}
    unknown = {"touches": {"$gt": 0}, "changed_ms": {"$exists": False}}
    changed = {**begins, "$or": [{"changed_ms": {"$gte": time_ms}}, unknown]}
    with store_errors():
        document = _periods().find_one(changed, {"start_ms": 1}, sort=[("start_ms", 1)])
        return int(document["start_ms"]) if document else None


def touched_before(time_ms: int, *, limit: int) -> list[Period]:
    """Return periods last touched before `time_ms` and not folded since, longest ago first."""
    return _stored({"touched_ms": {"$lt": time_ms}}, limit=limit)


def sums(tenant: str, *, since_ms: int, before_ms: int) -> Sums:
    """Return the sums of a tenant's periods that begin within a time, by currency."""
    begins = {"$gte": since_ms, "$lt": before_ms}
    stages: list[Document] = [
        {"$match": {"tenant": tenant, "start_ms": begins}},
        {"$group": {"_id": "$currency", **SUMS}},
    ]
    with store_errors():
        return {each.pop("_id"): each for each in _periods().aggregate(stages)}


def put(period: Period, sums: Mapping[str, int]) -> None:
    """Store a period's sums, unless it was touched since `period` was read."""
    with store_errors(), suppress(DuplicateKeyError):  # there was none, and now it is touched
        _periods().update_one(
            {"_id": period.id, "touches": period.touches},
            {"$set": {**_key(period), **sums}, "$unset": {"touched_ms": ""}},
            upsert=period.touches == 0,
        )


def _stored(query: Document, *, limit: int = 0) -> list[Period]:
    order = [("touched_ms", 1)] if limit else None
    with store_errors():
        documents = _periods().find(query, sort=order, limit=limit)
        return [msgspec.convert(document, Period) for document in documents]


def _key(period: Period) -> Document:
    return {"tenant": period.tenant, "currency": period.currency, "start_ms": period.start_ms}


def _pointer(document: Document) -> Pointer:
    return Pointer(tenant=document["_id"], up_to_ms=document["up_to_ms"])


def _pointers() -> MongoCollection[Document]:
    return collection("balances", BEHIND)


def _periods() -> MongoCollection[Document]:
    return collection("balance_periods", INDEXES)
