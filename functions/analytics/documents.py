"""The documents of buckets, periods and bounded sets: their changes, and what they read as."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from analytics.groups import limit_of
from analytics.tallies import (
    HOURS,
    Bucket,
    Part,
    Period,
    Share,
    Sums,
    Tally,
    Tier,
    moment,
    total,
)
from backend.store import Document

Change = tuple[Document, Document]  # the filter of a document, and its update


def admission(scope: str, value: str, made_at: datetime) -> Change:
    """Return the change that adds a value to a bounded set, where it has room."""
    update: Document = {"$inc": {"size": 1}, "$set": {f"values.{value}": 1}}
    if scope.startswith("values:"):  # names stay
        update["$setOnInsert"] = {"made_at": made_at}
    room = {"size": {"$lt": limit_of(scope)}, f"values.{value}": {"$exists": False}}
    return {"_id": scope, **room}, update


def addition(bucket: Bucket, shares: Sequence[Share]) -> Change:
    """Return the change that adds shares to a bucket, unless it contains one of them."""
    tally = total(share.tally for share in shares)
    update: Document = {
        "$inc": {},
        "$min": {},
        "$max": {},
        "$set": {f"contains.{share.own}": 1 for share in shares},
        "$setOnInsert": {
            "tenant": bucket.tenant,
            "name": bucket.name,
            "at": moment(bucket.at_ms),
        },
    }
    update["$set"]["unfolded"] = f"{bucket.tenant}:{bucket.name}"
    _add_sums(update, "", tally)
    for name, labels in tally.by.items():
        for label, sums in labels.items():
            _add_sums(update, f"by.{name}.{label}.", sums)
    absent = {f"contains.{share.own}": {"$exists": False} for share in shares}
    return (
        {"_id": bucket.id, **absent},
        {operator: changes for operator, changes in update.items() if changes},
    )


def part_of(tier: Tier, document: Document) -> Part:
    """Return what a bucket, or an hour, adds to its period."""
    if tier == HOURS:
        return bucket_of(document)
    hour = period_of(document)
    return Part(
        id=document["_id"],
        tenant=hour.tenant,
        name=hour.name,
        at_ms=hour.at_ms,
        version=hour.version,
        tally=total(hour.parts.values()),
    )


def bucket_of(document: Document) -> Part:
    """Return a bucket as a part of its hour."""
    tally = msgspec.convert(document, Tally)
    return Part(
        id=document["_id"],
        tenant=document["tenant"],
        name=document["name"],
        at_ms=ms_of(document["at"]),
        version=tally.count,  # each change adds to it
        tally=tally,
    )


def period_of(document: Document) -> Period:
    """Return the period that a document stores."""
    return msgspec.convert({**document, "at_ms": ms_of(document["at"])}, Period)


def ms_of(at: datetime) -> int:
    """Return when a time of the store is, which comes without its zone."""
    return round((at - datetime(1970, 1, 1)).total_seconds() * 1000)


def _add_sums(update: Document, path: str, sums: Sums) -> None:
    update["$inc"] |= {f"{path}count": sums.count, f"{path}sum": sums.sum}
    if sums.low is not None:
        update["$min"][f"{path}low"] = sums.low
        update["$max"][f"{path}high"] = sums.high
