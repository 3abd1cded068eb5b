"""The document store: one client per execution environment, made at first use, and its errors.

Domains' `store.py` modules keep to single-document operations on the collections they get here.
"""

import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, cast

from pymongo import DESCENDING, MongoClient
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError
from pymongo.operations import IndexModel
from snapshot_restore_py import register_after_restore  # type: ignore[import-untyped]

from backend import breaker, tracing
from backend.errors import InvalidRequest, StoreUnavailable
from backend.settings import settings

Document = dict[str, Any]
C = TypeVar("C", bound=Collection[Any])

CONNECTIONS_MAX = 2  # an environment serves one event at a time; the second is the monitor's spare
DUPLICATE_KEY = 11_000  # MongoDB's code
TIMEOUT_MS = 1_000  # an answer that takes longer is a failure: the caller has 503 to give
# What `newest` reads a tenant's documents by.
NEWEST = IndexModel([("tenant", 1), ("created_ms", DESCENDING), ("_id", DESCENDING)], name="newest")
SEARCHED_AT_ONCE = 1_000  # documents that are looked through before a search is a long one
SEARCHED_MAX = 10_000  # documents of one page; requests of clients wait behind them
# Deletes what has `expires_at` once that is over; what has none is kept, and is not in the index.
EXPIRY = IndexModel([("expires_at", 1)], name="expiry", sparse=True, expireAfterSeconds=0)


class ListedObject(Protocol):
    """An object that is listed by when it was made."""

    @property
    def id(self) -> str: ...

    @property
    def created_ms(self) -> int: ...


def collection(name: str, indexes: Sequence[IndexModel]) -> Collection[Document]:
    """Return collection `name`, its `indexes` ensured once per process.

    Its statements are spans while an event is in hand whose trace is recorded.
    """
    opened = _collection(name, tuple(indexes))
    if not tracing.is_recording():
        return opened
    from backend.traced_collection import TracedCollection  # noqa: PLC0415  # few events need it

    return cast(Collection[Document], TracedCollection(opened))


