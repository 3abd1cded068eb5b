"""One contract for every queue: what senders and receivers rely on, on Valkey and on moto's SQS.

The deploy drill asks the same of an SQS behind a socket: its QUEUE_CLOCK names the file that puts
that one's clock forward, and AWS_ENDPOINT_URL where it is.
"""

import json
import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
import redis
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from backend.errors import QueueUnavailable
from backend.queues import Message, Queue
from backend.queues.limits import MESSAGE_BYTES_MAX
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


@pytest.fixture(params=["ministack"] if "QUEUE_CLOCK" in os.environ else ["valkey", "moto"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "valkey":
        yield OnValkey(request.getfixturevalue("valkey"))
    elif request.param == "ministack":
        place = OnMinistack(Path(os.environ["QUEUE_CLOCK"]))
        yield place
        place.delete_queues()
    else:
        with mock_aws():
            yield OnMoto()


def bodies(messages: list[Message]) -> set[str]:
    return {message.body for message in messages}


def only(messages: list[Message]) -> Message:
    (message,) = messages
    return message


def test_a_message_arrives_with_its_body_attributes_and_times(place: Place):
    message_id = place.queue.send("settle pay_1 für Zoë", attributes={"traceparent": "00-a-b-01"})

    message = only(place.queue.receive())
    assert message.message_id == message_id
    assert message.body == "settle pay_1 für Zoë"
    assert message.attributes == {"traceparent": "00-a-b-01"}
    assert message.receive_count == 1
    assert 0 < message.sent_at_ms <= message.first_received_at_ms


def test_a_body_may_hold_newlines_and_separators(place: Place):
    place.queue.send("a\nb|c:d\n")

    assert only(place.queue.receive()).body == "a\nb|c:d\n"


def test_a_queue_that_is_not_there_is_unavailable():
    with mock_aws(), pytest.raises(QueueUnavailable, match="nowhere"):
        SqsQueue(f"https://sqs.{settings.aws_region}.amazonaws.com/123456789012/nowhere").send("a")


def test_an_empty_queue_gives_nothing(place: Place):
    assert place.queue.receive() == []


def test_a_received_message_is_hidden_from_others(place: Place):
    place.queue.send("a")
    place.queue.receive()

    assert place.queue.receive() == []


def test_a_message_comes_back_after_its_visibility_timeout_and_not_before(place: Place):
    message_id = place.queue.send("a")
    first = only(place.queue.receive())
    place.pass_time(VISIBILITY_TIMEOUT_S - 2)
    too_early = place.queue.receive()
    place.pass_time(2)
    second = only(place.queue.receive())

    assert too_early == []
    assert second.message_id == message_id
    assert second.receive_count == 2
    assert second.receipt_handle != first.receipt_handle
    assert second.first_received_at_ms == first.first_received_at_ms


def test_a_deleted_message_never_comes_back(place: Place):
    place.queue.send("a")
    place.queue.delete([only(place.queue.receive()).receipt_handle])
    place.pass_time(VISIBILITY_TIMEOUT_S)

    assert place.queue.receive() == []
    assert total(place.queue) == 0


def test_deleting_twice_succeeds(place: Place):
    place.queue.send("a")
    handle = only(place.queue.receive()).receipt_handle
    place.queue.delete([handle])
    place.queue.delete([handle])

    assert total(place.queue) == 0


def test_the_newest_handle_still_deletes_after_the_visibility_timeout(place: Place):
    place.queue.send("a")
    message = only(place.queue.receive())
    place.pass_time(VISIBILITY_TIMEOUT_S + 1)
    place.queue.delete([message.receipt_handle])

    assert place.queue.receive() == []


def test_a_stale_handle_is_accepted_and_deletes_nothing(place: Place):
    place.queue.send("a")
    stale = only(place.queue.receive()).receipt_handle
    place.pass_time(VISIBILITY_TIMEOUT_S)
    place.queue.receive()
    place.queue.delete([stale])

    left = 0 if "stale delete" in place.differences else 1
    assert total(place.queue) == left


def test_a_batch_of_handles_deletes_the_good_ones_beside_a_used_one(place: Place):
    place.queue.send_batch(["a", "b", "c"])
    received = {message.body: message.receipt_handle for message in place.queue.receive()}
    place.queue.delete([received["a"]])
    place.queue.delete([received["a"], received["b"], received["c"]])

    assert total(place.queue) == 0


def test_a_released_message_is_visible_at_once(place: Place):
    place.queue.send("a")
    place.queue.release(only(place.queue.receive()).receipt_handle, after_s=0)

    assert only(place.queue.receive()).receive_count == 2


def test_a_message_released_for_later_waits_from_the_call_on(place: Place):
    place.queue.send("a")
    message = only(place.queue.receive())
    place.queue.release(message.receipt_handle, after_s=VISIBILITY_TIMEOUT_S + 20)
    place.pass_time(VISIBILITY_TIMEOUT_S + 10)
    too_early = place.queue.receive()
    place.pass_time(10)

    assert too_early == []
    assert only(place.queue.receive()).receive_count == 2


def test_a_stale_handle_releases_nothing(place: Place):
    place.queue.send("a")
    stale = only(place.queue.receive()).receipt_handle
    place.pass_time(VISIBILITY_TIMEOUT_S)
    place.queue.receive()
    place.queue.release(stale, after_s=0)

    visible = 1 if "stale release" in place.differences else 0
    assert place.queue.depth().visible == visible


def test_releasing_a_deleted_message_succeeds_and_brings_nothing_back(place: Place):
    place.queue.send("a")
    handle = only(place.queue.receive()).receipt_handle
    place.queue.delete([handle])
    place.queue.release(handle, after_s=0)

    assert total(place.queue) == 0


def test_a_delayed_message_is_hidden_until_its_time(place: Place):
    place.queue.send("a", delay_s=60)
    place.pass_time(58)
    too_early = place.queue.receive()
    place.pass_time(2)

    assert too_early == []
    assert only(place.queue.receive()).receive_count == 1


def test_a_receive_gives_at_most_what_was_asked_for(place: Place):
    place.queue.send_batch([str(number) for number in range(25)])
    ten, three = place.queue.receive(), place.queue.receive(3)

    assert (len(ten), len(three)) == (10, 3)
    assert bodies(ten).isdisjoint(bodies(three))


def test_a_batch_of_any_size_is_sent_whole_and_answered_in_order(place: Place):
    sent = [f"message {number}" for number in range(23)]
    ids = place.queue.send_batch(sent)
    received: dict[str, str] = {}
    while batch := place.queue.receive():
        received |= {message.message_id: message.body for message in batch}

    assert [received[id_] for id_ in ids] == sent


def test_a_batch_may_be_larger_than_one_message_may_be(place: Place):
    ids = place.queue.send_batch([letter * 400_000 for letter in "abcde"])
    received: dict[str, str] = {}
    while batch := place.queue.receive():
        received |= {message.message_id: message.body for message in batch}

    assert "".join(received[id_][0] for id_ in ids) == "abcde"


def test_a_message_goes_to_the_dead_letter_queue_at_the_receive_over_its_limit(place: Place):
    message_id = place.queue.send("poison", attributes={"tenant": "demo"})
    sent_at_ms = 0
    for expected in range(1, RECEIVES_MAX + 1):
        message = only(place.queue.receive())
        sent_at_ms = message.sent_at_ms
        assert message.receive_count == expected
        assert total(place.dead_letters) == 0
        place.queue.release(message.receipt_handle, after_s=0, reason="it explodes")
    over_the_limit = place.queue.receive()

    dead = only(place.dead_letters.receive())
    assert over_the_limit == []
    assert total(place.queue) == 0
    assert (dead.message_id, dead.body) == (message_id, "poison")
    assert dead.attributes["tenant"] == "demo"
    assert dead.sent_at_ms == sent_at_ms
    assert dead.receive_count == RECEIVES_MAX + 1


def test_a_dead_message_does_not_take_the_place_of_a_living_one(place: Place):
    place.queue.send("poison")
    for _ in range(RECEIVES_MAX):
        place.queue.release(only(place.queue.receive()).receipt_handle, after_s=0)
    place.queue.send("good")

    assert bodies(place.queue.receive()) == {"good"}


def test_a_message_past_its_retention_is_gone_and_counts_as_no_failure(place: Place):
    place.queue.send("old")
    place.pass_time(RETENTION_S + 1)
    place.queue.send("new")
    received = bodies(place.queue.receive())
    if "expired in batch" in place.differences:
        assert received == set()
        received = bodies(place.queue.receive())

    assert received == {"new"}
    assert total(place.dead_letters) == 0


def test_the_depth_tells_visible_delayed_and_in_flight_apart(place: Place):
    place.queue.send_batch(["a", "b", "c"])
    place.queue.send("d", delay_s=60)
    place.queue.receive(1)

    depth = place.queue.depth()
    assert (depth.visible, depth.delayed, depth.in_flight) == (2, 1, 1)


def test_a_waiting_receiver_gets_a_message_when_it_is_sent(place: Place):
    received: list[Message] = []
    receiver = threading.Thread(target=lambda: received.extend(place.queue.receive(wait_s=10)))
    receiver.start()
    place.queue.send("a")
    receiver.join(timeout=5)

    assert bodies(received) == {"a"}


@pytest.mark.parametrize("most", [0, 11])
def test_a_receive_takes_one_to_ten(place: Place, most: int):
    with pytest.raises(ValueError, match="max_messages"):
        place.queue.receive(most)


@pytest.mark.parametrize("wait_s", [-1, 20.1])
def test_a_receive_waits_up_to_twenty_seconds(place: Place, wait_s: float):
    with pytest.raises(ValueError, match="wait_s"):
        place.queue.receive(wait_s=wait_s)


@pytest.mark.parametrize("delay_s", [-1, 901])
def test_a_delay_is_at_most_fifteen_minutes(place: Place, delay_s: int):
    with pytest.raises(ValueError, match="delay_s"):
        place.queue.send("a", delay_s=delay_s)


@pytest.mark.parametrize("after_s", [-1, 43_201])
def test_a_release_is_for_at_most_twelve_hours(place: Place, after_s: int):
    with pytest.raises(ValueError, match="after_s"):
        place.queue.release("handle:1", after_s=after_s)


def test_a_message_has_a_mebibyte_for_body_and_attributes(place: Place):
    attributes = {"name": "value"}
    room = MESSAGE_BYTES_MAX - len("nameStringvalue")
    place.queue.send("x" * room, attributes=attributes)

    with pytest.raises(ValueError, match="at most"):
        place.queue.send("x" * (room + 1), attributes=attributes)
    with pytest.raises(ValueError, match="empty"):
        place.queue.send("")
    with pytest.raises(ValueError, match="attributes"):
        place.queue.send("a", attributes={"tenant": ""})
    assert total(place.queue) == 1


def total(queue: Queue) -> int:
    depth = queue.depth()
    return depth.visible + depth.delayed + depth.in_flight
