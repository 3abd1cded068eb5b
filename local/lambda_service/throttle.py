"""Token buckets of methods, each by its most specific setting (row 1.60)."""

from collections.abc import Iterable

from local.template import Throttle


class TokenBucket:
    """`rate_per_s` tokens a second, at most `burst` of them kept."""

    __slots__ = ("_burst", "_rate_per_s", "_tokens", "_updated_s")

    def __init__(self, rate_per_s: float, burst: int, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = float(burst)
        self._updated_s = now_s

    def take(self, now_s: float) -> bool:
        """Take a token, if there is one."""
        grown = self._tokens + (now_s - self._updated_s) * self._rate_per_s
        self._tokens = min(grown, self._burst)
        self._updated_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def throttle_for(throttles: Iterable[Throttle], path: str, method: str) -> Throttle | None:
    """Return the most specific setting for a method, None where none is for it."""
    matching = [
        (throttle.path == path, throttle.method == method, throttle)
        for throttle in throttles
        if throttle.path in (path, "/*") and throttle.method in (method, "*")
    ]
    return max(matching, key=lambda entry: entry[:2])[2] if matching else None


def bucket_of(throttle: Throttle, now_s: float) -> TokenBucket:
    """Return a full bucket of that setting."""
    return TokenBucket(throttle.rate_per_s, throttle.burst, now_s)


def bucket_for(
    throttles: Iterable[Throttle], path: str, method: str, now_s: float
) -> TokenBucket | None:
    """Return a bucket for one method, as API Gateway has one for each that is limited."""
    throttle = throttle_for(throttles, path, method)
    return None if throttle is None else bucket_of(throttle, now_s)