def opened_early(find: Callable[[], C]) -> Callable[[], C]:
    """Have `find`, a domain's way to its collection, called before an environment's first event.

    Its connection and indexes are then there: the first request through each environment would
    otherwise be a hundred milliseconds slower. With provisioned concurrency the import itself is
    before it; with SnapStart, and in the forked environments of one machine, memory is restored
    after the import. An on-demand environment is made because an event waits already.
    """
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "provisioned-concurrency":
        with suppress(StoreUnavailable):  # it is for the first event to say so
            find()
    else:
        register_after_restore(find)
    return find


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn the driver's errors into StoreUnavailable; duplicate keys are the caller's to judge.

    A store that gave no answer in time is left alone for a while: it fails at once then.
    """
    breaker.store.admit(1, now_s=time.monotonic())
    try:
        yield
    except (DuplicateKeyError, BulkWriteError):
        breaker.answered()
        raise
    except PyMongoError as error:
        if error.timeout:
            breaker.store.learn(succeeded=0, failed=1, now_s=time.monotonic())
        raise StoreUnavailable("The document store does not answer.") from error
    breaker.answered()


def newest(
    documents: Collection[Document],
    query: Document,
    *,
    limit: int,
    after: ListedObject | None,
    before: ListedObject | None = None,
) -> list[Document]:
    """Return up to `limit` documents, newest first: those next to `after`, or to `before`."""
    way = 1 if before else -1
    with store_errors():
        cursor = documents.find(
            beside(query, after=after, before=before),
            sort=[("created_ms", way), ("_id", way)],
            limit=limit,
        )
        return list(cursor)[::-way]


def searched(
    documents: Collection[Document],
    query: Document,
    filters: Document,
    *,
    limit: int,
    after: ListedObject | None,
    before: ListedObject | None,
    begin_long: Callable[[], None],
) -> list[Document]:
    """Return up to `limit` of a query's documents that also fit `filters`, which no index has.

    No more than SEARCHED_MAX are looked through, and over SEARCHED_AT_ONCE only where `begin_long`
    raises nothing. Raises InvalidRequest where they are not enough to say what the page is.
    """
    within, way = beside(query, after=after, before=before), 1 if before else -1
    for most in (SEARCHED_AT_ONCE, SEARCHED_MAX):
        stages: list[Document] = [
            {"$match": within},
            {"$sort": {"created_ms": way, "_id": way}},
            {"$limit": most},
            {"$match": filters},
            {"$limit": limit},
        ]
        with store_errors():
            page = list(documents.aggregate(stages))
            if len(page) == limit or _count_is_below(documents, within, most + 1):
                return page[::-way]
        if most < SEARCHED_MAX:
            begin_long()
    raise InvalidRequest(
        f"There are over {SEARCHED_MAX:,} to look through; give a narrower time.",
        code="list_too_long",
        param="created_gte",
    )


def _count_is_below(documents: Collection[Document], query: Document, count: int) -> bool:
    return documents.count_documents(query, limit=count) < count


def beside(query: Document, *, after: ListedObject | None, before: ListedObject | None) -> Document:
    """Return the query of those of a query's documents that are older than `after`, or newer.

    The first condition bounds the scan of the index; the second orders what was made at one time.
    """
    edge, way = (before, "$gt") if before else (after, "$lt")
    if edge is None:
        return query
    made = query.get("created_ms", {})
    bound = (
        {"$gte": max(edge.created_ms, made.get("$gte", 0))} if before else {"$lte": edge.created_ms}
    )
    further = [{"created_ms": {way: edge.created_ms}}, {"_id": {way: edge.id}}]
    return {**query, "created_ms": {**made, **bound}, "$or": further}


def moment_after(life_s: int) -> datetime:
    """Return the time in so long, as `expires_at` holds it."""
    return datetime.now(UTC) + timedelta(seconds=life_s)


def duplicates(error: BulkWriteError) -> set[int]:
    """Return the indexes of the writes refused as duplicates; any other raises StoreUnavailable."""
    refused = error.details.get("writeErrors", [])
    if error.details.get("writeConcernErrors") or any(
        each["code"] != DUPLICATE_KEY for each in refused
    ):
        raise StoreUnavailable("The document store did not take every write.") from error
    return {each["index"] for each in refused}


def insert_new(documents: Collection[Document], new: Sequence[Document]) -> None:
    """Store those of `new` whose ids are; what is there already stays as it is."""
    if not new:
        return
    with store_errors():
        try:
            documents.insert_many(new, ordered=False)
        except BulkWriteError as error:
            duplicates(error)


def takes_writes() -> bool:
    """Tell whether the store takes a write just now; on a full disk it may still answer a ping."""
    try:
        health = _client()[settings.mongo_database].health
        health.update_one({"_id": "ready"}, {"$inc": {"checks": 1}}, upsert=True)
    except PyMongoError:
        return False
    return True


@functools.cache
def _client() -> MongoClient[Document]:
    # PyMongo is not fork-safe: environments are forked after import, so it must not exist before.
    return MongoClient(
        settings.mongo_url,
        maxPoolSize=CONNECTIONS_MAX,
        maxIdleTimeMS=60_000,  # a frozen environment's connections are closed by the other side
        serverSelectionTimeoutMS=TIMEOUT_MS,
        connectTimeoutMS=TIMEOUT_MS,
        socketTimeoutMS=TIMEOUT_MS,
        serverMonitoringMode="poll",  # streaming costs a second connection and thread a server
        retryWrites=True,
        w="majority",
        journal=True,
    )


@functools.cache
def _collection(name: str, indexes: tuple[IndexModel, ...]) -> Collection[Document]:
    opened = _client()[settings.mongo_database][name]
    if indexes:
        with store_errors():
            opened.create_indexes(list(indexes))
    return opened
