"""The breakers of the dependencies: what opens them, and who is told.

An open one writes a line of the log and counts in the metric `BreakersOpened`, by the dependency.
It stands in Redis until it closes, so that GET /health/ready shows what other processes
left alone.
"""

import functools
import time
from contextlib import suppress

import redis

from backend.errors import CircuitOpen, StoreUnavailable
from backend.settings import settings
from backend.telemetry import logger, metrics_of
from redis_sqs import breaker as circuits
from redis_sqs.breaker import Breaker
from redis_sqs.redis_scripts import ScriptServer

NAMES = (
    "document store",
    "Redis server",
    "SQS service",
    "payment provider",
    "mail server",
    "SMS gateway",
)
NOTE_TIMEOUT_S = 0.05  # nobody waits for a note
NOTE_LIFE_MS = 60_000  # twice the longest; a process that ends never closes its breakers
WAIT_S = 1.0  # as long as a call without an answer took

# A server that is there answers in milliseconds, so one call without an answer in time says enough;
# and it is back within seconds, or many requests have waited for it already.
store = Breaker(
    "document store", StoreUnavailable, calls_min=1, open_first_s=0.5, open_longest_s=4.0
)


def breaker_of(name: str, *, calls_min: int = circuits.CALLS_MIN) -> Breaker:
    """Return a breaker that half of the calls have to fail for, whose refusal is CircuitOpen."""
    return Breaker(name, CircuitOpen, calls_min=calls_min)


def answered() -> None:
    """Take note that the store has answered."""
    if store.is_open:
        store.learn(succeeded=1, failed=0, now_s=time.monotonic())


def wait_for_store() -> None:
    """Wait before a batch until the store may be asked, a second at most.

    Batches that fail at once would cost every message that waits a receive.
    """
    time.sleep(min(store.probe_in_s(now_s=time.monotonic()), WAIT_S))


def open_now() -> list[str]:
    """Return the dependencies that some process leaves alone just now; none where Redis is out."""
    try:
        marks = _notes().call("MGET", *map(_key, NAMES))
    except redis.RedisError:
        return []
    return [name for name, mark in zip(NAMES, marks, strict=True) if mark]


def _tell(breaker: Breaker, open_s: float) -> None:
    if open_s:
        logger.warning("left alone", extra={"dependency": breaker.name, "for_s": open_s})
        metrics = metrics_of(breaker.name.replace(" ", "-"))
        metrics.count("BreakersOpened")
        metrics.flush_metrics()
    if breaker.name in NAMES:
        key = _key(breaker.name)
        with suppress(redis.RedisError):
            _notes().call(*(("SET", key, "open", "PX", NOTE_LIFE_MS) if open_s else ("DEL", key)))


circuits.listeners.append(_tell)


def _key(name: str) -> str:
    return f"breaker:{{open}}:{name.replace(' ', '-').lower()}"  # braces: one slot of a cluster


@functools.cache
def _notes() -> ScriptServer:
    return ScriptServer(settings.redis_url, answer_timeout_s=NOTE_TIMEOUT_S, is_optional=True)
