"""The places where the contract of queues is checked.

They are Valkey, the SQS API in front of it, moto's SQS, or an SQS behind a socket.
"""

import json
import uuid
from pathlib import Path
from typing import Any, Protocol

import boto3
import redis
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from backend.settings import settings
from redis_sqs import Message, Queue
from redis_sqs.redis_queue import RedisQueue, Traits
from redis_sqs.sqs_queue import SqsQueue
from tests.contract.queue_redis.orders import pass_time

VISIBILITY_TIMEOUT_S = 30
RECEIVES_MAX = 2
RETENTION_S = 3600

# Where moto does not do what SQS does. Each is asserted below, so that a moto which learns says so.
MOTO_DIFFERS = {
    "stale delete": "deletes the message; SQS says the request succeeds and the message may stay",
    "visible release": "hides a message that is visible already",
    "stale release": "changes the newest receive's visibility; only that handle may do so",
    "expired in batch": "a message past its retention ends the receive; those behind it wait",
    "expired group": "of messages that come back together it passes over all but the last",
    "deduplication": "a deleted message's deduplication id is forgotten",
    "dead fifo": "a dead letter keeps its deduplication id and its age",
    "sequence": "its sequence numbers are random",
    "expired handle": "an expired handle of a FIFO queue deletes and releases",
    "older handle": "an older handle of a FIFO queue is not told",
}
MINISTACK_DIFFERS = {
    "traces": "a batch's messages arrive without their traces",
    "visible release": "a message that is visible again is hidden by its handle",
    "expired handle": MOTO_DIFFERS["expired handle"],
    "dead fifo": MOTO_DIFFERS["dead fifo"],
    "used handle": "a handle that has deleted its message is told as if it had not",
}


class Place(Protocol):
    """A place where the suite runs: a queue, its dead-letter queue, and a way to let time pass.

    Both are FIFO where `is_fifo` says so, and then deduplicate by content.
    """

    differences: frozenset[str]
    queue: Queue
    dead_letters: Queue

    def pass_time(self, seconds: int) -> None: ...


class OnValkey:
    """Time passes by moving every recorded time into the past; the clock is left alone."""

    differences: frozenset[str] = frozenset()

    def __init__(self, url: str, *, is_fifo: bool) -> None:
        self._url = url
        queue, dead_letters = names("orders", is_fifo=is_fifo)
        orders = RedisQueue(
            queue,
            visibility_timeout_s=VISIBILITY_TIMEOUT_S,
            max_receive_count=RECEIVES_MAX,
            dead_letter=dead_letters,
            retention_s=RETENTION_S,
            redis_url=url,
        )
        orders.declare(Traits(deduplicates_content=is_fifo))
        self.queue: Queue = orders
        self.dead_letters: Queue = RedisQueue(dead_letters, redis_url=url)

    def pass_time(self, seconds: int) -> None:
        with redis.Redis.from_url(self._url, decode_responses=True) as server:
            pass_time(server, self.queue.name, seconds)


class OnLocalSqs(OnValkey):
    """The same queues through the SQS API of this machine, as boto3 sees them."""

    def __init__(self, url: str, endpoint: str, *, is_fifo: bool) -> None:
        super().__init__(url, is_fifo=is_fifo)
        sqs = boto3.client(
            "sqs",
            region_name=settings.aws_region,
            endpoint_url=endpoint,
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )
        base_url = "http://sqs.local/000000000000/"
        self.queue = SqsQueue(base_url + self.queue.name, client=sqs)
        self.dead_letters = SqsQueue(base_url + self.dead_letters.name, client=sqs)


class OnMoto:
    differences: frozenset[str] = frozenset(MOTO_DIFFERS)

    def __init__(self, *, is_fifo: bool) -> None:
        self.queue, self.dead_letters = sqs_queues("orders", is_fifo=is_fifo)

    def pass_time(self, seconds: int) -> None:
        backend = sqs_backends[DEFAULT_ACCOUNT_ID][settings.aws_region]
        messages: list[Any] = backend.queues[self.queue.name]._messages
        for message in messages:
            message.visible_at -= seconds * 1000
            message.delayed_until -= seconds * 1000
            message.sent_timestamp -= seconds * 1000


class OnMinistack:
    """The drill's SQS; each test has queues of its own there, because it outlives the test."""

    differences: frozenset[str] = frozenset(MINISTACK_DIFFERS)

    def __init__(self, clock: Path, *, is_fifo: bool) -> None:
        self._clock = clock
        name = f"orders-{uuid.uuid4().hex}"
        self.queue, self.dead_letters = sqs_queues(name, is_fifo=is_fifo)

    def pass_time(self, seconds: int) -> None:
        self._clock.write_text(str(float(self._clock.read_text()) + seconds))

    def delete_queues(self) -> None:
        sqs = boto3.client("sqs", region_name=settings.aws_region)
        for queue in (self.queue, self.dead_letters):
            sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=queue.name)["QueueUrl"])


def names(name: str, *, is_fifo: bool) -> tuple[str, str]:
    """Return the names of a queue and its dead-letter queue."""
    ending = ".fifo" if is_fifo else ""
    return f"{name}{ending}", f"{name}-dlq{ending}"


def sqs_queues(name: str, *, is_fifo: bool) -> tuple[Queue, Queue]:
    """Make a queue and its dead-letter queue where AWS_ENDPOINT_URL or moto has SQS."""
    sqs = boto3.client("sqs", region_name=settings.aws_region)
    queue_name, dead_name = names(name, is_fifo=is_fifo)
    fifo: dict[Any, str] = {}
    if is_fifo:
        fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    dead_letters = sqs.create_queue(QueueName=dead_name, Attributes=fifo)["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["QueueArn"])
    redrive = {"deadLetterTargetArn": answer["Attributes"]["QueueArn"]}
    queue = sqs.create_queue(
        QueueName=queue_name,
        Attributes={
            **fifo,
            "VisibilityTimeout": str(VISIBILITY_TIMEOUT_S),
            "MessageRetentionPeriod": str(RETENTION_S),
            "RedrivePolicy": json.dumps({**redrive, "maxReceiveCount": RECEIVES_MAX}),
        },
    )["QueueUrl"]
    return SqsQueue(queue), SqsQueue(dead_letters)


def bodies(messages: list[Message]) -> set[str]:
    return {message.body for message in messages}


def only(messages: list[Message]) -> Message:
    (message,) = messages
    return message


def total(queue: Queue) -> int:
    return queue.depth().total
