"""Requests before messages: no batch is taken and no schedule runs while requests wait.

Clients wait for answers, nobody waits for a message. Where the CPU does not suffice for both, the
messages stay in their queue, which is what it is for, and are caught up with later.
"""

import random
import threading
import time
from collections.abc import Callable

LONGEST_S = 120.0  # how far behind messages may fall: as long as the peak of the 1k profile
# A batch is taken once no request has waited for so long. Another length each time, so that pollers
# come back one by one: all at once they would make requests wait again.
CALM_S = (0.5, 4.0)


class RequestPriority:
    """The precedence of requests; `requests_waited_s` says how long ago any last waited, in s."""

    def __init__(
        self,
        requests_waited_s: Callable[[], float],
        longest_s: float = LONGEST_S,
        calm_s: tuple[float, float] = CALM_S,
    ) -> None:
        self._requests_waited_s = requests_waited_s
        self._longest_s = longest_s
        self._calm_s = calm_s

    def wait(self, stop: threading.Event, behind_s: Callable[[], float] = lambda: 0.0) -> None:
        """Wait while requests do; no longer than until `stop`, or messages are `longest_s` behind.

        `behind_s` says for how long the oldest message has been due, and is asked only while
        requests wait; NaN, where nobody can tell, counts from the beginning of this wait.
        """
        ends_s = time.monotonic() + self._longest_s
        calm_s = random.uniform(*self._calm_s)
        while not stop.is_set():
            rest_s = calm_s - self._requests_waited_s()
            if rest_s <= 0:
                return
            rest_s = min(rest_s, ends_s - time.monotonic(), self._longest_s - behind_s())
            if rest_s <= 0:
                return
            stop.wait(rest_s)
