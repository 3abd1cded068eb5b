"""The scheduled upkeep: minutes folded into hours, hours into days, users put in again.

A period is made of its parts as they are: read the period, read the parts, store the period over
the version that was read, then mark the parts, each only if it has not changed since. So of two
that fold at once one stores, a part that changes meanwhile stays to be folded, and after a crash
all is done again. Nothing is added twice, because nothing is added.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from typing import Protocol

import msgspec
from msgspec import Struct

from analytics.groups import label, names_of
from analytics.tallies import (
    DAYS,
    HOURS,
    MINUTE_MS,
    Part,
    Period,
    Span,
    StoredEvent,
    Tally,
    Tier,
    total,
    users_of,
)

PARTS_MAX = 200  # read at once: requests of clients wait behind one read
ROUNDS_MAX = 50  # a run; the next one takes the rest
MINUTES_MAX = 120  # of which a run puts users in again


class Mark(Struct, frozen=True, kw_only=True):
    """The progress of one attempt to put users in again: all before a minute are in."""

    attempt: str
    at_ms: int


class Counts(Protocol):
    """The store of buckets and periods; `analytics.store` says what each function guarantees."""

    def changed(self, tier: Tier, *, limit: int) -> list[Part]: ...

    def parts(self, tier: Tier, tenant: str, name: str, moments: Collection[int]) -> list[Part]: ...

    def folded(self, tier: Tier, done: Sequence[Part]) -> None: ...

    def period(self, tier: Tier, tenant: str, name: str, at_ms: int) -> Period | None: ...

    def put(self, tier: Tier, period: Period) -> bool: ...

    def names(self, scope: str) -> frozenset[str]: ...

    def minute_after(self, at_ms: int) -> int | None: ...

    def events_of(self, at_ms: int) -> Iterator[StoredEvent]: ...

    def missed_users(self) -> int: ...

    def users_made_good(self, missed: int) -> None: ...


class Users(Protocol):
    """The memory of which users there were; see `analytics.uniques`."""

    def add(self, users: Mapping[Span, Set[str]]) -> bool: ...

    def resume(self) -> Mark | None: ...

    def advance(self, before: Mark, after: Mark) -> bool: ...

    def complete(self, mark: Mark) -> bool: ...

    def incomplete(self) -> None: ...


def fold(*, counts: Counts) -> int:
    """Fold what has changed; returns how many hours and days were stored."""
    return sum(_fold_tier(tier, counts) for tier in (HOURS, DAYS))


def _fold_tier(tier: Tier, counts: Counts) -> int:
    stored = 0
    for _ in range(ROUNDS_MAX):
        changed = counts.changed(tier, limit=PARTS_MAX)
        by_period: dict[tuple[str, str, int], set[int]] = defaultdict(set)
        for part in changed:
            by_period[part.tenant, part.name, tier.start(part.at_ms)].add(part.at_ms)
        for (tenant, name, start_ms), moments in by_period.items():
            stored += _fold_period(tier, tenant, name, start_ms, moments, counts)
        if len(changed) < PARTS_MAX:
            break
    return stored


def _fold_period(
    tier: Tier, tenant: str, name: str, start_ms: int, moments: Set[int], counts: Counts
) -> bool:
    before = counts.period(tier, tenant, name, start_ms)
    parts = counts.parts(tier, tenant, name, moments)
    after = Period(
        tenant=tenant,
        name=name,
        at_ms=start_ms,
        version=before.version + 1 if before else 1,
        parts={**(before.parts if before else {}), **_by_number(tier, parts)},
    )
    stored = counts.put(tier, after)
    if stored:
        counts.folded(tier, parts)
    return stored


def _by_number(tier: Tier, parts: Iterable[Part]) -> dict[str, Tally]:
    together: dict[str, list[Tally]] = defaultdict(list)
    for part in parts:
        together[tier.number(part.at_ms)].append(part.tally)
    return {number: total(tallies) for number, tallies in together.items()}


def restore_users(*, counts: Counts, users: Users) -> int:
    """Put users in again where Redis was lost or did not take some; returns for how many minutes.

    Newer events put their users in themselves meanwhile; a user may be put in any number of times.
    """
    missed = counts.missed_users()
    if missed:
        users.incomplete()
        counts.users_made_good(missed)
    mark = users.resume()
    if mark is None:
        return 0
    for done in range(MINUTES_MAX):
        minute_ms = counts.minute_after(mark.at_ms)
        if minute_ms is None:
            users.complete(mark)
            return done
        after = msgspec.structs.replace(mark, at_ms=minute_ms + MINUTE_MS)
        if not users.add(_users_of(minute_ms, counts)) or not users.advance(mark, after):
            return done
        mark = after
    return MINUTES_MAX


def _users_of(minute_ms: int, counts: Counts) -> dict[Span, set[str]]:
    users_by_span = users_of(counts.events_of(minute_ms))
    admitted = {
        tenant: counts.names(names_of(tenant)) for tenant in {span[0] for span in users_by_span}
    }
    return {
        span: each for span, each in users_by_span.items() if label(span[1]) in admitted[span[0]]
    }
