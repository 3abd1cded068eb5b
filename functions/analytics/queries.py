"""The questions to the counts: a metric's points by minute, hour or day, and the names there are.

Points come from periods; what is not folded yet is read from where it was counted, in the order in
which folding moves it, so that nothing is missed on its way: first what has changed, then the rest.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import UNSET

from analytics.groups import OTHER, OTHER_SHOWN, limit_of, names_of, shown
from analytics.schema import Metric, MetricQuery, Named, NamePage, NamesQuery, Point
from analytics.service import AGE_MAX_MS
from analytics.tallies import (
    DAY_MS,
    DAYS,
    HOUR_MS,
    HOURS,
    MINUTE_MS,
    Part,
    Period,
    Span,
    Sums,
    Tally,
    Tier,
    total,
)
from backend.clock import parse_rfc3339, rfc3339
from backend.errors import InvalidRequest

LENGTHS_MS = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}
POINTS_MAX = 1_500
USERS_KEPT_MS = {HOUR_MS: 2 * DAY_MS, DAY_MS: AGE_MAX_MS}
OPEN_MS = MINUTE_MS  # after its end: events wait on the queue, rarely for longer


class Counts(Protocol):
    """The store of buckets and periods; `analytics.store` says what each function guarantees."""

    def changed_of(
        self, tier: Tier, tenant: str, name: str, *, start_ms: int, end_ms: int
    ) -> set[int]: ...

    def parts(self, tier: Tier, tenant: str, name: str, moments: Collection[int]) -> list[Part]: ...

    def periods(
        self, tier: Tier, tenant: str, name: str, *, start_ms: int, end_ms: int
    ) -> dict[int, Period]: ...

    def names(self, scope: str) -> frozenset[str]: ...


class Users(Protocol):
    """Who remembers which users there were; see `analytics.uniques`."""

    def counts(self, spans: Sequence[Span]) -> list[int] | None: ...


def measure(
    query: MetricQuery,
    *,
    tenant: str,
    counts: Counts,
    users: Users,
    group_by: Sequence[str],
    now_ms: int,
) -> Metric:
    """Return the points of a metric; raises InvalidRequest."""
    if query.group_by is not None and query.group_by not in group_by:
        raise InvalidRequest(
            f"Metrics can be grouped by {', '.join(group_by) or 'nothing'}.", param="group_by"
        )
    length_ms = LENGTHS_MS[query.granularity]
    start_ms, end_ms = _span(query, length_ms)
    series = (tenant, query.name)
    if query.granularity == "minute":
        tallies = _minutes(*series, start_ms=start_ms, end_ms=end_ms, counts=counts)
    else:
        tallies = _hours(*series, start_ms=start_ms, end_ms=end_ms, counts=counts)
    found = _by_period(tallies, length_ms)
    if query.group_by is not None:
        return _grouped(query, query.group_by, found, now_ms=now_ms)
    uniques = _uniques(*series, found, length_ms, users=users, now_ms=now_ms)
    points = [
        _point(at_ms, tally, length_ms, now_ms=now_ms, uniques=uniques.get(at_ms))
        for at_ms, tally in sorted(found.items())
    ]
    return Metric(name=query.name, granularity=query.granularity, points=points)


def is_closed(metric: Metric, query: MetricQuery, *, now_ms: int) -> bool:
    """Tell whether the whole time asked for is over, so that the answer will hardly change."""
    end_ms = parse_rfc3339(query.end, param="to")
    return end_ms + OPEN_MS <= now_ms and not any(point.partial for point in metric.points)


def names(query: NamesQuery, *, tenant: str, counts: Counts) -> NamePage:
    """Return a page of the names that a tenant's events have."""
    scope = names_of(tenant)
    admitted = counts.names(scope)
    found = sorted(shown(each) for each in admitted)
    if len(admitted) >= limit_of(scope):
        found.insert(0, OTHER_SHOWN)  # in its place: a parenthesis comes before every letter
    after = [each for each in found if query.starting_after is None or each > query.starting_after]
    page = after[: query.limit]
    return NamePage(data=[Named(name=each) for each in page], has_more=len(after) > len(page))


