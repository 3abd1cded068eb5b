"""Time: epoch milliseconds inside, RFC 3339 UTC outside."""

import functools
import re
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from backend.errors import InvalidRequest

# RFC 3339 5.6, whose letters may be small; `fromisoformat` alone takes much more of ISO 8601.
RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)
# Names in the zone database's folder that mean another thing on each machine.
NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})
DAY_MS = 86_400_000
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
        moment = datetime.fromisoformat(text.upper()) if RFC3339.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise InvalidRequest(
            f"{param} must be an RFC 3339 time such as 2026-01-31T12:00:00Z.", param=param
        )
    return min(max(0, round(moment.timestamp() * 1000)), LATEST_MS)


@functools.lru_cache(maxsize=64)  # reading one takes 200 us
def time_zone(name: str) -> ZoneInfo:
    """Return the IANA time zone of that name; raises ValueError where there is none."""
    if name in NO_ZONES or name.startswith(("posix/", "right/")):
        raise ValueError(f"{name} is not an IANA time zone")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name} is not an IANA time zone") from error
