"""The events that tenants were told of, listed for 30 days: newest first, by type, object and time.

An event is listed by whoever announces it, right before: with the body that is signed for webhooks.
Its place orders it by time, and among those of one object by their sequence.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct, field

from backend import domain_events
from backend.announcer import Announcement
from backend.clock import parse_rfc3339
from backend.domain_events import Event, EventPattern
from backend.errors import NotFound
from backend.pages import PageQuery, page_of
from backend.shapes import Moment

LATEST_MS = 10**13 - 1  # thirteen digits, the year 2286


class EventQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/events."""

    type: EventPattern | None = None
    object: Annotated[str, Meta(max_length=64, description="A payment's id")] | None = None
    created_gte: Moment | None = None
    created_lt: Moment | None = None


class ListedEvent(Struct, frozen=True, kw_only=True):
    """An event as it is stored; its body never changes."""

    id: str = field(name="_id")
    tenant: str
    type: str
    object: str
    place: str  # unique among the tenant's, in the order of the list
    at: datetime  # from when on its life counts
    body: str  # as it is signed


class ListedEventView(Struct, frozen=True, kw_only=True):
    """An event as clients see it: its id, and what webhooks of it say."""

    id: str
    type: str
    timestamp: str
    sequence: int  # of its object's events, from 1; gaps are events that nobody is told of
    data: dict[str, Any]


class ListedEventPage(Struct, frozen=True, kw_only=True):
    """One page of events, newest first."""

    data: list[ListedEventView]
    has_more: bool


class Events(Protocol):
    """The store of events; `payments.event_store` says what each function guarantees."""

    def find(self, tenant: str, event_id: str) -> ListedEvent | None: ...

    def page(
        self,
        tenant: str,
        filters: Collection[dict[str, str]],
        *,
        start: str,
        end: str,
        limit: int,
        after: ListedEvent | None,
        before: ListedEvent | None,
    ) -> list[ListedEvent]: ...


def listed(announcements: Sequence[Announcement]) -> Iterator[ListedEvent]:
    """Return the events of announcements as they are stored."""
    for announcement in announcements:
        for each in announcement.events:
            event = msgspec.convert(each, Event)
            yield ListedEvent(
                id=domain_events.public_id(event.event_id),
                tenant=announcement.tenant,
                type=event.name,
                object=event.object_id,
                place=f"{_place(event.occurred_at_ms)}/{event.object_id}/{event.sequence or 0:06}",
                at=datetime.fromtimestamp(event.occurred_at_ms / 1000, UTC),
                body=domain_events.body(event),
            )


def newest(query: EventQuery, *, tenant: str, events: Events) -> tuple[list[ListedEvent], bool]:
    """Return one page of a tenant's events, newest first, and whether there are more."""
    return page_of(
        query,
        find=partial(events.find, tenant),
        read=partial(
            events.page,
            tenant,
            _filters(query),
            start="" if query.created_gte is None else _bound(query.created_gte, "created_gte"),
            end=":" if query.created_lt is None else _bound(query.created_lt, "created_lt"),
        ),
    )


def find(event_id: str, *, tenant: str, events: Events) -> ListedEvent:
    """Return an event of this tenant; raises NotFound."""
    event = events.find(tenant, event_id)
    if event is None:
        raise NotFound(f"There is no event {event_id[:64]}.", param="event_id")
    return event


def view(event: ListedEvent) -> str:
    """Return the JSON of an event: its id, and then its body as it is signed."""
    return f'{{"id":"{event.id}",{event.body.removeprefix("{")}'


def page_view(events: Sequence[ListedEvent], has_more: bool) -> str:
    """Return the JSON of a page."""
    return f'{{"data":[{",".join(map(view, events))}],"has_more":{str(has_more).lower()}}}'


def _filters(query: EventQuery) -> list[dict[str, str]]:
    """Return the reads that together have what is asked for: one a type, each of one index."""
    by_object = {} if query.object is None else {"object": query.object}
    types = domain_events.types_of(query.type or "*")
    if len(types) == len(domain_events.TYPES):
        return [by_object]
    return [{"type": each, **by_object} for each in types]


def _bound(text: str, param: str) -> str:
    return _place(parse_rfc3339(text, param=param))


def _place(at_ms: int) -> str:
    return f"{min(at_ms, LATEST_MS):013}"
