"""The setting QUEUE_DISORDER: a queue that delivers twice and out of order, as SQS may."""

from collections import Counter

import pytest

from redis_sqs import Message
from redis_sqs.redis_queue import RedisQueue
from tests.conftest import wait_until


def receive_all(queue: RedisQueue, count: int) -> list[Message]:
    """Receive everything there is, once `count` messages have come."""
    received: list[Message] = []

    def has_all() -> bool:
        received.extend(queue.receive(wait_s=0.2))
        return len(received) >= count

    wait_until(has_all)
    return received


@pytest.mark.row("3.17")
def test_a_message_comes_twice_under_one_id_and_each_copy_is_deleted_for_itself(valkey: str):
    queue = RedisQueue("orders", disorder=1, redis_url=valkey)
    sent = queue.send("a", attributes={"tenant": "demo"})
    one, two = receive_all(queue, 2)
    queue.delete([one.receipt_handle])
    left = queue.depth().in_flight
    queue.delete([two.receipt_handle])

    assert one.message_id == two.message_id == sent
    assert one.attributes == two.attributes == {"tenant": "demo"}
    assert one.receive_count == two.receive_count == 1
    assert left == 1
    assert queue.depth().in_flight == 0


@pytest.mark.row("3.17")
def test_messages_come_out_of_order_and_none_is_missing(valkey: str):
    queue = RedisQueue("orders", disorder=0.5, redis_url=valkey)
    sent = [str(number) for number in range(50)]
    ids = queue.send_batch(sent)
    depth = queue.depth()
    received = receive_all(queue, depth.visible + depth.delayed)

    assert {message.message_id: message.body for message in received} == dict(
        zip(ids, sent, strict=True)
    )
    assert [message.body for message in received] != sorted(sent, key=int)
    assert set(Counter(message.body for message in received).values()) == {1, 2}


def test_without_the_setting_each_message_comes_once_and_at_once(valkey: str):
    queue = RedisQueue("orders", redis_url=valkey)
    queue.send_batch([str(number) for number in range(20)])

    assert (queue.depth().visible, queue.depth().delayed) == (20, 0)
