"""Events as a queue carries them, and the time at which these tests say that they happen."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime.now(UTC)
EPOCH = datetime.fromtimestamp(0, UTC)
LENGTHS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
SCOPES = "analytics:read analytics:write"


def rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def event(
    event_id: str,
    value: float | None = None,
    name: str = "page.viewed",
    at: datetime = NOW,
    **fields: Any,
) -> dict[str, Any]:
    at_ms = int(at.timestamp() * 1000)
    return {"event_id": event_id, "name": name, "occurred_at_ms": at_ms, "value": value, **fields}


def around(moment: datetime, hours: int, **query: str) -> Mapping[str, str]:
    """Return a query from so many hours before a moment to as many after, in whole periods."""
    length = LENGTHS[query.get("granularity", "minute")]
    start, end = (
        EPOCH + (moment + timedelta(hours=each) - EPOCH) // length * length
        for each in (-hours, hours)
    )
    return {"from": rfc3339(start), "to": rfc3339(end + length)} | query
