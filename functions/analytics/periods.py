"""The minutes, hours and days of a time zone, as moments of UTC.

A day has 23, 24 or 25 hours where clocks change, and begins with the first moment of its date. An
hour is one that the local clock shows: where that is changed by half an hour, it is cut there.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from analytics.tallies import DAY_MS, HOUR_MS, MINUTE_MS

Granularity = Literal["minute", "hour", "day"]

UTC = ZoneInfo("UTC")
LENGTHS_MS = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}


class Periods(Struct, frozen=True, kw_only=True):
    """Periods without a gap between them."""

    starts: Sequence[int]  # ms
    end_ms: int

    def start_of(self, at_ms: int) -> int:
        """Return the start of the period that holds a moment of these periods."""
        return self.starts[bisect_right(self.starts, at_ms) - 1]

    def end_of(self, start_ms: int) -> int:
        """Return the end of the period that begins then."""
        after = bisect_right(self.starts, start_ms)
        return self.starts[after] if after < len(self.starts) else self.end_ms


def between(start_ms: int, end_ms: int, granularity: Granularity, zone: ZoneInfo) -> Periods:
    """Return the periods from one aligned moment to another."""
    length_ms = LENGTHS_MS[granularity]
    if zone is UTC or granularity == "minute":
        return Periods(starts=range(start_ms, end_ms, length_ms), end_ms=end_ms)
    starts = []
    while start_ms < end_ms:
        starts.append(start_ms)
        start_ms = after(start_ms, granularity, zone)
    return Periods(starts=starts, end_ms=end_ms)


def start(at_ms: int, granularity: Granularity, zone: ZoneInfo) -> int:
    """Return the start of the period that holds a moment."""
    if zone is UTC or granularity == "minute":
        return at_ms // LENGTHS_MS[granularity] * LENGTHS_MS[granularity]
    local = _local(at_ms, zone)
    if granularity == "day":
        return _midnight(local, zone)
    start_ms = at_ms - (local.minute * MINUTE_MS + at_ms % MINUTE_MS)
    change_ms = _change(start_ms, at_ms + 1, zone)
    return start_ms if change_ms is None else change_ms


def after(start_ms: int, granularity: Granularity, zone: ZoneInfo) -> int:
    """Return the end of the period that begins then."""
    local = _local(start_ms, zone)
    if granularity == "day":
        following = local
        while (end_ms := _midnight(following, zone)) <= start_ms:  # a date may be left out
            following += timedelta(days=1)
        return end_ms
    end_ms = start_ms + HOUR_MS - local.minute * MINUTE_MS
    return _change(start_ms, end_ms, zone) or end_ms


def _change(start_ms: int, end_ms: int, zone: ZoneInfo) -> int | None:
    """Return when clocks change within this time, an hour at most; None where they do not."""
    before = _local(start_ms, zone).utcoffset()
    if _local(end_ms - 1, zone).utcoffset() == before:
        return None
    minutes = range(start_ms, end_ms, MINUTE_MS)
    return next((at for at in minutes if _local(at, zone).utcoffset() != before), None)


def _midnight(local: datetime, zone: ZoneInfo) -> int:
    """Return the first moment of a date; where clocks leave midnight out, that is when they do."""
    return round(datetime.combine(local.date(), time(), zone).timestamp() * 1000)


def _local(at_ms: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, zone)
