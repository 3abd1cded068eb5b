"""The messages that payments promised to other domains, and those of them that never arrived.

A message is sent at once and its promise then cleared; should the queue lose it, as an emptied
Redis does, only the document it would have become tells. What is missing is sent again.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from backend import arrivals
from backend.arrivals import Arrival, Listener
from backend.clock import DAY_MS
from backend.domain_events import public_id
from payments.announcements import ANNOUNCED, announcement, has_receipt, receipt, receipt_key
from payments.schema import Event, Outgoing, Payment

# Events are kept, to be known again, for 22 days; what is older than this is not looked for.
LOOKED_FOR_MS = 20 * DAY_MS


class Documents(Protocol):
    """The documents of other domains; `backend.arrivals` says what each function guarantees."""

    def missing(self, arrivals: Collection[Arrival]) -> set[Arrival]: ...

    def listeners(self, tenants: Collection[str]) -> list[Listener]: ...


class Promise(NamedTuple):
    """One message of a payment, the documents that show it, and what it is in words."""

    payment: Payment
    outgoing: Outgoing
    shown_by: Mapping[Arrival, str]
    at_ms: int

    def lacks(self, missing: Collection[Arrival]) -> list[str]:
        """Return in words what of it has not arrived."""
        return [words for each, words in self.shown_by.items() if each in missing]


def broken(
    payments: Sequence[Payment],
    *,
    documents: Documents,
    before_ms: int,
    listed_since_ms: float = 0,
) -> list[tuple[Promise, list[str]]]:
    """Return the promises made before a moment that were not kept, with what is missing of each.

    No event from before `listed_since_ms` has to be listed.
    """
    endpoints = documents.listeners({each.tenant for each in payments}) if payments else []
    since_ms = before_ms - LOOKED_FOR_MS
    promises = [
        promise
        for payment in payments
        for promise in _promises(payment, endpoints, since_ms=since_ms, before_ms=before_ms)
    ]
    if listed_since_ms:
        promises = [_without_unlisted(each, listed_since_ms) for each in promises]
    missing = documents.missing({each for promise in promises for each in promise.shown_by})
    return [(each, lacking) for each in promises if (lacking := each.lacks(missing))]


def _without_unlisted(promise: Promise, since_ms: float) -> Promise:
    """Return the promise without what a version that listed no events never made."""
    shown_by = {
        each: words
        for each, words in promise.shown_by.items()
        if each.collection != arrivals.LISTED or promise.at_ms >= since_ms
    }
    return promise._replace(shown_by=shown_by)


def _promises(
    payment: Payment, endpoints: Sequence[Listener], *, since_ms: int, before_ms: int
) -> Iterator[Promise]:
    for event in payment.events:
        if event.type in ANNOUNCED and since_ms <= event.at_ms < before_ms:
            shown_by = _shown_by(payment, event, endpoints)
            yield Promise(payment, announcement(payment, [event]), shown_by, event.at_ms)
    first = next((each for each in payment.events if each.type == "payment.succeeded"), None)
    if first and has_receipt(payment) and since_ms <= first.at_ms < before_ms:
        wish_id = arrivals.wish_id(payment.tenant, receipt_key(payment))
        words = {Arrival(arrivals.NOTIFICATIONS, wish_id): "its receipt was not taken to be sent"}
        yield Promise(payment, receipt(payment), words, first.at_ms)


def _shown_by(
    payment: Payment, event: Event, endpoints: Sequence[Listener]
) -> Mapping[Arrival, str]:
    id_ = f"{payment.id}.{event.n}"
    counted = Arrival(arrivals.EVENTS, arrivals.event_id(payment.tenant, id_))
    listed = Arrival(arrivals.LISTED, public_id(id_))
    shown_by: dict[Any, str] = {
        counted: f"its event {event.n}, {event.type}, was not counted",
        listed: f"its event {event.n}, {event.type}, was not listed",
    }
    for each in endpoints:
        if each.awaits(payment.tenant, event.type, event.at_ms):
            delivery = Arrival(arrivals.NOTIFICATIONS, arrivals.delivery_id(each.id, id_))
            shown_by[delivery] = f"its event {event.n}, {event.type}, was not taken to {each.id}"
    return shown_by
