"""The store of events, buckets and periods; `analytics.service` says why counting is exact."""

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any

import msgspec
from pymongo import IndexModel, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from analytics.documents import addition, admission, bucket_of, ms_of, part_of, period_of
from analytics.groups import limit_of
from analytics.losses import WatchedQueue
from analytics.tallies import (
    DAYS,
    HOURS,
    MINUTE_MS,
    MINUTES_KEPT_MS,
    Bucket,
    Part,
    Period,
    Share,
    StoredEvent,
    Tier,
    moment,
    period_id,
)
from backend import arrivals
from backend.clock import now_ms
from backend.store import Document, collection, duplicates, opened_early, store_errors

DAY_S = 24 * 3600
EVENT_LIFE_S = 22 * DAY_S  # a day longer than one may still be counted
SET_LIFE_S = 23 * DAY_S  # values of a day are admitted as long as its events come
READ_MAX = 500  # documents of one answer: requests of clients wait behind it
ADMIT_ATTEMPTS = 2  # the first may lose to another worker that makes the same set

EVENT_INDEXES = (
    IndexModel([("at", 1)], name="age", expireAfterSeconds=EVENT_LIFE_S),
    IndexModel([("tenant", 1), ("name", 1), ("at", 1), ("_id", 1)], name="series"),
)
SET_INDEXES = (IndexModel([("made_at", 1)], name="age", expireAfterSeconds=SET_LIFE_S),)
# A document that is not yet in its period has `unfolded`: its tenant and name.
UNFOLDED = IndexModel([("unfolded", 1)], name="unfolded", sparse=True)
SERIES = IndexModel([("tenant", 1), ("name", 1), ("at", 1)], name="series")
BUCKET_INDEXES = (
    IndexModel([("at", 1)], name="age", expireAfterSeconds=EVENT_LIFE_S),
    SERIES,
    UNFOLDED,
)
PERIOD_INDEXES = {
    name: (IndexModel([("at", 1)], name="age", expireAfterSeconds=life_s), SERIES, UNFOLDED)
    for name, life_s in ((HOURS.name, MINUTES_KEPT_MS // 1000), (DAYS.name, 400 * DAY_S))
}


def admit(values_by_scope: Mapping[str, Set[str]]) -> dict[str, frozenset[str]]:
    """Add values to bounded sets as long as there is room; returns what the sets then hold."""
    made_at = moment(now_ms())
    contents: dict[str, frozenset[str]] = {}
    for _ in range(ADMIT_ATTEMPTS):
        missing = [
            (scope, value)
            for scope, values in values_by_scope.items()
            for value in values - contents.get(scope, frozenset())
            if len(contents.get(scope, ())) < limit_of(scope)
        ]
        if not missing:
            break
        with store_errors():
            try:
                _sets().bulk_write(
                    [UpdateOne(*admission(*each, made_at), upsert=True) for each in missing],
                    ordered=False,
                )
            except BulkWriteError as error:
                duplicates(error)  # the set is there, and full or has the value
            sets = _sets().find({"_id": {"$in": list(values_by_scope)}})
            contents = {each["_id"]: frozenset(each["values"]) for each in sets}
    return contents


def names(scope: str) -> frozenset[str]:
    """Return what a bounded set holds."""
    with store_errors():
        document = _sets().find_one({"_id": scope})
    return frozenset(document["values"]) if document else frozenset()


def insert(events: Sequence[StoredEvent]) -> list[StoredEvent]:
    """Keep events whose id is new; returns those that count for the message that brings them now.

    An event that was kept before comes back only to its owner, as it was kept.
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
            duplicate_indexes = duplicates(error)
        else:
            return list(events)
        documents = {
            document["_id"]: document
            for document in _events().find(
                {"_id": {"$in": [events[i].id for i in duplicate_indexes]}}
            )
        }
    owned = [each for index, each in enumerate(events) if index not in duplicate_indexes]
    for index in sorted(duplicate_indexes):
        document = documents.get(events[index].id)
        if document is not None and document["own"] == events[index].own:
            owned.append(_event(document))
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


def miss_users() -> None:
    """Remember that Redis did not take some users."""
    with store_errors():
        _state().update_one({"_id": "users"}, {"$inc": {"missed": 1}}, upsert=True)


def missed_users() -> int:
    """Return how often that happened since `users_made_good`."""
    with store_errors():
        state = _state().find_one({"_id": "users"})
    return int(state["missed"]) if state else 0


def users_made_good(missed: int) -> None:
    """Forget what was missed, unless more was missed meanwhile."""
    with store_errors():
        _state().delete_one({"_id": "users", "missed": missed})


def watched() -> WatchedQueue:
    """Return the queue as it was when it was last looked at."""
    with store_errors():
        document = _state().find_one({"_id": "queue"}, {"_id": 0})
    return msgspec.convert(document or {}, WatchedQueue)


def set_watched(watched: WatchedQueue) -> None:
    """Remember the queue as it is now."""
    with store_errors():
        _state().replace_one({"_id": "queue"}, msgspec.to_builtins(watched), upsert=True)


def minute_after(at_ms: int) -> int | None:
    """Return the first minute from `at_ms` on in which an event happened."""
    with store_errors():
        first_event = _events().find_one({"at": {"$gte": moment(at_ms)}}, sort=[("at", 1)])
    return None if first_event is None else ms_of(first_event["at"])


def events_of(at_ms: int) -> Iterator[StoredEvent]:
    """Give all events of a minute, of all tenants."""
    with store_errors():
        for document in _events().find({"at": moment(at_ms)}, batch_size=READ_MAX):
            yield _event(document)


def event(tenant: str, name: str, event_id: str) -> StoredEvent | None:
    """Return one event of a name, None where there is none of this id."""
    query = {"_id": arrivals.event_id(tenant, event_id), "name": name}
    with store_errors():
        document = _events().find_one(query)
    return None if document is None else _event(document)


def events_between(
    tenant: str, name: str, *, start_ms: int, end_ms: int, limit: int
) -> list[StoredEvent]:
    """Return up to `limit` events of one name that happened in this time."""
    query = _happened(tenant, name, start_ms, end_ms)
    with store_errors():
        documents = _events().find(query, limit=limit, batch_size=READ_MAX)
        return [_event(each) for each in documents]


def begin_long(tenant: str) -> None:
    """Take a turn of the tenant for a long search; raises Throttled where it has none now."""
    from backend import rate_limits  # noqa: PLC0415  # workers search nothing

    rate_limits.take_search(tenant)


def event_page(
    tenant: str,
    name: str,
    *,
    start_ms: int,
    end_ms: int,
    limit: int,
    after: StoredEvent | None,
    before: StoredEvent | None,
) -> list[StoredEvent]:
    """Return up to `limit` events of one name and time, newest minute first, next to one."""
    query = _happened(tenant, name, start_ms, end_ms)
    edge, way, further = (before, 1, "$gt") if before else (after, -1, "$lt")
    if edge is not None:
        # The first bounds the scan of the index; the second orders what is in the same minute.
        if before:
            query["at"]["$gte"] = max(query["at"]["$gte"], edge.at.replace(tzinfo=UTC))
        else:
            query["at"]["$lte"] = edge.at
        query["$or"] = [{"at": {further: edge.at}}, {"_id": {further: edge.id}}]
    with store_errors():
        documents = _events().find(query, sort=[("at", way), ("_id", way)], limit=limit)
        return [_event(each) for each in [*documents][::-way]]


def _happened(tenant: str, name: str, start_ms: int, end_ms: int) -> Document:
    """Return the filter of one name's events in this time; the index knows their minutes."""
    return {
        "tenant": tenant,
        "name": name,
        "at": {"$gte": moment(start_ms // MINUTE_MS * MINUTE_MS), "$lt": moment(end_ms)},
        "occurred_at_ms": {"$gte": start_ms, "$lt": end_ms},
    }


def buckets_of(at_ms: int) -> dict[str, tuple[Part, frozenset[str], bool]]:
    """Return the buckets of a minute, of all tenants, by id.

    Each as a part of its hour, with the messages it contains, and whether it is in its hour.
    """
    with store_errors():
        return {
            each["_id"]: (bucket_of(each), frozenset(each["contains"]), "unfolded" not in each)
            for each in _buckets().find({"at": moment(at_ms)}, batch_size=READ_MAX)
        }


def changed(tier: Tier, *, limit: int) -> list[Part]:
    """Return up to `limit` parts that are not yet in their period as they are now."""
    with store_errors():
        documents = _parts(tier).find({"unfolded": {"$gt": ""}}, {"contains": 0}, limit=limit)
        return [part_of(tier, each) for each in documents]


def changed_of(tier: Tier, tenant: str, name: str, *, start_ms: int, end_ms: int) -> set[int]:
    """Return the moments of one name at which `changed` parts begin."""
    query = {"unfolded": f"{tenant}:{name}", "at": _between(start_ms, end_ms)}
    with store_errors():
        return {ms_of(each["at"]) for each in _parts(tier).find(query, {"at": 1})}


def parts(tier: Tier, tenant: str, name: str, moments: Collection[int]) -> list[Part]:
    """Return all parts of one name that begin at these moments."""
    query = {"tenant": tenant, "name": name, "at": {"$in": [moment(each) for each in moments]}}
    with store_errors():
        return [part_of(tier, each) for each in _parts(tier).find(query, {"contains": 0})]


def folded(tier: Tier, done: Sequence[Part]) -> None:
    """Take note that these parts are in their period, unless they have changed again."""
    version = "count" if tier == HOURS else "version"
    with store_errors():
        _parts(tier).bulk_write(
            [
                UpdateOne({"_id": each.id, version: each.version}, {"$unset": {"unfolded": ""}})
                for each in done
            ],
            ordered=False,
        )


def period(tier: Tier, tenant: str, name: str, at_ms: int) -> Period | None:
    """Return a period."""
    with store_errors():
        document = _periods(tier).find_one({"_id": period_id(tenant, name, at_ms)})
    return None if document is None else period_of(document)


def periods(tier: Tier, tenant: str, name: str, *, start_ms: int, end_ms: int) -> dict[int, Period]:
    """Return the periods of one name that begin in this time, by when they do."""
    query = {"tenant": tenant, "name": name, "at": _between(start_ms, end_ms)}
    with store_errors():
        within = [period_of(each) for each in _periods(tier).find(query)]
    return {each.at_ms: each for each in within}


def put(tier: Tier, period: Period) -> bool:
    """Store a period over the version before it; False where somebody else has."""
    document: Document = {
        "_id": period.id,
        "tenant": period.tenant,
        "name": period.name,
        "at": moment(period.at_ms),
        "version": period.version,
        "parts": msgspec.to_builtins(period.parts),
    }
    if tier == HOURS:
        document["unfolded"] = f"{period.tenant}:{period.name}"
    with store_errors():
        if period.version > 1:
            before = {"_id": period.id, "version": period.version - 1}
            return _periods(tier).replace_one(before, document).matched_count == 1
        try:
            _periods(tier).insert_one(document)
        except DuplicateKeyError:
            return False
    return True


def _addition(bucket: Bucket, shares: Sequence[Share], *, upsert: bool) -> UpdateOne:
    return UpdateOne(*addition(bucket, shares), upsert=upsert)


def _event(document: Document) -> StoredEvent:
    return msgspec.convert(document, StoredEvent)


def _between(start_ms: int, end_ms: int) -> dict[str, Any]:
    return {"$gte": moment(start_ms), "$lt": moment(end_ms)}


@opened_early
def _events() -> MongoCollection[Document]:
    return collection(arrivals.EVENTS, EVENT_INDEXES)


@opened_early
def _buckets() -> MongoCollection[Document]:
    return collection("analytics_buckets", BUCKET_INDEXES)


def _sets() -> MongoCollection[Document]:
    return collection("analytics_sets", SET_INDEXES)


def _state() -> MongoCollection[Document]:
    return collection("analytics_state", ())


def _periods(tier: Tier) -> MongoCollection[Document]:
    return collection(tier.name, PERIOD_INDEXES[tier.name])


def _parts(tier: Tier) -> MongoCollection[Document]:
    return _buckets() if tier == HOURS else _periods(HOURS)
