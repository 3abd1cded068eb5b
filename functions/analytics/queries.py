"""The questions to the counts: a metric's points by minute, hour or day, and the names there are.

Points come from periods; what is not folded yet is read from where it was counted, in the order in
which folding moves it, so that nothing is missed on its way: first what has changed, then the rest.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Struct

from analytics import exact, periods
from analytics.groups import NONE_SHOWN, OTHER, OTHER_SHOWN, limit_of, names_of, shown
from analytics.periods import LENGTHS_MS, UTC, Granularity, Periods
from analytics.schema import Metric, MetricQuery, Named, NamePage, NamesQuery, Point
from analytics.service import AGE_MAX_MS
from analytics.tallies import (
    DAY_MS,
    DAYS,
    HOUR_MS,
    HOURS,
    MINUTE_MS,
    MINUTES_KEPT_MS,
    Part,
    Period,
    Span,
    StoredEvent,
    Sums,
    Tally,
    Tier,
    tally_of,
    total,
)
from backend.clock import parse_rfc3339, rfc3339, time_zone
from backend.errors import InvalidRequest

POINTS_MAX = 1_500
USERS_KEPT_MS = {HOUR_MS: 2 * DAY_MS, DAY_MS: AGE_MAX_MS}
CLOCK_CHANGE_MS = 2 * HOUR_MS  # by how much local periods may together be longer than theirs
OPEN_MS = MINUTE_MS  # after its end: events wait on the queue, rarely for longer


class Counts(exact.Events, Protocol):
    """The store of events, buckets and periods; `analytics.store` says what each guarantees."""

    def changed_of(
        self, tier: Tier, tenant: str, name: str, *, start_ms: int, end_ms: int
    ) -> set[int]: ...

    def parts(self, tier: Tier, tenant: str, name: str, moments: Collection[int]) -> list[Part]: ...

    def periods(
        self, tier: Tier, tenant: str, name: str, *, start_ms: int, end_ms: int
    ) -> dict[int, Period]: ...

    def names(self, scope: str) -> frozenset[str]: ...


class Users(Protocol):
    """The memory of which users there were; see `analytics.uniques`."""

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
    span = _span(query)
    series = (tenant, query.name)
    uniques: Mapping[int, int] = {}
    if query.where is not None:
        by_period, uniques = _of_some(*series, query.where, span, events=counts, now_ms=now_ms)
    else:
        by_period = _of_all(*series, query.granularity, span, counts=counts, now_ms=now_ms)
        if query.group_by is None:
            uniques = _uniques(*series, by_period, span.periods, users=users, now_ms=now_ms)
    metric = Metric(
        name=query.name,
        granularity=query.granularity,
        timezone=UNSET if query.timezone is None else query.timezone,
        points=[],
    )
    if query.group_by is not None:
        return _grouped(metric, query.group_by, by_period, span=span, now_ms=now_ms)
    points = [
        _point(at_ms, tally, span, now_ms=now_ms, uniques=uniques.get(at_ms))
        for at_ms, tally in sorted(by_period.items())
    ]
    return msgspec.structs.replace(metric, points=points)


def is_closed(metric: Metric, query: MetricQuery, *, now_ms: int) -> bool:
    """Tell whether the whole time asked for is over, so that the answer will hardly change."""
    end_ms = parse_rfc3339(query.end, param="to")
    return end_ms + OPEN_MS <= now_ms and not any(point.partial for point in metric.points)


def names(query: NamesQuery, *, tenant: str, counts: Counts) -> NamePage:
    """Return a page of the names that a tenant's events have."""
    scope = names_of(tenant)
    admitted = counts.names(scope)
    listed = sorted(shown(each) for each in admitted)
    if len(admitted) >= limit_of(scope):
        listed.insert(0, OTHER_SHOWN)  # in its place: a parenthesis comes before every letter
    after = [each for each in listed if query.starting_after is None or each > query.starting_after]
    page = after[: query.limit]
    return NamePage(data=[Named(name=each) for each in page], has_more=len(after) > len(page))


class _Span(Struct, frozen=True, kw_only=True):
    """The time that a query asks for, and the periods it is counted by."""

    start_ms: int
    end_ms: int
    periods: Periods

    def has_whole(self, start_ms: int) -> bool:
        """Tell whether a period lies in the span with both its ends."""
        return self.start_ms <= start_ms and self.periods.end_of(start_ms) <= self.end_ms


