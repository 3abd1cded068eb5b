"""The overload of a function: what it is, and what is refused then.

A function is overloaded when for a while every event has waited longer than its share, as CoDel
(RFC 8289) has it: a burst passes, a queue that stands does not. From then on until nothing waits
the newest event goes first, because its client is still there, and what has waited longer than its
share is refused. Where the template names no concurrency, no more wait than are served in that
time, so that the limit follows how long events take now.

Sooner than that, and where events also take twice as long as usual, because something that
functions share is short, those of a lower priority take nothing: so they leave it to the more
important one before that one refuses anybody.
"""

import math
from collections.abc import Sequence

LATE_S = 0.75  # how long events may all be late before the queue is one that stands
LATE_EVENTS = 20  # fewer say nothing: a page asks for ten slow things at once
LATE_AGAIN_S = 0.15  # where it stood not long ago
AGAIN_S = 10.0  # how long ago that may be
SHARE_S = 0.5  # half of what a client should wait at most
SHARE_OF_WORK = 8  # a slow function's events wait longer: so many times what one takes usually
NEWEST = 0.05  # the weight of the last event in the mean of what one takes
SLOWED = 2.0  # times as long as usual: the machine, or a store, has too much to do
FORGOTTEN = 1e-5  # of the least mean, for each event: what was usual yesterday is not for ever


class Overload:
    """The lateness of one function's events."""

    __slots__ = (
        "_late",
        "_late_since_s",
        "_on_s",
        "_others",
        "_usual_s",
        "_work_s",
        "is_on",
        "priority",
        "yields",
    )

    def __init__(self, priority: int | None, others: list["Overload"]) -> None:
        self.priority = priority  # 1 is the most important; None neither yields nor is yielded to
        self.is_on = False
        self.yields = False  # nothing is taken, for the sake of a more important function
        self._work_s = 0.0  # the mean of late
        self._usual_s = 0.0  # the least mean
        self._late = 0  # events in a row
        self._late_since_s = 0.0
        self._on_s = -AGAIN_S  # when it was last on
        self._others: Sequence[Overload] = others
        if priority is not None:
            others.append(self)

    @property
    def share_s(self) -> float:
        """How long an event may wait where all do."""
        return max(SHARE_S, SHARE_OF_WORK * self._usual_s)

    def room(self, environments: int) -> float:
        """Return how many may wait: as many as so many environments serve within the share.

        For a slow function that is eight for each, times what an event usually takes, by what it
        takes now: the gradient of Netflix's concurrency-limits.
        """
        if not (self.is_on and self._work_s and environments):
            return math.inf
        return max(1.0, environments * self.share_s / self._work_s)

    def worked(self, seconds: float) -> None:
        """Take note of how long an event has taken."""
        mean_s, usual_s = self._work_s or seconds, self._usual_s or seconds
        mean_s += NEWEST * (seconds - mean_s)
        self._work_s = mean_s
        self._usual_s = min(mean_s, usual_s + FORGOTTEN * (mean_s - usual_s))

    def waited(self, seconds: float, now_s: float) -> None:
        """Take note of how long the event that starts now has waited."""
        if self.is_on:
            return  # it was the newest, which says nothing of the others
        if seconds < self.share_s:
            self._late = 0
            return
        if not self._late:
            self._late_since_s = now_s
        self._late += 1
        if self.late_s(now_s) >= (LATE_AGAIN_S if now_s < self._on_s + AGAIN_S else LATE_S):
            self.is_on = True
            self._on_s = now_s

    def is_over(self) -> None:
        """Take note that nothing waits any more."""
        self._late = 0
        self.is_on = False

    def late_s(self, now_s: float) -> float:
        """Return how long all events have been late; 0 where too few were."""
        return now_s - self._late_since_s if self._late >= LATE_EVENTS else 0.0

    @property
    def is_slowed(self) -> bool:
        """Whether events take much longer than usual."""
        return self._work_s >= SLOWED * self._usual_s

    def look_round(self, now_s: float) -> None:
        """Yield while a more important function is late: the sooner, the more important it is."""
        if self.is_on:
            self._on_s = now_s
        mine = self.priority
        self.yields = mine is not None and any(
            each.late_s(now_s) * (1 + mine - each.priority) >= LATE_S and each.is_slowed
            for each in self._others
            if each.priority is not None and each.priority < mine
        )
