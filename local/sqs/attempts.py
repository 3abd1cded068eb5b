"""Receives from FIFO queues that their callers may repeat, by the id that they gave the attempt."""

import threading
import time
from collections import OrderedDict
from typing import Any

LIFE_S = 300.0  # SQS's five minutes
ATTEMPTS_MAX = 10_000  # the oldest makes way


class Attempts:
    """The messages of each attempt; may be used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: OrderedDict[tuple[str, str], tuple[float, list[Any]]] = OrderedDict()

    def earlier(self, queue: str, attempt_id: str) -> list[Any]:
        """Return what an attempt with that id received within five minutes."""
        with self._lock:
            at_s, messages = self._received.get((queue, attempt_id), (0.0, []))
        return messages if messages and time.monotonic() - at_s < LIFE_S else []

    def keep(self, queue: str, attempt_id: str, messages: list[Any]) -> None:
        """Keep what an attempt received."""
        with self._lock:
            self._received.pop((queue, attempt_id), None)
            self._received[queue, attempt_id] = (time.monotonic(), messages)
            if len(self._received) > ATTEMPTS_MAX:
                self._received.popitem(last=False)
