"""Where the contract of queues is checked: Valkey, moto's SQS, or an SQS behind a socket."""

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
import redis
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from backend.queues import Message, Queue
from backend.queues.redis_queue import Keys, RedisQueue
from backend.queues.sqs_queue import SqsQueue
from backend.settings import settings

VISIBILITY_TIMEOUT_S = 30
RECEIVES_MAX = 2
RETENTION_S = 3600

# Where moto does not do what SQS does. Each is asserted below, so that a moto which learns says so.
MOTO_DIFFERS = {
    "stale delete": "deletes the message; SQS says the request succeeds and the message may stay",
    "stale release": "changes the newest receive's visibility; only that handle may do so",
    "expired in batch": "a message past its retention ends the receive; those behind it wait",
}


class Place(Protocol):
    """Where the suite runs: a queue, its dead-letter queue, and a way to let time pass."""

    differences: frozenset[str]
    queue: Queue
    dead_letters: Queue

    def pass_time(self, seconds: int) -> None: ...


@dataclass
class OnValkey:
    """Time passes by moving every recorded time into the past; the clock is left alone."""

    url: str
    differences: frozenset[str] = frozenset()
    queue: Queue = field(init=False)
    dead_letters: Queue = field(init=False)

    def __post_init__(self) -> None:
        self.queue = RedisQueue(
            "orders",
            visibility_timeout_s=VISIBILITY_TIMEOUT_S,
            max_receive_count=RECEIVES_MAX,
            dead_letter="orders-dlq",
            retention_s=RETENTION_S,
            redis_url=self.url,
        )
        self.dead_letters = RedisQueue("orders-dlq", redis_url=self.url)

    def pass_time(self, seconds: int) -> None:
        keys = Keys("orders")
        with redis.Redis.from_url(self.url, decode_responses=True) as server:
            for name in (keys.visible_at, keys.delayed):
                for id_ in server.zrange(name, 0, -1):
                    server.zincrby(name, -seconds * 1000, id_)
            for id_, state in server.hgetall(keys.progress).items():
                count, sent, rest = state.split("|", 2)
                server.hset(keys.progress, id_, f"{count}|{int(sent) - seconds * 1000}|{rest}")


@dataclass
class OnMoto:
    differences: frozenset[str] = frozenset(MOTO_DIFFERS)
    queue: Queue = field(init=False)
    dead_letters: Queue = field(init=False)

    def __post_init__(self) -> None:
        self.queue, self.dead_letters = sqs_queues("orders")

    def pass_time(self, seconds: int) -> None:
        backend = sqs_backends[DEFAULT_ACCOUNT_ID][settings.aws_region]
        messages: list[Any] = backend.queues["orders"]._messages
        for message in messages:
            message.visible_at -= seconds * 1000
            message.delayed_until -= seconds * 1000
            message.sent_timestamp -= seconds * 1000


@dataclass
class OnMinistack:
    """The drill's SQS; each test has queues of its own there, because it outlives the test."""

    clock: Path
    differences: frozenset[str] = frozenset()
    queue: Queue = field(init=False)
    dead_letters: Queue = field(init=False)

    def __post_init__(self) -> None:
        self.queue, self.dead_letters = sqs_queues(f"orders-{uuid.uuid4().hex}")

    def pass_time(self, seconds: int) -> None:
        self.clock.write_text(str(float(self.clock.read_text()) + seconds))

    def delete_queues(self) -> None:
        sqs = boto3.client("sqs", region_name=settings.aws_region)
        for queue in (self.queue, self.dead_letters):
            sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=queue.name)["QueueUrl"])


def sqs_queues(name: str) -> tuple[Queue, Queue]:
    """Make a queue and its dead-letter queue where AWS_ENDPOINT_URL or moto has SQS."""
    sqs = boto3.client("sqs", region_name=settings.aws_region)
    dead_letters = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["QueueArn"])
    redrive = {"deadLetterTargetArn": asked["Attributes"]["QueueArn"]}
    queue = sqs.create_queue(
        QueueName=name,
        Attributes={
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
    depth = queue.depth()
    return depth.visible + depth.delayed + depth.in_flight
