"""The limits of a tenant's rate and of what one recipient gets: leaky buckets on Redis.

They protect people and reputation, not correctness: without Redis nothing is limited.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import redis

from backend.telemetry import logger
from notifications.schema import Notification
from redis_sqs.redis_scripts import Script, server_at

LIMITS = Script(Path(__file__).with_name("limits.lua"))
HOUR_US = 3_600_000_000
SECOND_US = 1_000_000
TENANT_BURST_US = 10 * SECOND_US  # of a tenant's rate, at once
WAIT_MAX_US = 24 * HOUR_US  # what would come later still is better told than sent
UNASKED_S = 5.0  # after Redis failed, whose time-out is a second of a worker's five


class Limits:
    """The limits of every tenant and recipient."""

    def __init__(self, redis_url: str, *, tenant_per_s: int, recipient_per_hour: int) -> None:
        self._server = server_at(redis_url)
        self._arguments = (
            *(SECOND_US // tenant_per_s, TENANT_BURST_US),
            *(HOUR_US // recipient_per_hour, HOUR_US),
            WAIT_MAX_US,
        )
        self._ask_again_at_s = 0.0

    def waits_ms(self, batch: Sequence[Notification]) -> dict[str, int]:
        """Give each its turn and return the waits, ms, by id; -1 is longer than anybody waits."""
        tenants: dict[str, list[Notification]] = defaultdict(list)
        for each in batch:
            tenants[each.tenant].append(each)
        waits: dict[str, int] = {}
        for tenant, its in tenants.items():
            # In braces is what places a key in a cluster: a script's keys must lie in one place.
            keys = [f"limit:{{{tenant}}}", *(f"limit:{{{tenant}}}:{_recipient(x)}" for x in its)]
            waits |= zip((each.id for each in its), self._run(keys), strict=False)
        return waits

    def _run(self, keys: Sequence[str]) -> list[int]:
        if time.monotonic() < self._ask_again_at_s:
            return []
        try:
            return list(self._server.run(LIMITS, keys, self._arguments))
        except redis.RedisError:
            self._ask_again_at_s = time.monotonic() + UNASKED_S
            logger.warning("nothing is limited", exc_info=True)
            return []


def _recipient(notification: Notification) -> str:
    text = f"{notification.channel}|{notification.to.lower()}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
