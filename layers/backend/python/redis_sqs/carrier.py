"""The server that carries queues: Redis at a URL, or Amazon SQS."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from redis_sqs import REGION, Queue, name_of
from redis_sqs.errors import QueueUnavailable
from redis_sqs.limits import BATCH_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis_sqs.moves import Moves
    from redis_sqs.peek import WaitingMessage
    from redis_sqs.redis_queue import Traits

DEPTH_MAX = 200_000
PEEKED_AT_ONCE = 500  # messages in one script: about a millisecond in which nobody is served


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """The address and the limits of what carries queues; it connects nothing by itself."""

    kind: Literal["redis", "sqs"] = "redis"
    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)  # may hold a password
    region: str = REGION  # of SQS and of the queues' ARNs
    depth_max: int = DEPTH_MAX  # messages that a Redis queue holds before it refuses more
    disorder: float = 0  # how likely Redis delivers a message twice, and one late: 0 to 1

    # The imports stand in the methods, so that users of one carrier do not pay for the other:
    # boto3 costs 200 ms of CPU.

    def connect(
        self,
        url: str,
        *,
        visibility_timeout_s: float = 30,
        max_receive_count: int = 5,
        dead_letter_url: str | None = None,
        retention_s: int = 345_600,
        fill_s: float = 0,
        receive_max: int = BATCH_MAX,
    ) -> Queue:
        """Return the queue at `url`; it connects at its first call, so also before a fork.

        The defaults are SQS's. On Redis a receiver brings these values along; on SQS they belong
        to the queue.

        With `fill_s` a batch that is not full waits for more, until so long after the batch before
        it. The first message after a silence is taken at once; under load there are fewer, fuller
        batches. On Redis one receive may give `receive_max` messages, where SQS gives ten.
        """
        if self.kind == "sqs":
            from redis_sqs.sqs_queue import SqsQueue  # noqa: PLC0415

            return SqsQueue(url, region=self.region)
        from redis_sqs.redis_queue import RedisQueue  # noqa: PLC0415

        return RedisQueue(
            name_of(url),
            visibility_timeout_s=visibility_timeout_s,
            max_receive_count=max_receive_count,
            dead_letter=name_of(dead_letter_url) if dead_letter_url else None,
            retention_s=retention_s,
            fill_s=fill_s,
            receive_max=receive_max,
            depth_max=self.depth_max,
            disorder=self.disorder,
            redis_url=self.redis_url,
            region=self.region,
        )

    def declare(self, url: str, traits: "Traits") -> None:
        """Tell all senders the attributes of a Redis queue; on SQS the queue has them itself."""
        if self.kind == "sqs":
            return
        from redis_sqs.redis_queue import RedisQueue  # noqa: PLC0415

        RedisQueue(name_of(url), redis_url=self.redis_url).declare(traits)

    def peek(
        self, url: str, *, first: int = 0, at_once: int = PEEKED_AT_ONCE
    ) -> "Iterator[WaitingMessage]":
        """Yield the messages of a Redis queue, from the `first`, without receiving them.

        Raises QueueUnavailable.
        """
        self._check_shows()
        from redis_sqs.peek import peek  # noqa: PLC0415

        return peek(name_of(url), redis_url=self.redis_url, first=first, at_once=at_once)

    def peek_one(self, url: str, message_id: str) -> "WaitingMessage | None":
        """Return one message of a Redis queue without receiving it; raises QueueUnavailable."""
        self._check_shows()
        from redis_sqs.peek import peek_one  # noqa: PLC0415

        return peek_one(name_of(url), message_id, redis_url=self.redis_url)

    def _check_shows(self) -> None:
        if self.kind == "sqs":
            raise QueueUnavailable("Amazon SQS shows no message that is not received.")

    def moves(self, source: str, origins: list[str]) -> "Moves":
        """Return the move tasks of the dead-letter queue `source` on Redis."""
        from redis_sqs.moves import Moves  # noqa: PLC0415

        return Moves(source, origins, redis_url=self.redis_url, region=self.region)
