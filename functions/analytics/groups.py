"""Names and groups, each in a set that is bounded: what comes when a set is full is not admitted.

A set only grows, in the store, one value by one atomic update; each process remembers what it has
seen of it, so that known values cost nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Protocol

import msgspec

from analytics.schema import RESERVED
from analytics.tallies import DAY_MS, StoredEvent

NAMES_MAX = 500  # of a tenant; further ones are counted together
VALUES_MAX = 100  # of a property of a name in a day; further ones are counted together
KNOWN_MAX = 10_000  # sets that a process remembers, some 10 MB at the most
LABEL_MAX = 100  # characters; what is longer is text, not a group
OTHER = "other"  # the label of values that are not admitted; those of others begin with "="
OTHER_SHOWN = "(other)"
NONE_SHOWN = "(none)"  # the group of events without the property


class Store(Protocol):
    """The store of the sets."""

    def admit(self, values_by_scope: Mapping[str, Set[str]]) -> dict[str, frozenset[str]]:
        """Add values to sets as long as there is room; returns what the sets then hold."""


class Groups:
    """The sets as this process knows them; it decides for a new event, which keeps the answer."""

    def __init__(self, group_by: Sequence[str]) -> None:
        self._group_by = group_by
        self._properties = frozenset(group_by)
        self._sets: dict[str, frozenset[str]] = {}

    def admit(self, events: Sequence[StoredEvent], store: Store) -> list[StoredEvent]:
        """Return the events with the names and groups that they count in; some are `(other)`.

        Names come first: the values of names that are not admitted have one set for all of them.
        """
        if len(self._sets) > KNOWN_MAX:
            self._sets.clear()
        self._learn(((names_of(event.tenant), label(event.name)) for event in events), store)
        named = [self._named(event) for event in events]
        self._learn(
            (
                (_scope(event, name), value)
                for event in named
                for name, value in self._labels(event)
            ),
            store,
        )
        return [msgspec.structs.replace(event, by=self._of(event)) for event in named]

    def _of(self, event: StoredEvent) -> dict[str, str]:
        """Return the labels of an event by property."""
        return {
            name: group if group in self._sets.get(_scope(event, name), frozenset()) else OTHER
            for name, group in self._labels(event)
        }

    def has_name(self, event: StoredEvent) -> bool:
        """Tell whether the name of an event is one of those that were admitted."""
        return label(event.name) in self._sets.get(names_of(event.tenant), frozenset())

    def _named(self, event: StoredEvent) -> StoredEvent:
        if self.has_name(event) or event.name.startswith(RESERVED):
            return event
        return msgspec.structs.replace(event, name=OTHER_SHOWN)

    def _learn(self, values: Iterable[tuple[str, str]], store: Store) -> None:
        """Have values admitted to their sets, unless it is known what becomes of them."""
        new_values: dict[str, set[str]] = defaultdict(set)
        for scope, value in values:
            admitted = self._sets.get(scope, frozenset())
            if (
                value not in admitted
                and len(admitted) < limit_of(scope)
                and len(value) <= LABEL_MAX
            ):
                new_values[scope].add(value)
        if new_values:
            self._sets.update(store.admit(new_values))

    def _labels(self, event: StoredEvent) -> Sequence[tuple[str, str]]:
        if self._properties.isdisjoint(event.properties):
            return ()
        values = ((name, event.properties.get(name)) for name in self._group_by)
        return [(name, label(value)) for name, value in values if value is not None]


def names_of(tenant: str) -> str:
    """Return the key of the set of a tenant's names."""
    return f"names:{tenant}"


def limit_of(scope: str) -> int:
    """Return how many values a set may hold."""
    return NAMES_MAX if scope.startswith("names:") else VALUES_MAX


def label(value: str | int | float | bool) -> str:
    """Return a value as a name of a field: with something in it, and neither dot nor dollar."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "=" + text.replace("%", "%25").replace(".", "%2E").replace("$", "%24")


def shown(label: str) -> str:
    """Return what a label stands for."""
    if label == OTHER:
        return OTHER_SHOWN
    return label[1:].replace("%24", "$").replace("%2E", ".").replace("%25", "%")


def _scope(event: StoredEvent, name: str) -> str:
    day_ms = event.occurred_at_ms // DAY_MS * DAY_MS
    return f"values:{event.tenant}:{event.name}:{name}:{day_ms}"