def _span(query: MetricQuery) -> _Span:
    start_ms = parse_rfc3339(query.start, param="from")
    end_ms = parse_rfc3339(query.end, param="to")
    if end_ms <= start_ms:
        raise InvalidRequest("`to` must be later than `from`.", param="to")
    zone = _zone(query)
    first_ms = periods.start(start_ms, query.granularity, zone)
    last_ms = periods.start(end_ms, query.granularity, zone)
    if last_ms < end_ms:
        last_ms = periods.after(last_ms, query.granularity, zone)
    if query.granularity != "minute" and (first_ms, last_ms) != (start_ms, end_ms):
        raise InvalidRequest(
            f"`from` and `to` must be starts of {query.granularity}s in {zone.key}, such as"
            f" {rfc3339(first_ms)} and {rfc3339(last_ms)}.",
            code="range_unaligned",
            param="to" if first_ms == start_ms else "from",
        )
    most_ms = POINTS_MAX * LENGTHS_MS[query.granularity]
    if last_ms - first_ms <= most_ms + CLOCK_CHANGE_MS:
        counted_by = periods.between(first_ms, last_ms, query.granularity, zone)
        if len(counted_by.starts) <= POINTS_MAX:
            return _Span(start_ms=start_ms, end_ms=end_ms, periods=counted_by)
    raise InvalidRequest(
        f"From `from` to `to` there may be {POINTS_MAX} {query.granularity}s; ask for parts.",
        code="range_too_long",
        param="to",
    )


def _zone(query: MetricQuery) -> ZoneInfo:
    if query.timezone is None:
        return UTC
    try:
        return time_zone(query.timezone)
    except ValueError as error:
        raise InvalidRequest(
            "timezone must be an IANA name such as Europe/Amsterdam.", param="timezone"
        ) from error


def _of_all(
    tenant: str, name: str, granularity: Granularity, span: _Span, *, counts: Counts, now_ms: int
) -> dict[int, Tally]:
    """Return the tallies of the periods, from what is counted."""
    if granularity == "minute":
        bounds = {"start_ms": span.periods.starts[0], "end_ms": span.periods.end_ms}
        tallies = _minutes(tenant, name, **bounds, counts=counts)
    else:
        tallies = _hours_and_parts(tenant, name, span=span, counts=counts, now_ms=now_ms)
    return _by_period(tallies, span.periods)


def _of_some(
    tenant: str, name: str, where: str, span: _Span, *, events: exact.Events, now_ms: int
) -> tuple[dict[int, Tally], dict[int, int]]:
    """Return the tallies and the users of the periods, from the events themselves."""
    bounds = {"start_ms": span.periods.starts[0], "end_ms": span.periods.end_ms}
    by_period: dict[int, list[StoredEvent]] = defaultdict(list)
    for event in exact.some(tenant, name, where, **bounds, events=events, now_ms=now_ms):
        by_period[span.periods.start_of(event.occurred_at_ms)].append(event)
    return (
        {at_ms: tally_of(within) for at_ms, within in by_period.items()},
        {
            at_ms: len({each.user_id for each in within} - {None})
            for at_ms, within in by_period.items()
        },
    )


def _hours_and_parts(
    tenant: str, name: str, *, span: _Span, counts: Counts, now_ms: int
) -> dict[int, Tally]:
    """Return the tallies of UTC's hours, and of the minutes of those that belong to two periods."""
    inner = [*span.periods.starts, span.periods.end_ms]
    cut = sorted({HOURS.start(at_ms) for at_ms in inner if at_ms % HOUR_MS})
    if cut and cut[0] < now_ms - MINUTES_KEPT_MS:
        raise InvalidRequest(
            "Periods that do not begin with an hour of UTC are counted from minutes, which are"
            f" kept for {MINUTES_KEPT_MS // DAY_MS} days; ask for later ones.",
            code="range_too_old",
            param="from",
        )
    start_ms, end_ms = span.periods.starts[0], span.periods.end_ms
    tallies = _hours(tenant, name, start_ms=HOURS.start(start_ms), end_ms=end_ms, counts=counts)
    for first_ms, last_ms in _together_without_gap(cut):
        minutes = _minutes(tenant, name, start_ms=first_ms, end_ms=last_ms, counts=counts)
        tallies = {at: each for at, each in tallies.items() if not first_ms <= at < last_ms}
        tallies |= {at: each for at, each in minutes.items() if start_ms <= at < end_ms}
    return tallies


