"""Requests before messages: while requests wait, one batch of a queue is in hand, and no schedule.

Clients wait for answers, nobody waits for a message. Where the CPU does not suffice for both, one
poller of each queue goes on whenever no request has waited for a breath; the others wait. So the
messages get what the requests leave, and nothing where they leave nothing.
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
# The gateway says ten times a second that a request waits: once it did not.
BREATH_S = 0.15
LOOK_S = 0.1  # a shorter breath than two looks is missed
BEHIND_EVERY_S = 2.0  # asking for the oldest message costs Valkey a script


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
        breath_s: float = BREATH_S,
    ) -> None:
        self._requests_waited_s = requests_waited_s
        self._folder = folder
        self._longest_s = longest_s
        self._calm_s = calm_s
        self._breath_s = breath_s

    def turn(
        self,
        stop: threading.Event,
        queue: str = "",
        behind_s: Callable[[], float] = lambda: 0.0,
    ) -> AbstractContextManager[object]:
        """Wait while requests do or another has the turn of `queue`; returns it, to be left.

        No longer than until `stop`, or messages are `longest_s` behind. `behind_s` says for how
        long the oldest message has been due, and is asked only while requests wait; NaN, where
        nobody can tell, counts from the beginning of this wait. A schedule has no queue and no
        turn.
        """
        ends_s = time.monotonic() + self._longest_s
        calm_s = random.uniform(*self._calm_s)
        asks_s = 0.0
        while not stop.is_set():
            waited_s = self._requests_waited_s()
            rest_s = calm_s - waited_s
            if rest_s <= 0:
                break
            has_breath = bool(queue) and waited_s >= self._breath_s
            if has_breath and (turn := slots.take(self._folder, f"turn-{queue}", 1)):
                return turn
            now_s = time.monotonic()
            rest_s = min(rest_s, ends_s - now_s)
            if now_s >= asks_s:
                asks_s = now_s + BEHIND_EVERY_S
                rest_s = min(rest_s, self._longest_s - behind_s())
            if rest_s <= 0:
                break
            stop.wait(min(rest_s, LOOK_S) if queue else rest_s)
        return nullcontext()
