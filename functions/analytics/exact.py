"""Answers from the events themselves: a name's list, some of its events counted, funnels.

Events are kept for 22 days and read for 21 of them. One answer reads 20,000 events at most, as
requests of other clients wait behind the reads; what would need more is refused.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from analytics.schema import (
    CountedEvent,
    EventPage,
    EventsQuery,
    Funnel,
    FunnelQuery,
    FunnelStep,
    PropertyName,
    PropertyValue,
)
from analytics.service import AGE_MAX_MS
from analytics.tallies import DAY_MS, StoredEvent
from backend import arrivals, strict_json
from backend.clock import parse_rfc3339, rfc3339
from backend.errors import InvalidRequest
from backend.pages import page_of

EVENTS_AT_ONCE = 1_000  # what reads more is a long search, of which a tenant has a few a second
EVENTS_MAX = 20_000


class Events(Protocol):
    """The store of events; `analytics.store` says what each function guarantees."""

    def event(self, tenant: str, name: str, event_id: str) -> StoredEvent | None: ...

    def events_between(
        self, tenant: str, name: str, *, start_ms: int, end_ms: int, limit: int
    ) -> list[StoredEvent]: ...

    def begin_long(self, tenant: str) -> None: ...

    def event_page(
        self,
        tenant: str,
        name: str,
        *,
        start_ms: int,
        end_ms: int,
        limit: int,
        after: StoredEvent | None,
        before: StoredEvent | None,
    ) -> list[StoredEvent]: ...


class _Conditions(Struct, frozen=True, kw_only=True):
    """The parameter `where` as it is read."""

    where: Annotated[dict[PropertyName, PropertyValue], Meta(min_length=1, max_length=8)]


def some(
    tenant: str, name: str, where: str, *, start_ms: int, end_ms: int, events: Events, now_ms: int
) -> list[StoredEvent]:
    """Return the events of a name that have all properties of `where`. Raises InvalidRequest."""
    conditions = _conditions(where)
    _check_age(start_ms, now_ms=now_ms)
    every = _read(tenant, (name,), start_ms=start_ms, end_ms=end_ms, events=events)
    return [each for each in every if _has(each, conditions)]


def page(query: EventsQuery, *, tenant: str, events: Events, now_ms: int) -> EventPage:
    """Return one page of a name's events, the newest minute first. Raises InvalidRequest."""
    start_ms, end_ms = _range(query.start, query.end)
    _check_age(start_ms, now_ms=now_ms)
    read = partial(events.event_page, tenant, query.name, start_ms=start_ms, end_ms=end_ms)
    listed, has_more = page_of(query, find=partial(events.event, tenant, query.name), read=read)
    return EventPage(data=[_view(each) for each in listed], has_more=has_more)


def funnel(query: FunnelQuery, *, tenant: str, events: Events, now_ms: int) -> Funnel:
    """Return how many users went how far through the steps. Raises InvalidRequest."""
    start_ms, end_ms = _range(query.start, query.end)
    _check_age(start_ms, now_ms=now_ms)
    steps = [each.strip() for each in query.steps.split(",")]
    within_ms = query.within_s * 1000
    last_ms = end_ms + within_ms
    every = _read(tenant, dict.fromkeys(steps), start_ms=start_ms, end_ms=last_ms, events=events)
    by_user: dict[str, list[StoredEvent]] = defaultdict(list)
    for each in sorted(every, key=attrgetter("occurred_at_ms")):
        if each.user_id is not None:
            by_user[each.user_id].append(each)
    reached = [_reached(of_user, steps, end_ms, within_ms) for of_user in by_user.values()]
    users = [sum(furthest > number for furthest in reached) for number in range(len(steps))]
    return Funnel(
        steps=[
            FunnelStep(name=name, users=count, share=count / users[0] if users[0] else None)
            for name, count in zip(steps, users, strict=True)
        ],
        within_s=query.within_s,
        partial=last_ms > now_ms,
    )


def _reached(
    events: Iterable[StoredEvent], steps: Sequence[str], end_ms: int, within_ms: int
) -> int:
    """Return how many steps one user made in their order, none later than so long after the first.

    Of each step it suffices to know when the latest way to it began: an earlier one ends earlier.
    An event makes one step of a way, also where its name stands twice.
    """
    began_ms: list[int | None] = [None] * len(steps)
    for event in events:
        at_ms = event.occurred_at_ms
        for number in range(len(steps) - 1, -1, -1):
            if steps[number] != event.name:
                continue
            before_ms = began_ms[number - 1] if number else None
            if number == 0 and at_ms < end_ms:
                began_ms[0] = at_ms
            elif before_ms is not None and at_ms <= before_ms + within_ms:
                began_ms[number] = before_ms
    return sum(each is not None for each in began_ms)


def _read(
    tenant: str, names: Collection[str], *, start_ms: int, end_ms: int, events: Events
) -> list[StoredEvent]:
    for most in (EVENTS_AT_ONCE, EVENTS_MAX):
        every: list[StoredEvent] = []
        for name in names:
            room = most + 1 - len(every)
            every += events.events_between(
                tenant, name, start_ms=start_ms, end_ms=end_ms, limit=room
            )
            if len(every) > most:
                break
        else:
            return every
        if most < EVENTS_MAX:
            events.begin_long(tenant)
    raise InvalidRequest(
        f"There are more than {EVENTS_MAX:,} events in this time; ask for parts of it.",
        code="too_many_events",
        param="to",
    )


def _range(start: str, end: str) -> tuple[int, int]:
    start_ms, end_ms = parse_rfc3339(start, param="from"), parse_rfc3339(end, param="to")
    if end_ms <= start_ms:
        raise InvalidRequest("`to` must be later than `from`.", param="to")
    return start_ms, end_ms


def _check_age(start_ms: int, *, now_ms: int) -> None:
    if start_ms < now_ms - AGE_MAX_MS:
        raise InvalidRequest(
            f"Events are kept for {AGE_MAX_MS // DAY_MS} days; ask for later ones.",
            code="range_too_old",
            param="from",
        )


def _conditions(where: str) -> dict[PropertyName, PropertyValue]:
    """Return the properties with their values that the parameter asks for."""
    try:
        value = strict_json.loads(where.encode())
    except InvalidRequest as error:
        raise InvalidRequest(
            '`where` must be a JSON object of properties, each once, such as {"plan":"pro"}.',
            param="where",
        ) from error
    return strict_json.convert({"where": value}, _Conditions).where


def _has(event: StoredEvent, conditions: Mapping[str, PropertyValue]) -> bool:
    """Tell whether an event has all of these; a property that is missing is null."""
    return all(_is_same(event.properties.get(name), value) for name, value in conditions.items())


def _is_same(value: PropertyValue, other: PropertyValue) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)  # 1 is not true


def _view(event: StoredEvent) -> CountedEvent:
    return CountedEvent(
        event_id=event.id.removeprefix(arrivals.event_id(event.tenant, "")),
        name=event.name,
        occurred_at=rfc3339(event.occurred_at_ms),
        user_id=event.user_id,
        value=event.value,
        properties=event.properties,
    )
