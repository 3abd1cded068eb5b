"""The documents that a message between domains becomes, by ids that follow from the message.

So whoever sends can look whether it has arrived, and may send it again: nothing is made twice.
"""

import math
from collections.abc import Collection, Iterator
from datetime import UTC
from typing import NamedTuple

import msgspec
from msgspec import Struct

from backend import ids
from backend.domain_events import matches
from backend.store import collection, store_errors

EVENTS = "analytics_events"
NOTIFICATIONS = "notifications"
ENDPOINTS = "webhook_endpoints"
LISTED = "events"  # shown by GET /v1/events


class Arrival(NamedTuple):
    """The document by which a message shows that it has arrived."""

    collection: str
    id: str


class Listener(Struct, frozen=True, kw_only=True):
    """An endpoint of webhooks as those see it whose events it wants."""

    id: str = msgspec.field(name="_id")
    tenant: str
    events: tuple[str, ...]  # none means all
    created_ms: int
    since_ms: int = 0

    def awaits(self, tenant: str, event_type: str, at_ms: int) -> bool:
        """Tell whether an event of that type, which happened then, must have been sent there."""
        since_ms = max(self.created_ms, self.since_ms)
        wants = not self.events or any(matches(each, event_type) for each in self.events)
        return self.tenant == tenant and wants and at_ms >= since_ms


def event_id(tenant: str, event: str) -> str:
    """Return the id of the document of an event to be counted; its own id has no colon."""
    return f"{tenant}:{event}"


def wish_id(tenant: str, key: str) -> str:
    """Return the id of the notification that a domain asks for under this key."""
    return ids.derived("ntf_", tenant, "request", key)


def delivery_id(endpoint_id: str, event: str) -> str:
    """Return the id of the notification that takes an event to an endpoint."""
    return ids.derived("ntf_", endpoint_id, event)


def missing(arrivals: Collection[Arrival]) -> set[Arrival]:
    """Return those of which there is no document."""
    return {each for name in (EVENTS, NOTIFICATIONS, LISTED) for each in _missing(name, arrivals)}


def listeners(tenants: Collection[str]) -> list[Listener]:
    """Return the endpoints of these tenants that are not disabled."""
    query = {"tenant": {"$in": list(tenants)}, "disabled_because": None}
    with store_errors():
        documents = collection(ENDPOINTS, ()).find(query)
        return [msgspec.convert(each, Listener) for each in documents]


def listed_since_ms() -> float:
    """Return when the oldest event that is listed happened, of all tenants; infinity before any.

    What happened before it is not missing: a version that listed none announced it.
    """
    with store_errors():
        document = collection(LISTED, ()).find_one({}, {"at": 1}, sort=[("at", 1)])
    return math.inf if document is None else document["at"].replace(tzinfo=UTC).timestamp() * 1000


def _missing(name: str, arrivals: Collection[Arrival]) -> Iterator[Arrival]:
    arrivals_by_id = {each.id: each for each in arrivals if each.collection == name}
    if not arrivals_by_id:
        return
    with store_errors():
        documents = collection(name, ()).find({"_id": {"$in": list(arrivals_by_id)}}, {"_id": 1})
        stored = {each["_id"] for each in documents}
    yield from (each for id_, each in arrivals_by_id.items() if id_ not in stored)
