"""Intervals of encoded values: the bounds an index can use for a condition."""

from typing import NamedTuple

from local.documents.keys import AFTER, descending


class Interval(NamedTuple):
    """Encoded values from `low` to `high`; an end that is `after` lies behind its value."""

    low: bytes
    low_after: bool
    high: bytes
    high_after: bool

    def span(self) -> tuple[bytes, bytes]:
        low = self.low + AFTER if self.low_after else self.low
        return low, self.high + AFTER if self.high_after else self.high

    def flipped(self) -> "Interval":
        """Return the interval of the same values in a descending index."""
        return Interval(
            descending(self.high), not self.high_after, descending(self.low), not self.low_after
        )

    @property
    def is_point(self) -> bool:
        return self.low == self.high and self.high_after and not self.low_after


def hull(intervals: list[Interval]) -> Interval:
    """Return the smallest interval around all."""
    first = min(intervals, key=lambda part: part.span()[0])
    last = max(intervals, key=lambda part: part.span()[1])
    return Interval(first.low, first.low_after, last.high, last.high_after)


def intersection(intervals: list[Interval]) -> Interval:
    first = max(intervals, key=lambda part: part.span()[0])
    last = min(intervals, key=lambda part: part.span()[1])
    return Interval(first.low, first.low_after, last.high, last.high_after)
