"""The records that the system and the outside world kept of a run, page by page, over HTTP."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from loadtest.witnesses.api import Api

LIST_PAGE = 100  # the most a list answers at once
JOURNAL_PAGE = 1000
MAX_PAGES = 100_000  # a server that never says "that is all" must not hold the audit for ever
MINUTE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The servers that are asked. None where there is no such witness, as on AWS."""

    system: Api
    console: Api | None
    provider: Api | None
    mailbox: Api | None
    other_tenants: tuple[Api, ...] = ()  # the same system, as its other clients see it


def newest(api: Api, path: str, *, since_s: float) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list created at or after `since_s` (epoch), newest first."""
    query: dict[str, object] = {"limit": LIST_PAGE}
    for _ in range(MAX_PAGES):
        page = api.get(path, **query)
        for each in page["data"]:
            if _epoch_s(each["created_at"]) < since_s:
                return
            yield each
        if not page["has_more"]:
            return
        query["starting_after"] = page["data"][-1]["id"]


def journal(api: Api, path: str, key: str) -> Iterator[dict[str, Any]]:
    """Yield every line of the provider's or the mailbox's journal, oldest first."""
    after: int | None = 0
    for _ in range(MAX_PAGES):
        page = api.get(path, after=after, limit=JOURNAL_PAGE)
        yield from page[key]
        after = page["next"]
        if after is None:
            return


def counted(api: Api, name: str, *, since_s: float, until_s: float) -> int:
    """Return how many events of this name analytics counted from `since_s` to `until_s`."""
    answer = api.get(
        "/v1/analytics/metrics",
        name=name,
        granularity="minute",
        **{"from": _minute(since_s), "to": _minute(until_s + MINUTE_S)},
    )
    return sum(int(point["count"]) for point in answer["points"])


def queues(console: Api) -> list[dict[str, Any]]:
    """Return name, visible, delayed, in_flight, retrying, oldest_age_s and dlq of every queue."""
    depths: list[dict[str, Any]] = console.get("/api/queues")["queues"]
    return depths


def processes(console: Api) -> list[dict[str, Any]]:
    """Return name, pid, state, restarts, cpu_s and rss_mb of every process."""
    answer = console.get("/api/processes")
    listed: list[dict[str, Any]] = answer["processes"] if isinstance(answer, dict) else answer
    return listed


def _minute(epoch_s: float) -> str:
    floor = epoch_s // MINUTE_S * MINUTE_S
    return datetime.fromtimestamp(floor, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _epoch_s(rfc3339: str) -> float:
    return datetime.fromisoformat(rfc3339).timestamp()
