"""A circuit breaker: a dependency that fails too often is left alone for a while, then probed.

It decides before a call, learns after it and holds nothing in between. An execution environment has
one event at a time, so each has a breaker of its own, which needs no lock.
"""

import random
from collections import deque

from backend.errors import CircuitOpen

WINDOW_S = 10.0  # calls further back say nothing of now
CALLS_MIN = 5  # fewer say too little
FAILED_SHARE = 0.5
OPEN_FIRST_S = 2.0
OPEN_LONGEST_S = 30.0  # how late a recovery may be noticed


class Breaker:
    """A circuit, closed until half of the last calls failed; then open, longer after each probe."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._calls: deque[tuple[float, bool]] = deque(maxlen=1_000)
        self._open_s = 0.0  # 0 while closed
        self._probe_at_s = 0.0

    @property
    def is_open(self) -> bool:
        """Return whether no call but a probe is made; half-open is open, too."""
        return bool(self._open_s)

    def admit(self, calls: int, *, now_s: float) -> int:
        """Return how many of the `calls` may be made: all, or one probe; raises CircuitOpen."""
        if not self._open_s:
            return calls
        if now_s < self._probe_at_s:
            raise CircuitOpen(f"{self.name} fails too often just now; it is asked again soon.")
        return min(calls, 1)

    def learn(self, *, succeeded: int, failed: int, now_s: float) -> None:
        """Take note of what became of the calls that were admitted."""
        if self._open_s:
            if succeeded:
                self._open_s = 0.0
                self._calls.clear()
            elif failed:
                self._open(min(2 * self._open_s, OPEN_LONGEST_S), now_s)
            return
        self._calls.extend((now_s, True) for _ in range(succeeded))
        self._calls.extend((now_s, False) for _ in range(failed))
        while self._calls and self._calls[0][0] < now_s - WINDOW_S:
            self._calls.popleft()
        failures = sum(not good for _, good in self._calls)
        if len(self._calls) >= CALLS_MIN and failures >= FAILED_SHARE * len(self._calls):
            self._open(OPEN_FIRST_S, now_s)

    def _open(self, open_s: float, now_s: float) -> None:
        self._open_s = open_s
        self._probe_at_s = now_s + open_s * random.uniform(0.5, 1)  # not all processes at once
