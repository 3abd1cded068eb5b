"""A message that a person has looked at is deleted by its id, unless somebody works on it."""

from collections.abc import Callable

import pytest

from redis_sqs.carrier import Carrier
from redis_sqs.redis_queue import Drop, RedisQueue, Traits
from tests.contract.queue_redis.orders import DEAD, KEYS, Server, put, state_of


def standard(url: str) -> RedisQueue:
    return RedisQueue("orders", redis_url=url)


def fifo(url: str) -> RedisQueue:
    queue = RedisQueue("orders.fifo", redis_url=url)
    queue.declare(Traits(deduplicates_content=True))
    return queue


@pytest.fixture(params=[standard, fifo])
def either(request: pytest.FixtureRequest, valkey: str) -> RedisQueue:
    make: Callable[[str], RedisQueue] = request.param
    return make(valkey)


def group_of(queue: RedisQueue) -> str:
    return "a" if queue.name.endswith(".fifo") else ""


def test_a_visible_message_is_deleted_and_the_next_one_is_received(either: RedisQueue, valkey: str):
    first = either.send("first", group=group_of(either))
    either.send("second", group=group_of(either))
    dropped = either.drop(first, 0)

    assert dropped is Drop.DONE
    assert [message.body for message in either.receive()] == ["second"]
    assert either.drop(first, 0) is Drop.ABSENT
    assert Carrier(redis_url=valkey).peek_one(f"/{either.name}", first) is None


def test_a_message_in_flight_stays_and_so_does_one_received_since_the_look(either: RedisQueue):
    sent = either.send("one", group=group_of(either))
    (message,) = either.receive()
    in_flight = either.drop(sent, 1)
    either.change_visibility(message.receipt_handle, 0)
    since = either.drop(sent, 0)

    assert (in_flight, since) == (Drop.CHANGED, Drop.CHANGED)
    assert [message.body for message in either.receive()] == ["one"]


def test_a_message_that_waits_for_its_next_try_is_deleted_whole(either: RedisQueue):
    sent = either.send("one", group=group_of(either))
    either.release(either.receive()[0].receipt_handle, after_s=60, reason="no answer")

    assert either.drop(sent, 1) is Drop.DONE
    assert either.depth().total == 0


def test_dropping_leaves_nothing_behind(server: Server, valkey: str):
    put(server, DEAD, {"a": (2, -5), "b": (2, -4)})
    RedisQueue("orders-dlq", redis_url=valkey).drop("a", 2)

    assert state_of(server, DEAD).keys() == {"b"}
    assert state_of(server, KEYS) == {}
