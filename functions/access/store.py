"""The store of tenants and clients: one document each, changed where nobody else has meanwhile."""

from typing import TypeVar

import msgspec
from pymongo import DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from access.schema import Client, Tenant
from backend.clients import CLIENTS, TENANTS
from backend.store import NEWEST, Document, collection, newest, store_errors

T = TypeVar("T", Tenant, Client)

TENANT_INDEXES = (IndexModel([("created_ms", DESCENDING), ("_id", DESCENDING)], name="newest"),)
CLIENT_INDEXES = (NEWEST, IndexModel([("tenant", 1), ("place", 1)], name="places", unique=True))


def insert(new: Tenant | Client) -> bool:
    """Store a new tenant or client; False where its id, or a client's place, is taken."""
    with store_errors():
        try:
            _documents_of(type(new)).insert_one(msgspec.to_builtins(new))
        except DuplicateKeyError:
            return False
    return True


def replace(before: T, after: T) -> bool:
    """Store a change of `before`; False where it was changed meanwhile, or a place is taken."""
    fields: Document = msgspec.to_builtins(after)
    fields.pop("used_ms", None)  # noted meanwhile, perhaps
    unchanged = {"_id": fields.pop("_id"), "version": before.version}
    with store_errors():
        try:
            change = {"$set": fields | {"version": before.version + 1}}
            return _documents_of(type(before)).update_one(unchanged, change).matched_count == 1
        except DuplicateKeyError:
            return False


def find_tenant(tenant_id: str) -> Tenant | None:
    """Return a tenant; those of OAUTH_CLIENTS have no document."""
    with store_errors():
        document = _documents_of(Tenant).find_one({"_id": tenant_id})
        return None if document is None else msgspec.convert(document, Tenant)


def find_client(client_id: str) -> Client | None:
    """Return a client of any tenant."""
    with store_errors():
        document = _documents_of(Client).find_one({"_id": client_id})
        return None if document is None else msgspec.convert(document, Client)


def places(tenant: str) -> set[int]:
    """Return the places that a tenant's active clients have."""
    with store_errors():
        active = _documents_of(Client).find({"tenant": tenant, "status": "active"}, {"place": 1})
        return {document["place"] for document in active}


def tenants(*, limit: int, after: Tenant | None, before: Tenant | None) -> list[Tenant]:
    """Return up to `limit` tenants, newest first: those next to `after`, or to `before`."""
    documents = newest(_documents_of(Tenant), {}, limit=limit, after=after, before=before)
    return [msgspec.convert(document, Tenant) for document in documents]


def clients(
    tenant: str, *, limit: int, after: Client | None, before: Client | None
) -> list[Client]:
    """Return up to `limit` clients of a tenant, newest first: those next to `after` or `before`."""
    query: Document = {"tenant": tenant}
    documents = newest(_documents_of(Client), query, limit=limit, after=after, before=before)
    return [msgspec.convert(document, Client) for document in documents]


def _documents_of(kind: type[Tenant] | type[Client]) -> Collection[Document]:
    if kind is Tenant:
        return collection(TENANTS, TENANT_INDEXES)
    return collection(CLIENTS, CLIENT_INDEXES)
