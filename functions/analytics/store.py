"""Where events and their buckets live; why counting is exact stands in `analytics.service`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from pymongo import IndexModel, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from analytics.schema import Bucket, Minute, Share, StoredEvent
from backend.store import Document, collection, duplicates, opened_early, store_errors

# A day longer than the dead-letter queue keeps a message: a redriven one must find its events.
EVENT_LIFE_S = 15 * 24 * 3600
EVENT_INDEXES = (IndexModel([("received_at", 1)], name="life", expireAfterSeconds=EVENT_LIFE_S),)
BUCKET_INDEXES = (IndexModel([("tenant", 1), ("name", 1), ("at_ms", 1)], name="metric"),)


def insert(events: Sequence[StoredEvent]) -> list[StoredEvent]:
    """Keep events whose id is new; returns those that count for the message that brings them now.

    An event that was kept before comes back only to its owner, with the slot it has had since.
    """
    if not events:
        return []
    with store_errors():
        try:
            _events().insert_many(
                [msgspec.to_builtins(each, builtin_types=(datetime,)) for each in events],
                ordered=False,
            )
        except BulkWriteError as error:
            taken = duplicates(error)
        else:
            return list(events)
        found = _events().find(
            {"_id": {"$in": [events[index].id for index in taken]}}, {"own": 1, "slot": 1}
        )
        kept = {document["_id"]: document for document in found}
    owned = [each for index, each in enumerate(events) if index not in taken]
    for index in taken:
        event = events[index]
        if kept.get(event.id, {}).get("own") == event.own:
            owned.append(msgspec.structs.replace(event, slot=kept[event.id]["slot"]))
    return owned


def add(shares: Mapping[Bucket, Sequence[Share]]) -> None:
    """Add each message's share to its bucket, unless the bucket contains it already."""
    if not shares:
        return
    with store_errors():
        try:
            _buckets().bulk_write(
                [_addition(*each, upsert=True) for each in shares.items()], ordered=False
            )
        except BulkWriteError as error:
            refused = duplicates(error)
        else:
            return
        # The bucket exists: it contains one of the messages, or another worker has just made it. So
        # one message at a time, without making anything; no match now means "contained".
        _buckets().bulk_write(
            [
                _addition(bucket, [share], upsert=False)
                for index, (bucket, together) in enumerate(shares.items())
                if index in refused
                for share in together
            ],
            ordered=False,
        )


def minutes(tenant: str, name: str, *, start_ms: int, end_ms: int) -> list[Minute]:
    """Return the sums of the minutes from `start_ms` to before `end_ms`, in no order."""
    within = {"tenant": tenant, "name": name, "at_ms": {"$gte": start_ms, "$lt": end_ms}}
    sums = {
        "_id": "$at_ms",
        "count": {"$sum": "$count"},
        "sum": {"$sum": "$sum"},
        "low": {"$min": "$low"},
        "high": {"$max": "$high"},
    }
    with store_errors():
        found = _buckets().aggregate([{"$match": within}, {"$group": sums}])
        return [msgspec.convert(document, Minute) for document in found]


def _addition(bucket: Bucket, shares: Sequence[Share], *, upsert: bool) -> UpdateOne:
    lows = [share.low for share in shares if share.low is not None]
    highs = [share.high for share in shares if share.high is not None]
    update: Document = {
        "$inc": {
            "count": sum(share.count for share in shares),
            "sum": sum(share.sum for share in shares),
        },
        "$set": {f"contains.{share.own}": 1 for share in shares},
        "$setOnInsert": {"tenant": bucket.tenant, "name": bucket.name, "at_ms": bucket.at_ms},
    }
    if lows:
        update |= {"$min": {"low": min(lows)}, "$max": {"high": max(highs)}}
    absent = {f"contains.{share.own}": {"$exists": False} for share in shares}
    return UpdateOne({"_id": bucket.id, **absent}, update, upsert=upsert)


@opened_early
def _events() -> Collection[Document]:
    return collection("analytics_events", EVENT_INDEXES)


@opened_early
def _buckets() -> Collection[Document]:
    return collection("analytics_buckets", BUCKET_INDEXES)
