"""The times at which something happens by itself at the provider: of our own clock, and of others.

A tenant's test clock stands until it is moved on; what is due by then happens in the order of time.
"""

import heapq
from typing import Annotated, NamedTuple

import msgspec

REAL = ""  # the clock that goes by itself
CLOCKS_MAX = 10_000  # kept; a clock more has the one forgotten that was made first
HAPPENED_MAX = 1_000  # of one clock, shown again to whoever moves it


class ClockTime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /clocks: a test clock, and the time that it is moved on to."""

    test_clock: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    now_ms: Annotated[int, msgspec.Meta(ge=0)]


class Due(NamedTuple):
    """One thing to happen: the lapse of a hold, by its charge, or the loss of a dispute."""

    at_ms: int
    object_id: str


class Timers:
    """What is to happen, by clock."""

    def __init__(self) -> None:
        self._due: dict[str, list[Due]] = {REAL: []}
        self._now_ms: dict[str, int] = {}
        self._happened: dict[str, list[int]] = {}

    def add(self, clock: str, at_ms: int, object_id: str) -> None:
        """Have something happen at a time of a clock."""
        heapq.heappush(self._due.setdefault(clock, []), Due(at_ms, object_id))

    def next(self, clock: str, *, until_ms: int) -> Due | None:
        """Take the first that is due by then; the clock is moved to its time."""
        due = self._due.get(clock)
        if not due or due[0].at_ms > until_ms:
            return None
        self.move(clock, due[0].at_ms)
        return heapq.heappop(due)

    def move(self, clock: str, now_ms: int) -> None:
        """Move a test clock on; it never goes back."""
        if clock == REAL:
            return
        self._now_ms[clock] = max(now_ms, self._now_ms.get(clock, 0))
        while len(self._now_ms) > CLOCKS_MAX:
            oldest = next(iter(self._now_ms))
            for each in (self._now_ms, self._due, self._happened):
                each.pop(oldest, None)

    def now_ms(self, clock: str) -> int:
        """Return the time of a test clock."""
        return self._now_ms.get(clock, 0)

    def note(self, clock: str, sequence: int) -> None:
        """Remember a line of the journal that came of the time of a test clock."""
        if clock != REAL:
            self._happened.setdefault(clock, []).append(sequence)
            del self._happened[clock][:-HAPPENED_MAX]

    def happened(self, clock: str) -> list[int]:
        """Return these lines, the first first."""
        return self._happened.get(clock, [])
