"""Virtual time, actors that take turns at every I/O point, and the dice that decide what fails.

One seed is one history: the same seed always gives the same interleaving and the same faults.
"""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import greenlet

T = TypeVar("T")

LATENCY_MS = 20  # of an I/O point, at most
FREEZE_MS = 45_000  # longer than the visibility timeout: whoever wakes after it is a zombie


class Crash(BaseException):
    """The process died here; no code of the service may catch it."""


@dataclass(frozen=True)
class Faults:
    """The likelihood of each fault at each I/O point; a seed has some of them, never always all."""

    crash: float = 0.0
    refused: float = 0.0  # an error before the effect
    lost: float = 0.0  # an error after the effect
    frozen: float = 0.0
    duplicated: float = 0.0  # of a message
    open: float = 0.0  # the breaker in front of the provider
    wiped: float = 0.0  # the queues lose all they hold
    unsent: float = 0.0  # a webhook that never comes
    resent: float = 0.0  # a webhook that comes once more
    late: float = 0.0  # a webhook that others overtake

    @classmethod
    def of(cls, dice: random.Random) -> "Faults":
        def some(most: float) -> float:
            return dice.choice((0.0, most / 4, most))

        return cls(
            crash=some(0.06),
            refused=some(0.1),
            lost=some(0.1),
            frozen=some(0.03),
            duplicated=some(0.3),
            open=some(0.4),
            wiped=dice.choice((0.0, 0.0, 0.002)),
            unsent=some(0.5),
            resent=some(0.5),
            late=some(0.5),
        )


class World:
    """The clock, the actors and the faults of one history."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.faults = Faults.of(self.dice)
        self.now_ms = 1_000_000
        self.happened: Counter[str] = Counter()
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, greenlet.greenlet]] = []
        self._hub = greenlet.getcurrent()

    def start(self, actor: Callable[[], None]) -> None:
        """Have `actor` begin at its first turn."""
        self._wake_in(self.dice.randrange(LATENCY_MS), greenlet.greenlet(actor))

    def run(self, until: Callable[[], bool], *, at_most_ms: int) -> bool:
        """Give turns until `until` holds; False where that took longer than `at_most_ms`."""
        deadline_ms = self.now_ms + at_most_ms
        while not until():
            if not self._waiting or self._waiting[0][0] > deadline_ms:
                return False
            self.now_ms, _, actor = heapq.heappop(self._waiting)
            actor.switch()
        return True

    def end(self) -> None:
        """Stop every actor where it is."""
        while self._waiting:
            heapq.heappop(self._waiting)[2].throw(greenlet.GreenletExit)

    def sleep(self, duration_ms: int) -> None:
        """Let the others have their turns for so long."""
        self._wake_in(duration_ms, greenlet.getcurrent())
        self._hub.switch()

    def io(self, effect: Callable[[], T], error: Exception) -> T:
        """Do one I/O: it may fail before, or after it had its effect; or the process dies there."""
        self._turn()
        if self.strikes("refused"):
            raise error
        result = effect()
        self._turn()
        if self.strikes("lost"):
            raise error
        return result

    def strikes(self, fault: str) -> bool:
        """Throw the dice for a fault, and count it where it happens."""
        likely = getattr(self.faults, fault)
        if likely and self.dice.random() < likely:
            self.happened[fault] += 1
            return True
        return False

    def _turn(self) -> None:
        self.sleep(FREEZE_MS if self.strikes("frozen") else self.dice.randrange(LATENCY_MS))
        if self.strikes("crash"):
            raise Crash

    def _wake_in(self, duration_ms: int, actor: greenlet.greenlet) -> None:
        heapq.heappush(self._waiting, (self.now_ms + duration_ms, next(self._order), actor))
