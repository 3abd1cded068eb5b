"""How many users there were in an hour: HyperLogLogs in Redis, 0.81 % off, made again from events.

Redis is a cache here. One key says that all users are in it; while that is missing, because Redis
was lost or did not take some, nobody is told a number, and `analytics.upkeep` puts them in again.
"""

from collections.abc import Mapping, Sequence, Set

import redis

from analytics.tallies import DAY_MS
from backend import redis_scripts
from backend.telemetry import logger

COMPLETE = "analytics:{users}:complete"  # braces: a cluster keeps both together
RESUME_AT = "analytics:{users}:resume_at"  # minute from which they are put in again
LIFE_S = 22 * DAY_MS // 1000  # as long as the events that they are made of
USERS_MAX = 5_000  # of one command: Redis serves nobody else meanwhile

Hour = tuple[str, str, int]  # tenant, name, start in ms since the epoch


class Uniques:
    """The HyperLogLogs at `url`; no call raises, what Redis does not do is said in the answer."""

    def __init__(self, url: str) -> None:
        self._client = redis_scripts.client(url)

    def add(self, users: Mapping[Hour, Set[str]]) -> bool:
        """Add users to their hours, any number of times; False where Redis did not take them."""
        pipe = self._client.pipeline(transaction=False)
        for hour, found in users.items():
            listed = sorted(found)
            for start in range(0, len(listed), USERS_MAX):
                pipe.pfadd(_key(hour), *listed[start : start + USERS_MAX])
            pipe.expire(_key(hour), LIFE_S)
        return self._run(pipe) is not None

    def counts(self, periods: Sequence[Sequence[Hour]]) -> list[int] | None:
        """Return the users of each period, given as its hours; None while not all are in."""
        pipe = self._client.pipeline(transaction=False)
        pipe.exists(COMPLETE)
        for hours in periods:
            pipe.pfcount(*map(_key, hours))
        answer = self._run(pipe)
        return answer[1:] if answer and answer[0] else None

    def resume_at(self) -> int | None:
        """Return the minute from which users are to be put in again; None where all are in.

        Raises RedisError, as the next three do: without Redis there is nothing to do.
        """
        if self._client.exists(COMPLETE):
            return None
        return int(self._client.get(RESUME_AT) or 0)

    def resume_later_at(self, at_ms: int) -> None:
        """Remember how far users have been put in again."""
        self._client.set(RESUME_AT, at_ms)

    def complete(self) -> None:
        """Say that all users are in."""
        self._client.set(COMPLETE, 1)
        self._client.delete(RESUME_AT)

    def incomplete(self) -> None:
        """Say that some users are missing, nobody knows which."""
        self._client.delete(COMPLETE, RESUME_AT)

    def _run(self, pipe: "redis.client.Pipeline") -> list[int] | None:
        try:
            answer: list[int] = pipe.execute()
        except redis.RedisError as error:
            logger.warning("users are not counted", extra={"why": str(error)})
            return None
        return answer


def _key(hour: Hour) -> str:
    tenant, name, at_ms = hour
    # In braces what all hours of a name have in common, so that a cluster keeps them together.
    return f"analytics:users:{{{tenant}:{name}}}:{at_ms}"
