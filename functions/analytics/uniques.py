"""The numbers of users in an hour or a day: HyperLogLogs in Redis, 0.81 % off.

Redis is a cache here. One key says that all users are in it; while that is missing, because Redis
was lost or did not take some, nobody is told a number, and `analytics.upkeep` puts them in again
from their events.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any

import redis

from analytics.tallies import DAY_MS, HOUR_MS, Span
from analytics.upkeep import Mark
from backend.errors import Unavailable
from backend.telemetry import logger
from redis_sqs import redis_scripts

FILLED = "analytics:filled"  # a word that is gone when Redis was emptied
COMPLETE = "analytics:{users}:complete"  # braces: a cluster keeps both together
RESUME = "analytics:{users}:resume"  # a mark
# From its start. A busy one takes 12 KB, so hours go early; days stay as long as their events.
LIFE_MS = {HOUR_MS: 2 * DAY_MS + HOUR_MS, DAY_MS: 22 * DAY_MS}
USERS_MAX = 5_000  # of one command: Redis serves nobody else meanwhile

Change = Callable[[Any], object]  # of a redis.client.Pipeline, whose methods have no types


class Uniques:
    """The HyperLogLogs at `url`."""

    def __init__(self, url: str) -> None:
        self._client = redis_scripts.client(url)

    def filled(self) -> str:
        """Return a word that is another one when Redis was emptied. Raises Unavailable."""
        with _answering():
            self._client.set(FILLED, secrets.token_hex(8), nx=True)
            return str(self._client.get(FILLED))

    def add(self, users: Mapping[Span, Set[str]]) -> bool:
        """Add users to spans, any number of times; False where Redis did not take them."""
        pipe = self._client.pipeline(transaction=False)
        for span, user_ids in users.items():
            _, _, start_ms, length_ms = span
            key, listed = _key(span), list(user_ids)
            for first in range(0, len(listed), USERS_MAX):
                pipe.pfadd(key, *listed[first : first + USERS_MAX])
            pipe.pexpireat(key, start_ms + LIFE_MS[length_ms])
        return self._run(pipe) is not None

    def counts(self, spans: Sequence[Span]) -> list[int] | None:
        """Return the number of users of each span; None while not all are known."""
        pipe = self._client.pipeline(transaction=False)
        pipe.exists(COMPLETE)
        for span in spans:
            pipe.pfcount(_key(span))
        answer = self._run(pipe)
        return answer[1:] if answer and answer[0] else None

    def resume(self) -> Mark | None:
        """Return how far users have been put in again, and by which attempt; None where all are in.

        Raises Unavailable, as the next three do: without Redis there is nothing to put them in.
        """
        with _answering():
            if self._client.exists(COMPLETE):
                return None
            self._client.set(RESUME, _text(Mark(attempt=secrets.token_hex(8), at_ms=0)), nx=True)
            attempt, _, at_ms = str(self._client.get(RESUME)).partition(":")
            return Mark(attempt=attempt, at_ms=int(at_ms))

    def advance(self, before: Mark, after: Mark) -> bool:
        """Remember the way from one mark to the next; False where the first is not there any more.

        Somebody else has then gone on from it, or Redis was lost and the attempt with it.
        """
        return self._replace(before, lambda pipe: pipe.set(RESUME, _text(after)))

    def complete(self, mark: Mark) -> bool:
        """Say that all users are in, unless this mark is not there any more."""
        return self._replace(mark, lambda pipe: pipe.delete(RESUME).set(COMPLETE, 1))

    def incomplete(self) -> None:
        """Say that some users are missing, nobody knows which."""
        with _answering():
            self._client.delete(COMPLETE, RESUME)

    def _replace(self, mark: Mark, change: Change) -> bool:
        with _answering(), self._client.pipeline() as pipe:
            try:
                pipe.watch(RESUME)  # type: ignore[no-untyped-call]
                if pipe.get(RESUME) != _text(mark):
                    return False
                pipe.multi()
                change(pipe)
                pipe.execute()
            except redis.WatchError:
                return False
        return True

    def _run(self, pipe: "redis.client.Pipeline") -> list[int] | None:
        try:
            answer: list[int] = pipe.execute()
        except redis.RedisError as error:
            logger.warning("users are not counted", extra={"why": str(error)})
            return None
        return answer


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise Unavailable("Redis does not answer.") from error


def _text(mark: Mark) -> str:
    return f"{mark.attempt}:{mark.at_ms}"


def _key(span: Span) -> str:
    tenant, name, start_ms, length_ms = span
    return f"analytics:users:{tenant}:{name}:{start_ms}:{length_ms}"
