"""The store of payments: one document each, changed only under its version."""

from collections.abc import Collection, Sequence
from functools import partial

import msgspec
from pymongo import DESCENDING, IndexModel, ReplaceOne, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from backend import test_clock_store, test_clocks
from backend.clock import parse_rfc3339
from backend.settings import settings
from backend.store import (
    NEWEST,
    Document,
    ListedObject,
    collection,
    newest,
    opened_early,
    searched,
    store_errors,
)
from backend.test_clocks import TestClock
from payments import balance_store
from payments.balances import Sums, late
from payments.provider import DisputeStatus
from payments.schema import Payment, PaymentListQuery

UNACKNOWLEDGED = WriteConcern(w=0)
CLEARED = {"$unset": {"outbox": "", "promised_ms": ""}}
SUMS = {
    "payments": {"$sum": 1},
    "captured": {"$sum": "$amount_captured"},
    "refunded": {"$sum": "$amount_refunded"},
    "held": {"$sum": "$amount_held"},
    "refunding": {"$sum": "$amount_refunding"},
    "disputing": {"$sum": "$amount_disputing"},
    "disputed": {"$sum": "$amount_disputed"},
    "fees": {"$sum": "$amount_fees"},
}
# Of disputed payments only: all others cost nothing.
DISPUTED = IndexModel(
    [("tenant", 1), ("disputed_ms", DESCENDING), ("_id", DESCENDING)],
    name="disputed",
    partialFilterExpression={"disputed_ms": {"$exists": True}},
)
INDEXES = (
    NEWEST,
    IndexModel([("promised_ms", 1)], name="promised", sparse=True),
    DISPUTED,
    IndexModel([("dispute_due_ms", 1)], name="dispute_due", sparse=True),
    IndexModel(  # the few that are of a customer
        [("tenant", 1), ("customer", 1), ("created_ms", -1), ("_id", -1)],
        name="newest_of_customer",
        partialFilterExpression={"customer": {"$exists": True}},
    ),
)


def insert(payment: Payment) -> Payment | None:
    """Store a new payment; returns the one that has its id already, or None when it was stored."""
    with store_errors():
        try:
            _payments().insert_one(_document(payment))
        except DuplicateKeyError:
            return _payment(_payments().find_one({"_id": payment.id}))
    return None


def find(tenant: str, payment_id: str) -> Payment | None:
    """Return a payment of this tenant."""
    with store_errors():
        return _payment(_payments().find_one({"_id": payment_id, "tenant": tenant}))


def tie(tenant: str, clock_id: str) -> TestClock:
    """Count one object more of a test clock, and return the clock; raises InvalidRequest."""
    test_clocks.check_allowed(settings.test_clocks)
    return test_clocks.tie(clock_id, tenant=tenant, clocks=test_clock_store)


def time_of(clock_id: str) -> int | None:
    """Return the time of a test clock, or None where it was deleted."""
    return test_clock_store.time_of(clock_id)


def find_many(payment_ids: Collection[str]) -> dict[str, Payment]:
    """Return the payments with these ids, by id; what does not exist is left out."""
    with store_errors():
        documents = _payments().find({"_id": {"$in": list(payment_ids)}})
        return {document["_id"]: msgspec.convert(document, Payment) for document in documents}


def page(
    tenant: str,
    query: PaymentListQuery,
    *,
    limit: int,
    after: Payment | None = None,
    before: Payment | None = None,
) -> list[Payment]:
    """Return up to `limit` payments that a query asks for, newest first, next to one of these.

    Raises InvalidRequest where too many have to be looked through for them, and Throttled where
    that is done too often.
    """
    whole, filters = _whole(tenant, query), _filters(query)
    if filters:
        from backend import rate_limits  # noqa: PLC0415  # workers search nothing

        documents = searched(
            _payments(),
            whole,
            filters,
            limit=limit,
            after=after,
            before=before,
            begin_long=partial(rate_limits.take_search, tenant),
        )
    else:
        documents = newest(_payments(), whole, limit=limit, after=after, before=before)
    return [msgspec.convert(document, Payment) for document in documents]


def disputed(
    tenant: str, *, limit: int, after: Payment | None, status: DisputeStatus | None
) -> list[Payment]:
    """Return up to `limit` disputed payments, the last disputed first, disputed before `after`.

    With a status, those that have a dispute in it.
    """
    query: Document = {"tenant": tenant, "disputed_ms": {"$exists": True}}
    if after is not None:
        query["disputed_ms"] = {"$lte": after.disputed_ms}
        query["$or"] = [{"disputed_ms": {"$lt": after.disputed_ms}}, {"_id": {"$lt": after.id}}]
    if status is not None:
        query["disputes.status"] = status
    order = [("disputed_ms", -1), ("_id", -1)]
    with store_errors():
        documents = _payments().find(query, sort=order, limit=limit)
        return [msgspec.convert(document, Payment) for document in documents]


def disputes_due_before(time_ms: int, *, limit: int) -> int:
    """Count the payments with a dispute that needs a response by `time_ms`, up to `limit`."""
    with store_errors():
        due = {"dispute_due_ms": {"$lt": time_ms}}
        return _payments().count_documents(due, limit=limit)


def replace_all(changed: Sequence[Payment], *, now_ms: int) -> set[str]:
    """Store new versions, each only over the version before it; returns the ids now as given.

    What somebody else changed meanwhile is left out: read it again and decide anew. Sums that may
    count a payment already are marked before it changes; `now_ms` is when its change began.
    """
    if not changed:
        return set()
    balance_store.touch(late(changed, now_ms=now_ms), now_ms=now_ms)
    with store_errors():
        result = _payments().bulk_write(
            [
                ReplaceOne({"_id": each.id, "version": each.version - 1}, _document(each))
                for each in changed
            ],
            ordered=False,
        )
    if result.matched_count == len(changed):
        return {each.id for each in changed}
    stored = find_many([each.id for each in changed])
    return {each.id for each in changed if stored.get(each.id) == each}


