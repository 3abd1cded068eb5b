"""The store of customers: one document each, changed only under its version.

Of a deleted one its id and its place in the list stay for a while: the key which made it does not
make it anew, and who deletes customers page by page gets the next page.
"""

from collections.abc import Collection

import msgspec
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import DuplicateKeyError

from backend.errors import InvalidState
from backend.store import (
    EXPIRY,
    NEWEST,
    Document,
    collection,
    moment_after,
    newest,
    store_errors,
)
from payments.customers.schema import Customer, Place

DELETED_LIFE_S = 30 * 86_400  # longer than anybody repeats a request
INDEXES = (NEWEST, EXPIRY)


def insert(customer: Customer, *, at_most: int) -> Customer | None:
    """Store a new customer; returns the one that has its id already, or None when it was stored.

    Raises InvalidState where its tenant has `at_most` already, or where it was deleted.
    """
    with store_errors():
        if existing := _customers().find_one({"_id": customer.id}):
            return _living(existing)
        _take_place(customer.tenant, at_most)
        try:
            _customers().insert_one(msgspec.to_builtins(customer))
        except DuplicateKeyError:  # made just now by the same key
            _give_place_back(customer.tenant)
            existing = _customers().find_one({"_id": customer.id})
            return _living(existing or {})
    return None


def find(tenant: str, customer_id: str) -> Customer | None:
    """Return a customer of this tenant."""
    with store_errors():
        document = _customers().find_one({"_id": customer_id, "tenant": tenant})
        return None if document is None else msgspec.convert(document, Customer)


def find_many(tenant: str, customer_ids: Collection[str]) -> dict[str, Customer]:
    """Return the customers of this tenant with these ids, by id."""
    with store_errors():
        documents = _customers().find({"_id": {"$in": list(customer_ids)}, "tenant": tenant})
        return {each["_id"]: msgspec.convert(each, Customer) for each in documents}


def place(tenant: str, customer_id: str) -> Place | None:
    """Return where a customer of this tenant is in the list, or was."""
    own = [{"tenant": tenant}, {"deleted_by": tenant}]
    with store_errors():
        document = _customers().find_one({"_id": customer_id, "$or": own}, {"created_ms": 1})
        return None if document is None else Place(customer_id, document["created_ms"])


def page(tenant: str, *, limit: int, after: Place | None, before: Place | None) -> list[Customer]:
    """Return up to `limit` customers, newest first, next to `after` or `before`."""
    documents = newest(_customers(), {"tenant": tenant}, limit=limit, after=after, before=before)
    return [msgspec.convert(each, Customer) for each in documents]


def replace(customer: Customer) -> bool:
    """Store a new version over the one before it; False where somebody else has changed that."""
    before = {"_id": customer.id, "tenant": customer.tenant, "version": customer.version - 1}
    with store_errors():
        result = _customers().replace_one(before, msgspec.to_builtins(customer))
        return result.matched_count == 1


def delete(tenant: str, customer_id: str) -> bool:
    """Delete all that is known of a customer; tells whether there was one."""
    customer = find(tenant, customer_id)
    if customer is None:
        return False
    mark = {
        "deleted_by": tenant,
        "created_ms": customer.created_ms,
        "expires_at": moment_after(DELETED_LIFE_S),
    }
    with store_errors():
        result = _customers().replace_one({"_id": customer_id, "tenant": tenant}, mark)
        if result.matched_count:
            _give_place_back(tenant)
        return result.matched_count == 1


def _living(document: Document) -> Customer:
    if "tenant" not in document:
        raise InvalidState("The customer that this key made was deleted.", code="customer_deleted")
    return msgspec.convert(document, Customer)


def _take_place(tenant: str, at_most: int) -> None:
    """Count one more; a crash before it is stored costs the tenant a place, never a limit."""
    try:
        _counts().update_one(
            {"_id": tenant, "customers": {"$lt": at_most}}, {"$inc": {"customers": 1}}, upsert=True
        )
    except DuplicateKeyError as error:  # there is a count, and it is not below
        raise InvalidState(
            f"There are {at_most} customers; delete one first.", code="too_many_customers"
        ) from error


def _give_place_back(tenant: str) -> None:
    _counts().update_one({"_id": tenant}, {"$inc": {"customers": -1}})


def _customers() -> MongoCollection[Document]:
    return collection("customers", INDEXES)


def _counts() -> MongoCollection[Document]:
    return collection("customer_counts", ())
