"""Fair queues (row 3.18): a group that sends little is not behind one that sends much."""

import pytest

from redis_sqs import Queue
from tests.contract.queue_redis.orders import Server

VISIBLE_AT = "queue:orders:visible_at"


def wait_s(server: Server, seconds: int) -> None:
    """Have all messages of the queue been due for so much longer."""
    for message_id, due_ms in server.zrange(VISIBLE_AT, 0, -1, withscores=True):
        server.zadd(VISIBLE_AT, {message_id: due_ms - seconds * 1000})


def bodies(queue: Queue, count: int) -> list[str]:
    return [queue.receive(1)[0].body for _ in range(count)]


@pytest.mark.row("3.18")
def test_behind_a_backlog_what_a_quiet_group_sends_comes_first(queue, server):
    queue.send_batch([f"greedy {each}" for each in range(200)], group="greedy")
    wait_s(server, 5)
    queue.send_batch([f"greedy {each}" for each in range(200, 400)], group="greedy")
    queue.send("quiet", group="quiet")
    before = server.zrank(VISIBLE_AT, server.zrange(VISIBLE_AT, 0, -1)[-1])

    assert before == 400
    assert "quiet" in bodies(queue, 205)[:202]


@pytest.mark.row("3.18")
def test_groups_that_send_the_same_take_turns_where_messages_wait(queue, server):
    queue.send("old")
    wait_s(server, 60)
    for group in ("one", "other"):
        queue.send_batch([group] * 10, group=group)
    first = bodies(queue, 11)[1:]

    assert {first.count("one"), first.count("other")} <= {4, 5, 6}


@pytest.mark.row("3.18")
def test_without_a_backlog_or_a_group_messages_come_by_age(queue, server):
    queue.send("first", group="much")
    wait_s(server, 60)
    queue.send("second")
    queue.send("of a name that SQS refuses", group="two words")

    assert bodies(queue, 1) == ["first"]
    assert sorted(bodies(queue, 2)) == ["of a name that SQS refuses", "second"]


@pytest.mark.row("3.18")
def test_a_batch_has_a_group_for_each_message_and_the_place_of_a_group_is_forgotten(queue, server):
    queue.send("old")
    wait_s(server, 60)
    queue.send_batch(["a", "b"], groups=["ann", "bob"])
    messages = queue.receive(10)

    assert {each.body: each.system.get("MessageGroupId") for each in messages} == {
        "old": None,
        "a": "ann",
        "b": "bob",
    }
    assert sorted(server.hkeys("queue:orders:turns")) == ["ann", "bob"]
    assert 0 < server.pttl("queue:orders:turns") <= 60_000
