"""The breakers of webhooks' receivers, one a host: who gives no answer is left alone for a while.

What is due there waits meanwhile, without an attempt: a host that hangs would take ten seconds of a
worker each time. A status is an answer, whatever it says.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from backend.breaker import breaker_of
from backend.errors import CircuitOpen
from notifications.holds import Later
from notifications.schema import Notification
from notifications.webhooks.endpoints import Endpoint
from redis_sqs.breaker import Breaker

NAME = "receiver of webhooks"  # of all, because strangers' hosts are no dimension of a metric
HOSTS_MAX = 1000  # silent ones that a process remembers; one that answers is not remembered
SILENT_CALLS = 1  # ten seconds without an answer say enough
AGAIN_MS = 2_000  # where another delivery finds out just now


class Receivers:
    """The silent hosts, as one process knows them."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._breakers: OrderedDict[str, Breaker] = OrderedDict()

    def holds(
        self, batch: Sequence[Notification], endpoints: Mapping[str, Endpoint], *, now_ms: int
    ) -> dict[str, Later]:
        """Return what waits by id; of what may find out whether a host answers again, one."""
        holds: dict[str, Later] = {}
        probed: set[str] = set()
        for each in batch if self._breakers else ():
            host = urlsplit(endpoints[each.to].url).netloc if each.to in endpoints else ""
            breaker = self._breakers.get(host)
            if breaker is None:
                continue
            try:
                breaker.admit(1, now_s=self._now_s())
            except CircuitOpen:
                wait_ms = round(1000 * breaker.probe_in_s(now_s=self._now_s()))
                holds[each.id] = Later(now_ms + wait_ms)
                continue
            if breaker.is_open and host in probed:
                holds[each.id] = Later(now_ms + AGAIN_MS)
            probed.add(host)
        return holds

    def learn(self, url: str, *, has_answered: bool) -> None:
        """Take note of whether the host of `url` has answered a post."""
        host = urlsplit(url).netloc
        if has_answered:
            breaker = self._breakers.pop(host, None)
            if breaker is not None:
                breaker.learn(succeeded=1, failed=0, now_s=self._now_s())
            return
        breaker = self._breakers.setdefault(host, breaker_of(NAME, calls_min=SILENT_CALLS))
        self._breakers.move_to_end(host)
        if len(self._breakers) > HOSTS_MAX:
            self._breakers.popitem(last=False)
        breaker.learn(succeeded=0, failed=1, now_s=self._now_s())