def _span(query: MetricQuery, length_ms: int) -> tuple[int, int]:
    start_ms = parse_rfc3339(query.start, param="from")
    end_ms = parse_rfc3339(query.end, param="to")
    if end_ms <= start_ms:
        raise InvalidRequest("`to` must be later than `from`.", param="to")
    start_ms = start_ms // length_ms * length_ms
    if end_ms - start_ms > POINTS_MAX * length_ms:
        raise InvalidRequest(
            f"From `from` to `to` there may be {POINTS_MAX} {query.granularity}s; ask for parts.",
            code="range_too_long",
            param="to",
        )
    return start_ms, -(-end_ms // length_ms) * length_ms


def _minutes(
    tenant: str, name: str, *, start_ms: int, end_ms: int, counts: Counts
) -> dict[int, Tally]:
    span = {"start_ms": start_ms, "end_ms": end_ms}
    changed = counts.changed_of(HOURS, tenant, name, **span)
    fresh = _together(counts.parts(HOURS, tenant, name, changed)) if changed else {}
    periods = counts.periods(HOURS, tenant, name, start_ms=HOURS.start(start_ms), end_ms=end_ms)
    folded = _parts_of(HOURS, periods.values())
    return {at: tally for at, tally in (folded | fresh).items() if start_ms <= at < end_ms}


def _hours(
    tenant: str, name: str, *, start_ms: int, end_ms: int, counts: Counts
) -> dict[int, Tally]:
    span = {"start_ms": start_ms, "end_ms": end_ms}
    minutes = counts.changed_of(HOURS, tenant, name, **span)
    changed = counts.changed_of(DAYS, tenant, name, **span) | {HOURS.start(at) for at in minutes}
    fresh = {}
    if changed:
        tallies = _together(counts.parts(HOURS, tenant, name, minutes)) if minutes else {}
        hours = {
            at: counts.periods(HOURS, tenant, name, start_ms=at, end_ms=at + 1) for at in changed
        }
        for at, period in hours.items():
            within = {m: tally for m, tally in tallies.items() if HOURS.start(m) == at}
            fresh[at] = total((_parts_of(HOURS, period.values()) | within).values())
    periods = counts.periods(DAYS, tenant, name, start_ms=DAYS.start(start_ms), end_ms=end_ms)
    folded = _parts_of(DAYS, periods.values())
    return {at: tally for at, tally in (folded | fresh).items() if start_ms <= at < end_ms}


def _parts_of(tier: Tier, periods: Iterable[Period]) -> dict[int, Tally]:
    return {at: tally for period in periods for at, tally in tier.moments(period).items()}


def _together(parts: Iterable[Part]) -> dict[int, Tally]:
    found: dict[int, list[Tally]] = defaultdict(list)
    for part in parts:
        found[part.at_ms].append(part.tally)
    return {at_ms: total(tallies) for at_ms, tallies in found.items()}


def _by_period(tallies: Mapping[int, Tally], length_ms: int) -> dict[int, Tally]:
    found: dict[int, list[Tally]] = defaultdict(list)
    for at_ms, tally in tallies.items():
        found[at_ms // length_ms * length_ms].append(tally)
    return {at_ms: total(within) for at_ms, within in found.items()}


def _grouped(
    query: MetricQuery, group_by: str, found: Mapping[int, Tally], *, now_ms: int
) -> Metric:
    length_ms = LENGTHS_MS[query.granularity]
    groups = [
        (at_ms, group, sums)
        for at_ms, tally in sorted(found.items())
        for group, sums in sorted(tally.by.get(group_by, {}).items())
    ]
    if len(groups) > POINTS_MAX:
        raise InvalidRequest(
            f"There are {len(groups)} points of groups, over {POINTS_MAX}; ask for parts.",
            code="range_too_long",
            param="to",
        )
    points = [
        _point(at_ms, sums, length_ms, now_ms=now_ms, group=shown(group))
        for at_ms, group, sums in groups
    ]
    return Metric(
        name=query.name,
        granularity=query.granularity,
        points=points,
        group_by=group_by,
        group_limit_reached=any(group == OTHER for _, group, _ in groups),
    )


def _uniques(
    tenant: str,
    name: str,
    found: Collection[int],
    length_ms: int,
    *,
    users: Users,
    now_ms: int,
) -> dict[int, int]:
    if length_ms not in USERS_KEPT_MS:
        return {}
    known = [at_ms for at_ms in sorted(found) if at_ms >= now_ms - USERS_KEPT_MS[length_ms]]
    counted = users.counts([(tenant, name, at_ms, length_ms) for at_ms in known]) if known else []
    if counted is None:
        return {}
    return {at_ms: each for at_ms, each in zip(known, counted, strict=True) if each}


def _point(
    at_ms: int,
    sums: Sums,
    length_ms: int,
    *,
    now_ms: int,
    uniques: int | None = None,
    group: str | None = None,
) -> Point:
    return Point(
        at=rfc3339(at_ms),
        count=sums.count,
        sum=sums.sum,
        min=sums.low,
        max=sums.high,
        uniques=uniques,
        partial=at_ms + length_ms + OPEN_MS > now_ms,
        group=UNSET if group is None else group,
    )
