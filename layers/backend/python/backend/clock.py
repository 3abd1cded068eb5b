"""Time: epoch milliseconds inside, RFC 3339 UTC outside."""

import time
from datetime import UTC, datetime

from backend.errors import InvalidRequest

LATEST_MS = 253_370_764_800_000  # the year 9999; a day more is still within `datetime`'s range


def now_ms() -> int:
    """Return the time now, ms since the epoch."""
    return time.time_ns() // 1_000_000


def rfc3339(at_ms: int) -> str:
    """Return `at_ms` as RFC 3339 UTC with milliseconds."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_rfc3339(text: str, *, param: str) -> int:
    """Return ms since the epoch; raises InvalidRequest where `text` is no RFC 3339 time.

    What is before the epoch, or after LATEST_MS, counts as these: nothing of ours happens there.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or "T" not in text.upper():
        raise InvalidRequest(
            f"{param} must be an RFC 3339 time such as 2026-01-31T12:00:00Z.", param=param
        )
    return min(max(0, round(moment.timestamp() * 1000)), LATEST_MS)
