"""The states of the domains' dependencies, looked at once a second at most."""

import time
from collections.abc import Callable

from api.schema import State
from backend import breaker, queues, store
from backend.queues import QueueUnavailable
from backend.settings import settings

KEPT_S = 1.0  # probes come from several sides; a second-old answer is as good for them

_queue = queues.connect(settings.payments_queue_url)
_last: tuple[float, dict[str, State]] | None = None


def states() -> dict[str, State]:
    """Return the state of each dependency by its name."""
    global _last  # noqa: PLW0603  # one value of one process, which serves one event at a time
    if _last is None or time.monotonic() - _last[0] > KEPT_S:
        current = {name: _state(answers) for name, answers in CHECKS.items()}
        _last = (time.monotonic(), current)
    return _last[1]


def left_alone() -> list[str]:
    """Return the dependencies that some function leaves alone just now."""
    return breaker.open_now()


def _queue_answers() -> bool:
    try:
        _queue.depth()
    except QueueUnavailable:
        return False
    return True


def _state(answers: Callable[[], bool]) -> State:
    return "ok" if answers() else "unavailable"


CHECKS = {"store": store.takes_writes, "queues": _queue_answers}
