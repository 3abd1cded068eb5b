"""Events as a queue carries them, and the time at which these tests say that they happen."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime.now(UTC)
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
    """Return a query from so many hours before a moment to as many after."""
    span = {"from": moment - timedelta(hours=hours), "to": moment + timedelta(hours=hours)}
    return {name: rfc3339(at) for name, at in span.items()} | query
