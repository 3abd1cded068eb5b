"""Minutes counted again from their raw events and compared with what was counted of them.

Exact at any moment: a bucket says which messages it contains, so of its events those are compared
that these messages own. What is not contained yet is pending; it is a difference when it has been
so for longer than a message is tried again. Differences are told, never mended.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from msgspec import Struct

from analytics.service import AGE_MAX_MS, bucket_of
from analytics.tallies import (
    HOURS,
    MINUTE_MS,
    Part,
    Period,
    StoredEvent,
    Sums,
    Tally,
    Tier,
    tally_of,
    total,
)

PENDING_MAX_MS = 5 * MINUTE_MS  # five receives with 30 s between; then it is a dead letter
MINUTES = 1  # of a scheduled run; a peak's has 15,000 events, a quarter of a second of CPU
ATTEMPTS = 3  # at a minute that changes while it is compared
SUM_TOLERANCE = 1e-9  # of the sum of magnitudes: floats added in another order


class Counts(Protocol):
    """The store of events and buckets; `analytics.store` says what each function guarantees."""

    def minute_after(self, at_ms: int) -> int | None: ...

    def events_of(self, at_ms: int) -> Iterator[StoredEvent]: ...

    def buckets_of(self, at_ms: int) -> dict[str, tuple[Part, frozenset[str], bool]]: ...

    def period(self, tier: Tier, tenant: str, name: str, at_ms: int) -> Period | None: ...


class Difference(Struct, frozen=True):
    """One bucket or minute that is not what its events say."""

    id: str
    kind: str


class Report(Struct, kw_only=True):
    """The events that a run has counted again, and the differences it found."""

    minutes: int = 0
    events: int = 0
    pending: int = 0
    unknown: int = 0  # messages that Redis held when it was emptied, at the most
    differences: list[Difference] = []


def recount_some(*, counts: Counts, now_ms: int) -> Report:
    """Count some minutes again, each as likely as any other moment since the first event."""
    report = Report()
    first_ms = counts.minute_after(now_ms - AGE_MAX_MS)
    if first_ms is None:
        return report
    for _ in range(MINUTES):
        at_ms = counts.minute_after(random.randint(first_ms, max(first_ms, now_ms - MINUTE_MS)))
        # Behind the last event there is nothing to count: such a run begins at the first again.
        _recount(first_ms if at_ms is None else at_ms, report, counts=counts, now_ms=now_ms)
    return report


def recount_all(*, counts: Counts, now_ms: int) -> Report:
    """Count every minute again whose events are all kept."""
    report = Report()
    at_ms = counts.minute_after(now_ms - AGE_MAX_MS)
    while at_ms is not None:
        _recount(at_ms, report, counts=counts, now_ms=now_ms)
        at_ms = counts.minute_after(at_ms + MINUTE_MS)
    return report


def _recount(at_ms: int, report: Report, *, counts: Counts, now_ms: int) -> None:
    # Buckets before events: whatever a bucket contains, its events were there before.
    buckets = counts.buckets_of(at_ms)
    owned: dict[str, dict[str, list[StoredEvent]]] = defaultdict(lambda: defaultdict(list))
    for event in counts.events_of(at_ms):
        owned[bucket_of(event).id][event.own].append(event)
        report.events += 1
    report.minutes += 1
    for bucket_id in owned.keys() | buckets.keys():
        part, contained, _ = buckets.get(bucket_id, (None, frozenset(), False))
        added: list[StoredEvent] = []
        pending: list[StoredEvent] = []
        for own, events in owned[bucket_id].items():
            (added if own in contained else pending).extend(events)
        report.pending += len(pending)
        if any(event.stored_at_ms < now_ms - PENDING_MAX_MS for event in pending):
            report.differences.append(Difference(bucket_id, "it lacks events"))
        if part is not None and not _equal(part.tally, tally_of(added)):
            report.differences.append(Difference(bucket_id, "it is not what its events say"))
        elif contained - owned[bucket_id].keys():
            report.differences.append(Difference(bucket_id, "it contains a message without events"))
    report.differences += _unlike_hours(at_ms, counts)


def _unlike_hours(at_ms: int, counts: Counts) -> list[Difference]:
    """Compare the buckets of a minute that are folded with what their hours say of it."""
    unlike: list[Difference] = []
    for _ in range(ATTEMPTS):
        before = _folded(counts.buckets_of(at_ms))
        unlike = []
        for (tenant, name), parts in before.items():
            hour = counts.period(HOURS, tenant, name, HOURS.start(at_ms))
            stored = hour.parts.get(HOURS.number(at_ms)) if hour else None
            if stored is None or not _equal(stored, total(part.tally for part in parts)):
                unlike.append(Difference(f"{tenant}:{name}:{at_ms}", "its hour says otherwise"))
        if not unlike or before == _folded(counts.buckets_of(at_ms)):
            break
    return unlike


def _folded(
    buckets: Mapping[str, tuple[Part, frozenset[str], bool]],
) -> dict[tuple[str, str], list[Part]]:
    by_series: dict[tuple[str, str], list[Part]] = defaultdict(list)
    for part, _, _ in buckets.values():
        by_series[part.tenant, part.name].append(part)
    for part, _, is_folded in buckets.values():
        if not is_folded:
            by_series.pop((part.tenant, part.name), None)
    return by_series


def _equal(counted: Tally, recounted: Tally) -> bool:
    if counted.by.keys() != recounted.by.keys():
        return False
    return _equal_sums([(counted, recounted)]) and all(
        labels.keys() == recounted.by[name].keys()
        and _equal_sums((sums, recounted.by[name][label]) for label, sums in labels.items())
        for name, labels in counted.by.items()
    )


def _equal_sums(pairs: Iterable[tuple[Sums, Sums]]) -> bool:
    return all(
        (one.count, one.low, one.high) == (other.count, other.low, other.high)
        and math.isclose(
            one.sum,
            other.sum,
            rel_tol=SUM_TOLERANCE,
            abs_tol=SUM_TOLERANCE * one.count * max(abs(one.low or 0), abs(one.high or 0)),
        )
        for one, other in pairs
    )