def store_outboxes(payments: Sequence[Payment]) -> None:
    """Store the outboxes of these versions as they are after they were sent.

    Unacknowledged, because nothing depends on it: an outbox that stays full is sent again, and its
    messages are known by their ids.
    """
    if not payments:
        return
    with store_errors():
        _payments().with_options(write_concern=UNACKNOWLEDGED).bulk_write(
            [
                UpdateOne({"_id": each.id, "version": each.version}, _rest(each))
                for each in payments
            ],
            ordered=False,
        )


def promised_before(time_ms: int, *, limit: int) -> list[Payment]:
    """Return payments whose outbox was last added to before `time_ms`, longest ago first."""
    with store_errors():
        documents = _payments().find(
            {"promised_ms": {"$lt": time_ms}}, sort=[("promised_ms", 1)], limit=limit
        )
        return [msgspec.convert(document, Payment) for document in documents]


def sums(tenant: str, *, since_ms: int = 0, before_ms: int | None = None) -> Sums:
    """Return what a tenant's payments made within a time come to, by currency; reads each."""
    made: dict[str, int] = {"$gte": since_ms}
    if before_ms is not None:
        made["$lt"] = before_ms
    stages: list[Document] = [
        {"$match": {"tenant": tenant, "created_ms": made}},
        {"$group": {"_id": "$currency", **SUMS}},
    ]
    with store_errors():
        return {each.pop("_id"): each for each in _payments().aggregate(stages)}


def first_made(tenant: str, *, since_ms: int) -> int | None:
    """Return when the tenant's first payment since `since_ms` was made."""
    with store_errors():
        document = _payments().find_one(
            {"tenant": tenant, "created_ms": {"$gte": since_ms}},
            {"created_ms": 1},
            sort=[("created_ms", 1), ("_id", 1)],
        )
        return int(document["created_ms"]) if document else None


def made(tenant: str, after: ListedObject, *, before_ms: int, limit: int) -> list[Payment]:
    """Return up to `limit` payments that were made after that one and before a time, in order."""
    query: Document = {"tenant": tenant, "created_ms": {"$lt": before_ms}}
    documents = newest(_payments(), query, limit=limit, after=None, before=after)
    return [msgspec.convert(each, Payment) for each in reversed(documents)]


def all_after(payment_id: str, *, limit: int) -> list[Payment]:
    """Return up to `limit` payments of all tenants with a greater id, in the order of their ids."""
    with store_errors():
        documents = _payments().find({"_id": {"$gt": payment_id}}, sort=[("_id", 1)], limit=limit)
        return [msgspec.convert(document, Payment) for document in documents]


def reconciled_up_to(provider: str) -> int:
    """Return the last line of the provider's record that was compared."""
    return _remembered(f"effects {provider}".rstrip(), "sequence")


def rounds() -> int:
    """Return in how many runs messages were sent again in a row."""
    return _remembered("messages", "rounds")


def set_rounds(rounds: int) -> None:
    """Remember it for the next run."""
    _remember("messages", "rounds", rounds)


def set_reconciled_up_to(provider: str, sequence: int) -> None:
    """Remember it for the next run."""
    _remember(f"effects {provider}".rstrip(), "sequence", sequence)


def _remembered(document_id: str, name: str) -> int:
    """Return a number of the reconciler's from its last run; 0 before the first."""
    with store_errors():
        document = collection("reconciliation", ()).find_one({"_id": document_id})
        return int(document[name]) if document else 0


def _remember(document_id: str, name: str, number: int) -> None:
    with store_errors():
        collection("reconciliation", ()).update_one(
            {"_id": document_id}, {"$set": {name: number}}, upsert=True
        )


def _whole(tenant: str, query: PaymentListQuery) -> Document:
    """Return the query of the payments that are listed, or looked through for filters."""
    names = {"customer": query.customer, "status": query.status}
    chosen = {name: value for name, value in names.items() if value is not None}
    created = _range(
        gte=_bound_ms(query.created_gte, "created_gte"),
        lt=_bound_ms(query.created_lt, "created_lt"),
    )
    return {"tenant": tenant, **chosen, **({"created_ms": created} if created else {})}


def _filters(query: PaymentListQuery) -> Document:
    """Return the part of a query that is looked for within a bound."""
    amount = _range(gte=query.amount_gte, lte=query.amount_lte)
    values = {"currency": query.currency, "amount": amount or None}
    filters = {name: value for name, value in values.items() if value is not None}
    return filters | {f"metadata.{name}": text for name, text in query.metadata.items()}


def _range(**bounds: int | None) -> dict[str, int]:
    return {f"${name}": value for name, value in bounds.items() if value is not None}


def _bound_ms(text: str | None, param: str) -> int | None:
    return None if text is None else parse_rfc3339(text, param=param)


@opened_early
def _payments() -> MongoCollection[Document]:
    return collection("payments", INDEXES)


def _rest(payment: Payment) -> Document:
    if not payment.outbox:
        return CLEARED
    return {
        "$set": {
            "outbox": msgspec.to_builtins(payment.outbox),
            "promised_ms": payment.promised_ms,
        }
    }


def _document(payment: Payment) -> Document:
    document: Document = msgspec.to_builtins(payment)
    return document


def _payment(document: Document | None) -> Payment | None:
    return None if document is None else msgspec.convert(document, Payment)