def _together_without_gap(hours: Iterable[int]) -> list[tuple[int, int]]:
    """Return hours that follow one another as start and end of them, a day's at most.

    Requests of clients wait behind one read, and a day of minutes takes 20 ms.
    """
    spans: list[tuple[int, int]] = []
    for at_ms in hours:
        if spans and spans[-1][1] == at_ms < spans[-1][0] + DAY_MS:
            spans[-1] = (spans[-1][0], at_ms + HOUR_MS)
        else:
            spans.append((at_ms, at_ms + HOUR_MS))
    return spans


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
    tallies_at: dict[int, list[Tally]] = defaultdict(list)
    for part in parts:
        tallies_at[part.at_ms].append(part.tally)
    return {at_ms: total(tallies) for at_ms, tallies in tallies_at.items()}


def _by_period(tallies: Mapping[int, Tally], periods: Periods) -> dict[int, Tally]:
    tallies_in: dict[int, list[Tally]] = defaultdict(list)
    for at_ms, tally in tallies.items():
        tallies_in[periods.start_of(at_ms)].append(tally)
    return {at_ms: total(within) for at_ms, within in tallies_in.items()}


def _grouped(
    metric: Metric, group_by: str, by_period: Mapping[int, Tally], *, span: _Span, now_ms: int
) -> Metric:
    groups = [
        (at_ms, shown(group), sums)
        for at_ms, tally in sorted(by_period.items())
        for group, sums in sorted(tally.by.get(group_by, {}).items())
    ]
    rest = [(at_ms, NONE_SHOWN, _rest(tally, group_by)) for at_ms, tally in by_period.items()]
    groups += [(at_ms, group, sums) for at_ms, group, sums in rest if sums.count]
    if len(groups) > POINTS_MAX:
        raise InvalidRequest(
            f"There are {len(groups)} points of groups, over {POINTS_MAX}; ask for parts.",
            code="range_too_long",
            param="to",
        )
    points = [
        _point(at_ms, sums, span, now_ms=now_ms, group=group)
        for at_ms, group, sums in sorted(groups, key=itemgetter(0))
    ]
    return msgspec.structs.replace(
        metric,
        points=points,
        group_by=group_by,
        group_limit_reached=any(OTHER in each.by.get(group_by, {}) for each in by_period.values()),
    )


def _rest(tally: Tally, group_by: str) -> Sums:
    """Return the sums of the events that are in no group.

    Whose the lowest and the highest value is cannot be told where a group has the same.
    """
    groups = tally.by.get(group_by, {}).values()
    return Sums(
        count=tally.count - sum(each.count for each in groups),
        sum=math.fsum((tally.sum, *(-each.sum for each in groups))),
        low=None if tally.low in {each.low for each in groups} else tally.low,
        high=None if tally.high in {each.high for each in groups} else tally.high,
    )


def _uniques(
    tenant: str,
    name: str,
    starts: Collection[int],
    periods: Periods,
    *,
    users: Users,
    now_ms: int,
) -> dict[int, int]:
    """Return the numbers of users by period, where they are remembered: by UTC's hours and days."""
    spans = [
        (at_ms, length_ms)
        for at_ms in sorted(starts)
        if (length_ms := periods.end_of(at_ms) - at_ms) in USERS_KEPT_MS
        and at_ms % length_ms == 0
        and at_ms >= now_ms - USERS_KEPT_MS[length_ms]
    ]
    counted = users.counts([(tenant, name, *span) for span in spans]) if spans else []
    if counted is None:
        return {}
    return {at_ms: each for (at_ms, _), each in zip(spans, counted, strict=True) if each}


def _point(
    at_ms: int,
    sums: Sums,
    span: _Span,
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
        partial=span.periods.end_of(at_ms) + OPEN_MS > now_ms or not span.has_whole(at_ms),
        group=UNSET if group is None else group,
    )
