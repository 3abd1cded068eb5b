"""Requests before messages: while requests wait, one batch of a queue is in hand, and no schedule.

Clients wait for answers, nobody waits for a message. Where the CPU does not suffice for both, one
poller of each queue goes on with what the requests leave, by its priority; the others wait. One
batch at a time leaves documents and Valkey to the requests, and keeps a queue from falling behind
as long as there is CPU at all.
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from queue_workers import slots

LONGEST_S = 120.0  # how far behind those may fall that have no batch in hand
# All take batches once no request has waited for so long. Another length each time, so that pollers
# come back one by one: all at once they would make requests wait again.
CALM_S = (0.5, 4.0)


class RequestPriority:
    """The precedence of requests; `requests_waited_s` says how long ago any last waited, in s.

    `folder` is where the workers of one machine see who has the batch of a queue.
    """

    def __init__(
        self,
        requests_waited_s: Callable[[], float],
        folder: Path,
        longest_s: float = LONGEST_S,
        calm_s: tuple[float, float] = CALM_S,
    ) -> None:
        self._requests_waited_s = requests_waited_s
        self._folder = folder
        self._longest_s = longest_s
        self._calm_s = calm_s

    def turn(
        self,
        stop: threading.Event,
        queue: str = "",
        behind_s: Callable[[], float] = lambda: 0.0,
    ) -> AbstractContextManager[object]:
        """Wait while requests do and another has the turn of `queue`; returns it, to be left.

        No longer than until `stop`, or messages are `longest_s` behind. `behind_s` says for how
        long the oldest message has been due, and is asked only while requests wait; NaN, where
        nobody can tell, counts from the beginning of this wait. A schedule has no queue and no
        turn.
        """
        ends_s = time.monotonic() + self._longest_s
        calm_s = random.uniform(*self._calm_s)
        while not stop.is_set():
            rest_s = calm_s - self._requests_waited_s()
            if rest_s <= 0:
                break
            if queue and (turn := slots.take(self._folder, f"turn-{queue}", 1)):
                return turn
            rest_s = min(rest_s, ends_s - time.monotonic(), self._longest_s - behind_s())
            if rest_s <= 0:
                break
            stop.wait(rest_s)
        return nullcontext()
