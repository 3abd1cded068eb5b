"""The operations of events and what is counted of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from spillway_client.calls import Calls, present
from spillway_client.records import (
    Accepted,
    CountedEvent,
    Event,
    EventName,
    Funnel,
    Metric,
)


class AnalyticsOperations:
    """The operations of events and what is counted of them."""

    _calls: Calls

    def create_event(self, event: Event) -> Accepted:
        """Count an event; it has an id, so that it counts once."""
        return self._calls.send(Accepted, "POST", "/v1/analytics/events", event)

    def create_events(
        self, events: Sequence[Event], *, sent_at: datetime | None = None
    ) -> Accepted:
        """Count up to 500 events; `sent_at` is for those without their own."""
        body = present(events=list(events), sent_at=sent_at)
        return self._calls.send(Accepted, "POST", "/v1/analytics/events/batch", body)

    def list_names(self, *, starting_after: str | None = None) -> Iterator[EventName]:
        """Yield the names of events, in alphabetical order."""
        return self._calls.pages(
            EventName, "/v1/analytics/names", "name", starting_after=starting_after
        )

    def get_metric(
        self,
        name: str,
        *,
        from_: datetime,
        to: datetime,
        granularity: Literal["day", "hour", "minute"] = "minute",
        timezone: str | None = None,
        group_by: str | None = None,
        where: Mapping[str, object] | None = None,
    ) -> Metric:
        """Return how often an event happened, in each period of a range.

        `where` has it count only events with these properties, of the last 21 days.
        """
        return self._calls.get(
            Metric,
            "/v1/analytics/metrics",
            name=name,
            from_=from_,
            to=to,
            granularity=granularity,
            timezone=timezone,
            group_by=group_by,
            where=None if where is None else json.dumps(where),
        )

    def list_analytics_events(
        self,
        name: str,
        *,
        from_: datetime,
        to: datetime,
        starting_after: str | None = None,
        ending_before: str | None = None,
    ) -> Iterator[CountedEvent]:
        """Yield the events of a name as they were counted, newest minute first."""
        return self._calls.pages(
            CountedEvent,
            "/v1/analytics/events",
            "event_id",
            name=name,
            from_=from_,
            to=to,
            starting_after=starting_after,
            ending_before=ending_before,
        )

    def get_funnel(
        self, steps: Sequence[str], *, from_: datetime, to: datetime, within_s: int | None = None
    ) -> Funnel:
        """Return how many users went how far through 2 to 8 events, in their order."""
        return self._calls.get(
            Funnel,
            "/v1/analytics/funnel",
            steps=",".join(steps),
            from_=from_,
            to=to,
            within_s=within_s,
        )
