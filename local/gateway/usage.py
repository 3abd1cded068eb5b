"""API keys and usage plans: the rates and quotas of callers (rows 1.35, 1.36, 1.60 and 1.64).

Every key has buckets and a count of its own. Counts are kept in memory: a restart forgets them.
"""

import time
from collections.abc import Iterable

from local.gateway.responses import INVALID_API_KEY, QUOTA_EXCEEDED, THROTTLED, Refusal
from local.lambda_service.throttle import TokenBucket, bucket_of, throttle_for
from local.template import ApiKey, Quota, Throttle, UsagePlan

_DAY_S = 86_400
_MONDAY = 3  # days from the first Monday's week to the day that clocks count from


class Keys:
    """The API keys of an API, by their values."""

    def __init__(self, plans: Iterable[UsagePlan]) -> None:
        self._uses = {
            key.value: _Use(key, plan) for plan in plans for key in plan.keys if key.is_enabled
        }

    def use(self, value: str | None, path: str, method: str, now_s: float) -> ApiKey | Refusal:
        """Return the key of that value, charged with one request, or why it is refused."""
        use = self._uses.get(value or "")
        if use is None:
            return INVALID_API_KEY
        return use.charge(path, method, now_s) or use.key


class _Use:
    """The use that one key has made of its plan."""

    def __init__(self, key: ApiKey, plan: UsagePlan) -> None:
        self.key = key
        self._plan = plan
        self._buckets: dict[Throttle, TokenBucket] = {}
        self._period: tuple[int, ...] = ()
        self._count = 0

    def charge(self, path: str, method: str, now_s: float) -> Refusal | None:
        throttle = throttle_for(self._plan.throttles, path, method)
        if throttle is not None and not self._bucket(throttle, now_s).take(now_s):
            return THROTTLED
        quota = self._plan.quota
        if quota is None:
            return None
        period = _period(quota, int(time.time()))
        if period != self._period:
            self._period, self._count = period, 0
        if self._count >= quota.limit:
            return QUOTA_EXCEEDED
        self._count += 1
        return None

    def _bucket(self, throttle: Throttle, now_s: float) -> TokenBucket:
        if throttle not in self._buckets:
            self._buckets[throttle] = bucket_of(throttle, now_s)
        return self._buckets[throttle]


def _period(quota: Quota, epoch_s: int) -> tuple[int, ...]:
    """Return the day, week or month (UTC) of a moment, as something that changes with it."""
    day = epoch_s // _DAY_S
    if quota.period == "DAY":
        return (day,)
    if quota.period == "WEEK":
        return ((day + _MONDAY) // 7,)
    return time.gmtime(epoch_s)[:2]
