"""The store of webhook endpoints: one document each."""

from collections.abc import Collection

import msgspec
from pymongo import IndexModel
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import DuplicateKeyError

from backend import arrivals, audit
from backend.store import Document, collection, store_errors
from notifications.webhooks.endpoints import Endpoint

INDEXES = (IndexModel([("tenant", 1), ("place", 1)], name="places", unique=True),)


def insert(endpoint: Endpoint) -> bool:
    """Store a new endpoint; False where its place was taken meanwhile."""
    with store_errors():
        try:
            _endpoints().insert_one(_document(endpoint))
        except DuplicateKeyError:
            return False
    return True


def of(tenants: Collection[str]) -> list[Endpoint]:
    """Return all endpoints of these tenants."""
    with store_errors():
        documents = _endpoints().find({"tenant": {"$in": list(tenants)}})
        return [msgspec.convert(document, Endpoint) for document in documents]


def find(tenant: str, endpoint_id: str) -> Endpoint | None:
    """Return an endpoint of this tenant."""
    with store_errors():
        document = _endpoints().find_one({"_id": endpoint_id, "tenant": tenant})
        return None if document is None else msgspec.convert(document, Endpoint)


def find_many(endpoint_ids: Collection[str]) -> dict[str, Endpoint]:
    """Return the endpoints with these ids, by id; what does not exist is left out."""
    with store_errors():
        documents = _endpoints().find({"_id": {"$in": list(endpoint_ids)}})
        return {document["_id"]: msgspec.convert(document, Endpoint) for document in documents}


def delete(tenant: str, endpoint_id: str) -> bool:
    """Delete an endpoint of this tenant; tells whether there was one."""
    with store_errors():
        result = _endpoints().delete_one({"_id": endpoint_id, "tenant": tenant})
        return result.deleted_count == 1


def replace(before: Endpoint, after: Endpoint) -> bool:
    """Store `after` unless what a client sets, or the state, is not that of `before` any more."""
    unchanged = ("_id", "secret", "disabled_because", "url", "events", "contact")
    document = _document(before)
    with store_errors():
        result = _endpoints().replace_one(
            {name: document[name] for name in unchanged}, _document(after)
        )
        return result.matched_count == 1


def set_failing_since(endpoint_id: str, before_ms: int | None, after_ms: int | None) -> None:
    """Note since when deliveries fail, unless somebody has noted something else meanwhile."""
    with store_errors():
        _endpoints().update_one(
            {"_id": endpoint_id, "failing_since_ms": before_ms},
            {"$set": {"failing_since_ms": after_ms}},
        )


def disable(endpoint_id: str, *, because: str) -> None:
    """Send nothing there any more, of our own accord; the first reason stays."""
    enabled = {"_id": endpoint_id, "disabled_because": None}
    with store_errors():
        document = _endpoints().find_one(enabled, {"tenant": 1})
    if document is None:
        return
    fields = {"disabled_because": because}
    tenant = document["tenant"]
    with (
        audit.BACKEND.changes(
            "webhook_endpoint.disabled", endpoint_id, tenant=tenant, after=fields
        ),
        store_errors(),
    ):
        _endpoints().update_one(enabled, {"$set": fields})


def _endpoints() -> MongoCollection[Document]:
    return collection(arrivals.ENDPOINTS, INDEXES)


def _document(endpoint: Endpoint) -> Document:
    document: Document = msgspec.to_builtins(endpoint)
    return document
