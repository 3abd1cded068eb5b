"""The rules that keep counting exact, each broken on purpose; the simulation must notice each."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from unittest.mock import patch

from msgspec.structs import replace
from pymongo import UpdateOne

from analytics import queries, service, store, upkeep
from analytics.schema import EventMessage
from analytics.tallies import HOURS, Bucket, Part, Period, Share, StoredEvent, Tally, Tier
from backend.store import store_errors
from tests.simulation.analytics.doubles import Redis

MUTANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {}
_new = itertools.count()


def _mutant(make: Callable[[], Iterator[None]]) -> None:
    MUTANTS[make.__name__] = contextmanager(make)


@_mutant
def an_event_counted_whenever_it_is_delivered() -> Iterator[None]:
    def mutant(shares: Mapping[Bucket, Sequence[Share]]) -> None:
        add(
            {
                bucket: [replace(each, own=f"{each.own}{next(_new)}") for each in together]
                for bucket, together in shares.items()
            }
        )

    add = store.add
    with patch.object(store, "add", mutant):
        yield


@_mutant
def an_event_counted_by_every_message_that_has_it() -> Iterator[None]:
    def mutant(events: Sequence[StoredEvent]) -> list[StoredEvent]:
        insert(events)
        return list(events)

    insert = store.insert
    with patch.object(store, "insert", mutant):
        yield


@_mutant
def an_event_counted_only_when_it_is_new() -> Iterator[None]:
    """Count an event only when it is new: a crash between event and bucket then loses it."""

    def mutant(events: Sequence[StoredEvent]) -> list[StoredEvent]:
        with store_errors():
            there = store._events().find({"_id": {"$in": [event.id for event in events]}})
            stored_ids = {document["_id"] for document in there}
        return [event for event in insert(events) if event.id not in stored_ids]

    insert = store.insert
    with patch.object(store, "insert", mutant):
        yield


@_mutant
def a_message_known_by_when_it_was_sent() -> Iterator[None]:
    """Know a message by its time: one redriven from the dead-letter queue is then another."""

    def mutant(message: EventMessage, sent_at_ms: int, now_ms: int) -> Iterator[StoredEvent]:
        for event in stored(message, sent_at_ms, now_ms):
            yield replace(event, own=f"{event.own}{sent_at_ms}")

    stored = service._stored
    with patch.object(service, "_stored", mutant):
        yield


@_mutant
def a_bucket_chosen_anew_at_each_delivery() -> Iterator[None]:
    def mutant(events: Sequence[StoredEvent]) -> list[StoredEvent]:
        fresh = {event.id: event.slot for event in events}
        return [replace(event, slot=fresh[event.id]) for event in insert(events)]

    insert = store.insert
    with patch.object(store, "insert", mutant):
        yield


@_mutant
def groups_decided_anew_at_each_delivery() -> Iterator[None]:
    def mutant(events: Sequence[StoredEvent]) -> list[StoredEvent]:
        fresh = {event.id: event.by for event in events}
        return [replace(event, by=fresh[event.id]) for event in insert(events)]

    insert = store.insert
    with patch.object(store, "insert", mutant):
        yield


@_mutant
def a_batch_refused_as_a_whole_where_a_bucket_has_one_of_its_messages() -> Iterator[None]:
    def mutant(bucket: Bucket, shares: Sequence[Share], *, upsert: bool) -> UpdateOne:
        if not upsert:
            return UpdateOne({"_id": "none"}, {"$set": {"n": 1}})
        return addition(bucket, shares, upsert=upsert)

    addition = store._addition
    with patch.object(store, "_addition", mutant):
        yield


@_mutant
def a_period_stored_over_whatever_is_there() -> Iterator[None]:
    def mutant(tier: Tier, period: Period) -> bool:
        there = store.period(tier, period.tenant, period.name, period.at_ms)
        return put(tier, replace(period, version=there.version + 1 if there else 1))

    put = store.put
    with patch.object(store, "put", mutant):
        yield


@_mutant
def a_part_marked_as_folded_though_it_has_changed() -> Iterator[None]:
    def mutant(tier: Tier, done: Sequence[Part]) -> None:
        folded(tier, store.parts(tier, done[0].tenant, done[0].name, {p.at_ms for p in done}))

    folded = store.folded
    with patch.object(store, "folded", mutant):
        yield


@_mutant
def a_part_marked_before_its_period_is_stored() -> Iterator[None]:
    def mutant(tier: Tier, period: Period) -> bool:
        moments = tier.moments(period)
        store.folded(tier, store.parts(tier, period.tenant, period.name, moments))
        return put(tier, period)

    put = store.put
    with patch.object(store, "put", mutant):
        yield


@_mutant
def minutes_added_to_their_hour_instead_of_put_there() -> Iterator[None]:
    def mutant(tier: Tier, parts: Sequence[Part]) -> dict[str, object]:
        return by_number(tier, [*parts, *parts[:1]])  # type: ignore[return-value]

    by_number = upkeep._by_number
    with patch.object(upkeep, "_by_number", mutant):
        yield


@_mutant
def users_that_redis_did_not_take_forgotten() -> Iterator[None]:
    with patch.object(store, "miss_users", lambda: None):
        yield


@_mutant
def users_of_a_lost_redis_not_put_in_again() -> Iterator[None]:
    def mutant(*, counts: upkeep.Counts, users: Redis) -> int:
        counts.users_made_good(counts.missed_users())
        users.is_complete = True
        return 0

    with patch.object(upkeep, "restore_users", mutant):
        yield


@_mutant
def groups_of_what_each_process_has_seen() -> Iterator[None]:
    def mutant(values_by_scope: Mapping[str, Set[str]]) -> dict[str, frozenset[str]]:
        return {scope: frozenset(sorted(values)[:2]) for scope, values in values_by_scope.items()}

    with patch.object(store, "admit", mutant):
        yield


@_mutant
def answers_from_what_is_folded_alone() -> Iterator[None]:
    def mutant(*_: object, **__: object) -> set[int]:
        return set()

    with patch.object(store, "changed_of", mutant):
        yield


@_mutant
def what_is_folded_read_before_what_is_not() -> Iterator[None]:
    """Read the folded part first: it misses what moves from the other to it meanwhile."""

    def mutant(
        tenant: str, name: str, *, start_ms: int, end_ms: int, counts: queries.Counts
    ) -> dict[int, Tally]:
        periods = counts.periods(HOURS, tenant, name, start_ms=start_ms, end_ms=end_ms)
        changed = counts.changed_of(HOURS, tenant, name, start_ms=start_ms, end_ms=end_ms)
        fresh = queries._together(counts.parts(HOURS, tenant, name, changed))
        return queries._parts_of(HOURS, periods.values()) | fresh

    with patch.object(queries, "_minutes", mutant):
        yield
