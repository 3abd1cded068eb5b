"""Looking at a queue changes nothing of it and shows every message as it is."""

import pytest

from redis_sqs import QueueUnavailable
from redis_sqs.carrier import PEEKED_AT_ONCE, Carrier
from redis_sqs.peek import peek
from redis_sqs.redis_queue import RedisQueue
from tests.contract.queue_redis.orders import DEAD, KEYS, Server, put, state_of


def test_each_message_is_shown_in_its_state_and_none_is_received(
    queue: RedisQueue, server: Server, valkey: str
):
    put(server, KEYS, {"b": (1, -5), "a": (0, -9), "c": (1, 20)})
    queue.send("later", delay_s=60)
    before = state_of(server, KEYS)

    messages = list(peek("orders", redis_url=valkey))

    assert [(each.body, each.state, each.receive_count) for each in messages] == [
        ("body of a", "visible", 0),
        ("body of b", "visible", 1),
        ("body of c", "in flight", 1),
        ("later", "delayed", 0),
    ]
    assert state_of(server, KEYS) == before


def test_a_dead_letter_is_shown_with_the_reason_of_its_last_failure(
    queue: RedisQueue, server: Server, valkey: str
):
    queue.send("one", attributes={"shop": "berlin"})
    for _ in range(2):
        queue.release(queue.receive()[0].receipt_handle, after_s=0, reason="no such customer")
    queue.receive()

    (letter,) = peek("orders-dlq", redis_url=valkey)

    assert (letter.body, letter.receive_count, dict(letter.attributes)) == (
        "one",
        2,
        {"shop": "berlin"},
    )
    assert letter.reason == "received 2 times, last: no such customer"
    assert state_of(server, DEAD).keys() == {letter.message_id}


def test_more_messages_than_one_look_has_are_all_shown(queue: RedisQueue, valkey: str):
    bodies = {str(number) for number in range(PEEKED_AT_ONCE + 1)}
    queue.send_batch(sorted(bodies))

    assert {each.body for each in peek("orders", redis_url=valkey)} == bodies


def test_a_part_of_a_queue_or_one_message_is_shown(queue: RedisQueue, server: Server, valkey: str):
    put(server, KEYS, {f"id{number}": (0, number - 9) for number in range(5)})
    carrier = Carrier(redis_url=valkey)
    part = [each.message_id for each in carrier.peek("/orders", first=2, at_once=2)]
    one = carrier.peek_one("/orders", "id3")

    assert part == ["id2", "id3", "id4"]
    assert one is not None
    assert (one.message_id, one.body, one.state) == ("id3", "body of id3", "visible")
    assert carrier.peek_one("/orders", "id9") is None


def test_sqs_shows_nothing_that_is_not_received():
    with pytest.raises(QueueUnavailable, match="not received"):
        Carrier(kind="sqs").peek("http://127.0.0.1:9/orders")
