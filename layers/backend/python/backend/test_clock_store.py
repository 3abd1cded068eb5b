"""The store of test clocks, which payments and notifications share: one document each."""

import msgspec
from pymongo import IndexModel, ReturnDocument
from pymongo.collection import Collection as MongoCollection

from backend.store import EXPIRY, NEWEST, Document, collection, moment_after, store_errors
from backend.test_clocks import LIFE_S, Domain, TestClock

BEHIND_MAX = 20  # moved in one run of a relay; the next one takes the rest
INDEXES = (
    NEWEST,
    EXPIRY,
    IndexModel([("payments_behind", 1)], name="payments_behind", sparse=True),
    IndexModel([("notifications_behind", 1)], name="notifications_behind", sparse=True),
)


def insert(clock: TestClock) -> None:
    """Store a new clock; it goes by itself after LIFE_S."""
    document = {**msgspec.to_builtins(clock), "expires_at": moment_after(LIFE_S)}
    with store_errors():
        _clocks().insert_one({name: x for name, x in document.items() if x is not None})


def find(tenant: str, clock_id: str) -> TestClock | None:
    """Return a clock of this tenant."""
    with store_errors():
        return _clock(_clocks().find_one({"_id": clock_id, "tenant": tenant}))


def time_of(clock_id: str) -> int | None:
    """Return the time of a clock, or None where it was deleted."""
    with store_errors():
        document = _clocks().find_one({"_id": clock_id}, {"frozen_ms": 1})
        return int(document["frozen_ms"]) if document else None


def of(tenant: str) -> list[TestClock]:
    """Return all clocks of a tenant, newest first."""
    with store_errors():
        documents = _clocks().find({"tenant": tenant}, sort=[("created_ms", -1), ("_id", -1)])
        return [msgspec.convert(each, TestClock) for each in documents]


def move(clock: TestClock, frozen_ms: int) -> TestClock | None:
    """Store another time, unless the clock was moved meanwhile; all domains are behind then."""
    behind = {"payments_behind": True, "notifications_behind": True}
    return _changed(
        {"_id": clock.id, "frozen_ms": clock.frozen_ms},
        {"$set": {"frozen_ms": frozen_ms, **behind}},
    )


def tie(clock: TestClock, objects_max: int) -> TestClock | None:
    """Count one object more, or return None where there are as many as there may be."""
    return _changed({"_id": clock.id, "objects": {"$lt": objects_max}}, {"$inc": {"objects": 1}})


def delete(tenant: str, clock_id: str) -> bool:
    """Delete a clock; returns whether there was one."""
    with store_errors():
        return _clocks().delete_one({"_id": clock_id, "tenant": tenant}).deleted_count == 1


def behind(domain: Domain) -> list[TestClock]:
    """Return clocks by whose time something of a domain may be due."""
    with store_errors():
        documents = _clocks().find({f"{domain}_behind": True}, limit=BEHIND_MAX)
        return [msgspec.convert(each, TestClock) for each in documents]


def caught_up(clock: TestClock, domain: Domain) -> None:
    """Store that nothing of a domain is due any more, unless the clock was moved meanwhile."""
    _changed({"_id": clock.id, "frozen_ms": clock.frozen_ms}, {"$unset": {f"{domain}_behind": ""}})


def left_behind(clock_id: str, domain: Domain) -> None:
    """Store that something of a domain may be due again."""
    _changed({"_id": clock_id}, {"$set": {f"{domain}_behind": True}})


def _changed(query: Document, update: Document) -> TestClock | None:
    with store_errors():
        return _clock(
            _clocks().find_one_and_update(query, update, return_document=ReturnDocument.AFTER)
        )


def _clock(document: Document | None) -> TestClock | None:
    return None if document is None else msgspec.convert(document, TestClock)


def _clocks() -> MongoCollection[Document]:
    return collection("test_clocks", INDEXES)
