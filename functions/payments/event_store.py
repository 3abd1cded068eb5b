"""The store of listed events: one document each, written once."""

import heapq
from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from pymongo import IndexModel
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError

from backend import arrivals
from backend.announcer import Announcement
from backend.store import Document, collection, duplicates, store_errors
from payments.events import ListedEvent, listed

LIFE_S = 30 * 86_400
INDEXES = (
    IndexModel([("tenant", 1), ("place", -1)], name="newest"),
    IndexModel([("tenant", 1), ("object", 1), ("place", -1)], name="newest_of_object"),
    IndexModel([("tenant", 1), ("type", 1), ("place", -1)], name="newest_of_type"),
    IndexModel([("at", 1)], name="age", expireAfterSeconds=LIFE_S),
)


def keep(announcements: Sequence[Announcement]) -> None:
    """List these events, each once; raises StoreUnavailable: whoever announces does it again."""
    documents = [
        msgspec.to_builtins(each, builtin_types=(datetime,)) for each in listed(announcements)
    ]
    if not documents:
        return
    with store_errors():
        try:
            _events().insert_many(documents, ordered=False)
        except BulkWriteError as error:
            duplicates(error)


def find(tenant: str, event_id: str) -> ListedEvent | None:
    """Return an event of this tenant."""
    with store_errors():
        document = _events().find_one({"_id": event_id, "tenant": tenant})
        return None if document is None else msgspec.convert(document, ListedEvent)


def page(
    tenant: str,
    filters: Collection[Document],
    *,
    start: str,
    end: str,
    limit: int,
    after: ListedEvent | None,
    before: ListedEvent | None,
) -> list[ListedEvent]:
    """Return up to `limit` events with the values of one of the filters, newest first.

    Their places are from `start` on and before `end`; they are next to `after` or `before`.
    """
    place: dict[str, str] = {"$gte": start, "$lt": end}
    if after is not None:
        place["$lt"] = min(end, after.place)
    if before is not None:
        place |= {"$gte": max(start, before.place), "$gt": before.place}
    way = 1 if before else -1
    with store_errors():
        reads = [
            list(
                _events().find(
                    {"tenant": tenant, **each, "place": place}, sort=[("place", way)], limit=limit
                )
            )
            for each in filters
        ]
    merged = list(heapq.merge(*reads, key=lambda each: each["place"], reverse=way < 0))[:limit]
    return [msgspec.convert(each, ListedEvent) for each in merged[::-way]]


def _events() -> MongoCollection[Document]:
    return collection(arrivals.LISTED, INDEXES)
