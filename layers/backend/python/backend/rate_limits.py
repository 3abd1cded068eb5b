"""The requests a second of one tenant on a group of routes, told to clients by RateLimit fields.

A token bucket for each tenant and group, as draft-ietf-httpapi-ratelimit-headers shows it. Each
process has buckets of its own and compares them with Redis: seldom while much is left, at every
request when little is. So a request costs microseconds, and a limit is one for all processes.
Without Redis each process limits by itself, which is more than the limit and never less.
"""

import time
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import NamedTuple

import redis

from backend.errors import Throttled
from backend.settings import Settings, settings
from backend.telemetry import logger
from redis_sqs.redis_scripts import Script, ScriptServer

SCRIPT = Script(Path(__file__).with_name("rate_limits.lua"))
COMPARED_EVERY_S = 0.5  # what other processes served is known so late
SHARE = 16  # a process serves so small a part of what is left before it compares
ANSWER_TIMEOUT_S = 0.05  # a limit is not worth a longer wait
UNASKED_S = 5.0  # after Redis failed
BUCKETS_MAX = 10_000  # of one process, some 2 MB; the oldest goes, and is read from Redis again
SECOND_US = 1_000_000
OTHER_PER_S = 2_000  # to a domain that has no setting
# Enough for people and their tools; what each of them makes is kept for long, or looked through.
MANAGEMENT_PER_S = {"tenants": 50, "clients": 50, "requests": 20, "audit": 20}
SEARCHES = "long-searches"  # a part of other groups' requests, each a sixth of the store's second
SEARCHES_PER_S = 2


class Turn(NamedTuple):
    """The answer to a request: its fields, and the wait until it may come again; 0 is now."""

    fields: Mapping[str, str]
    wait_s: int = 0


class Bucket:
    """The requests of one tenant and group, as this process knows them."""

    __slots__ = ("compared_s", "left", "refused_until_s", "served", "updated_s")

    def __init__(self, per_s: int, now_s: float) -> None:
        self.left = float(per_s)
        self.updated_s = now_s
        self.served = 0  # since the comparison
        self.compared_s = now_s - COMPARED_EVERY_S
        self.refused_until_s = now_s


class RateLimits:
    """The limits of every tenant, by group of routes."""

    def __init__(self, redis_url: str, per_s: Mapping[str, int]) -> None:
        self._server = ScriptServer(redis_url, answer_timeout_s=ANSWER_TIMEOUT_S, is_optional=True)
        self._per_s = per_s
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._ask_again_at_s = 0.0

    def take(self, tenant: str, group: str, *, now_s: float) -> Turn:
        """Give a request of the tenant its turn, or the wait until one is likely to have it."""
        per_s = self._per_s.get(group, OTHER_PER_S)
        bucket = self._bucket(tenant, group, per_s, now_s)
        bucket.left = min(bucket.left + (now_s - bucket.updated_s) * per_s, per_s)
        bucket.updated_s = now_s
        if now_s < bucket.refused_until_s:
            return _refusal(group, per_s, bucket.refused_until_s - now_s)
        is_close = (bucket.served + 1) * SHARE >= bucket.left
        if is_close or now_s - bucket.compared_s >= COMPARED_EVERY_S:
            left = self._compare(f"rate:{{{tenant}}}:{group}", per_s, bucket, now_s)
        else:
            left = bucket.left - 1
            bucket.served += 1
        if left < 0:
            bucket.refused_until_s = now_s - left / per_s
            return _refusal(group, per_s, -left / per_s)
        bucket.left = left
        return Turn(_fields(group, per_s, int(left)))

    def _bucket(self, tenant: str, group: str, per_s: int, now_s: float) -> Bucket:
        bucket = self._buckets.get((tenant, group))
        if bucket is None:
            if len(self._buckets) >= BUCKETS_MAX:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[tenant, group] = Bucket(per_s, now_s)
        return bucket

    def _compare(self, key: str, per_s: int, bucket: Bucket, now_s: float) -> float:
        """Take the request in Redis and return the requests left; below 0 those that lack."""
        bucket.compared_s = now_s
        if now_s >= self._ask_again_at_s:
            try:
                left = int(self._server.run(SCRIPT, [key], [per_s, bucket.served]))
            except redis.RedisError:
                self._ask_again_at_s = now_s + UNASKED_S
                logger.warning("each process limits tenants by itself", exc_info=True)
            else:
                bucket.served = 0
                return left if left >= 0 else left * per_s / SECOND_US
        return bucket.left - 1


def _refusal(group: str, per_s: int, wait_s: float) -> Turn:
    return Turn(_fields(group, per_s, 0), max(ceil(wait_s), 1))


def _fields(group: str, per_s: int, left: int) -> dict[str, str]:
    return {"RateLimit-Policy": f'"{group}";q={per_s};w=1', "RateLimit": f'"{group}";r={left};t=1'}


def limits_of(each: Settings) -> RateLimits:
    """Return the limits that the settings name."""
    return RateLimits(
        each.redis_url,
        {
            **MANAGEMENT_PER_S,
            SEARCHES: SEARCHES_PER_S,
            "payments": each.payment_requests_per_tenant_s,
            "notifications": each.notification_requests_per_tenant_s,
            "analytics-reads": each.analytics_reads_per_tenant_s,
            "analytics-writes": each.analytics_writes_per_tenant_s,
        },
    )


def group_of(scope: str) -> str:
    """Return the group of the routes that need this scope."""
    domain, _, kind = scope.partition(":")
    return f"{domain}-{kind}s" if domain == "analytics" else domain


_limits = limits_of(settings)


def take(tenant: str, group: str) -> Turn:
    """Give a request of the tenant its turn now."""
    return _limits.take(tenant, group, now_s=time.monotonic())


def take_search(tenant: str) -> None:
    """Take one of a tenant's long searches; raises Throttled where there is none now."""
    turn = take(tenant, SEARCHES)
    if turn.wait_s:
        detail = "Too many long searches; retry after the time given, or narrow the time."
        raise Throttled(detail, retry_after_s=turn.wait_s)
