"""A function's reserved concurrency, among the workers of one machine: over it they are throttled.

The requests that the gateway gives to the same function are counted apart.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from queue_workers import slots

PAUSE_FIRST_S = 0.1
PAUSE_LONGEST_S = 5.0


class Throttled(Exception):
    """The function was at its reserved concurrency for as long as its messages were hidden."""


class ReservedConcurrency:
    """The `most` places of one function; a mapping takes one for each invocation."""

    def __init__(self, folder: Path, function: str, most: int) -> None:
        self._folder = folder
        self._name = f"reserved-{function}"
        self._most = most

    @contextmanager
    def place(self, wait_s: float, stop: threading.Event) -> Iterator[None]:
        """Hold a place, asking again with growing pauses for up to `wait_s`; raises Throttled."""
        give_up_s = time.monotonic() + wait_s
        pause_s = PAUSE_FIRST_S
        while (place := slots.take(self._folder, self._name, self._most)) is None:
            left_s = give_up_s - time.monotonic()
            if left_s <= 0 or stop.wait(min(left_s, pause_s * random.uniform(0.5, 1))):
                raise Throttled("TooManyRequestsException: ReservedFunctionConcurrentInvocations")
            pause_s = min(2 * pause_s, PAUSE_LONGEST_S)
        with place:
            yield
