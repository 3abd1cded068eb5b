"""The store of suppressions: one document a recipient of a tenant, its id made of both."""

from collections.abc import Collection

import msgspec
from pymongo import ReturnDocument
from pymongo.collection import Collection as MongoCollection

from backend.store import (
    EXPIRY,
    NEWEST,
    Document,
    collection,
    moment_after,
    newest,
    opened_early,
    store_errors,
)
from notifications.suppressions.service import SOFT, Reason, Suppression

BOUNCE_LIFE_S = 365 * 86_400  # an address may be somebody else's by then
INDEXES = (NEWEST, EXPIRY)


def put(suppression: Suppression) -> Suppression:
    """Store a suppression and return what is stored: the first, but no unsubscription over others.

    A later reason replaces an unsubscription, which stops less than any other does. A bounce alone
    is kept for a year; whatever else is told of the recipient, before or after, for good.
    """
    document: Document = msgspec.to_builtins(suppression)
    latest = {name: document.pop(name) for name in ("reason", "created_ms")}
    identity = {"_id": document.pop("_id")}
    update: Document = {"$setOnInsert": {**document, **latest}}
    if suppression.reason == "bounce":
        update["$setOnInsert"]["expires_at"] = moment_after(BOUNCE_LIFE_S)
    else:
        update["$unset"] = {"expires_at": ""}
    with store_errors():
        stored = _suppressions().find_one_and_update(
            identity,
            update,
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        first = msgspec.convert(stored, Suppression)
        if first.reason in SOFT and suppression.reason not in SOFT:
            weaker = {"_id": suppression.id, "reason": {"$in": sorted(SOFT)}}
            _suppressions().update_one(weaker, {"$set": latest})
            return suppression
        return first


def find_many(ids: Collection[str]) -> list[Suppression]:
    """Return those of `ids` that exist."""
    with store_errors():
        documents = _suppressions().find({"_id": {"$in": list(ids)}})
        return [msgspec.convert(document, Suppression) for document in documents]


def find(tenant: str, suppression_id: str) -> Suppression | None:
    """Return a suppression of this tenant."""
    with store_errors():
        document = _suppressions().find_one({"_id": suppression_id, "tenant": tenant})
        return None if document is None else msgspec.convert(document, Suppression)


def delete(tenant: str, suppression_id: str, *, reasons: Collection[Reason] = ()) -> bool:
    """Delete a suppression of this tenant, for one of these reasons; False where there is none."""
    for_reasons = {"reason": {"$in": sorted(reasons)}} if reasons else {}
    with store_errors():
        result = _suppressions().delete_one(
            {"_id": suppression_id, "tenant": tenant, **for_reasons}
        )
        return result.deleted_count == 1


def page(
    tenant: str, *, limit: int, after: Suppression | None, before: Suppression | None
) -> list[Suppression]:
    """Return up to `limit` suppressions, newest first, next to `after` or `before`."""
    documents = newest(_suppressions(), {"tenant": tenant}, limit=limit, after=after, before=before)
    return [msgspec.convert(document, Suppression) for document in documents]


@opened_early
def _suppressions() -> MongoCollection[Document]:
    return collection("suppressions", INDEXES)
