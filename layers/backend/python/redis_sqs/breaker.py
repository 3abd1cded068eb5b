"""A circuit breaker: a dependency that fails too often is left alone for a while, then probed.

It decides before a call, learns after it and holds nothing in between. Each process has breakers of
its own. Threads share one: a queue's is learned by who waits for messages and by who sends.
"""

import random
import threading
from collections import deque
from collections.abc import Callable

WINDOW_S = 10.0  # calls further back say nothing of now
CALLS_MIN = 5  # fewer say too little
FAILED_SHARE = 0.5
OPEN_FIRST_S = 2.0
OPEN_LONGEST_S = 30.0  # how late a recovery may be noticed

# Each is called with the breaker, and the seconds when it opens, 0 when it closes; none raises.
listeners: list[Callable[["Breaker", float], None]] = []


class Breaker:
    """A circuit, closed until half of the last calls failed; then open, longer after each probe.

    Where one failure says enough, such as no answer in time from a server that needs a millisecond,
    `calls_min` is 1.
    """

    def __init__(
        self,
        name: str,
        refusal: Callable[[str], Exception],
        *,
        calls_min: int = CALLS_MIN,
        open_first_s: float = OPEN_FIRST_S,
        open_longest_s: float = OPEN_LONGEST_S,
    ) -> None:
        self.name = name
        self._refusal = refusal
        self._calls_min = calls_min
        self._open_first_s = open_first_s
        self._open_longest_s = open_longest_s
        self._calls: deque[tuple[float, bool]] = deque(maxlen=1_000)
        self._open_s = 0.0  # 0 while closed
        self._probe_at_s = 0.0
        self._learning = threading.RLock()  # who is told may learn, too

    @property
    def is_open(self) -> bool:
        """Whether no call but a probe is made; half-open is open, too."""
        return bool(self._open_s)

    def admit(self, calls: int, *, now_s: float) -> int:
        """Return how many of the `calls` may be made: all, or one probe; raises the refusal."""
        if not self._open_s:
            return calls
        if now_s < self._probe_at_s:
            raise self._refusal(f"The {self.name} failed too often just now; asked again soon.")
        return min(calls, 1)

    def probe_in_s(self, *, now_s: float) -> float:
        """Return how long no call is made; 0 where one may be."""
        return max(0.0, self._probe_at_s - now_s) if self._open_s else 0.0

    def learn(self, *, succeeded: int, failed: int, now_s: float) -> None:
        """Take note of what became of the calls that were admitted."""
        with self._learning:
            self._learn(succeeded, failed, now_s)

    def _learn(self, succeeded: int, failed: int, now_s: float) -> None:
        if self._open_s:
            if succeeded:
                self._open_s = 0.0
                self._calls.clear()
                self._tell()
            elif failed:
                self._open(min(2 * self._open_s, self._open_longest_s), now_s)
            return
        self._calls.extend((now_s, True) for _ in range(succeeded))
        self._calls.extend((now_s, False) for _ in range(failed))
        while self._calls and self._calls[0][0] < now_s - WINDOW_S:
            self._calls.popleft()
        failures = sum(not good for _, good in self._calls)
        if len(self._calls) >= self._calls_min and failures >= FAILED_SHARE * len(self._calls):
            self._open(self._open_first_s, now_s)

    def _open(self, open_s: float, now_s: float) -> None:
        self._open_s = open_s
        self._probe_at_s = now_s + open_s * random.uniform(0.5, 1)  # not all processes at once
        self._tell()

    def _tell(self) -> None:
        for each in listeners:
            each(self, self._open_s)
