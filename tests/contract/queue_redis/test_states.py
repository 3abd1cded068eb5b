"""Each call of the queue as a state of Redis before it and one after it."""

import json
from collections.abc import Callable, Sequence

import pytest

from redis_sqs import Queue, QueueFull
from redis_sqs.redis_queue import RedisQueue, Traits
from tests.contract.queue_redis.orders import (
    DEAD,
    KEYS,
    Server,
    State,
    orders,
    pass_time,
    put,
    state_of,
)


def release_all(queue: Queue, handles: Sequence[str]) -> None:
    for handle in handles:
        queue.release(handle, after_s=0)


# what happens | before | call | after | dead-letter queue after
TRANSITIONS: list[tuple[str, State, Callable[[Queue], object], State, State]] = [
    (
        "a receive hides the visible and leaves the rest",
        {"a": (0, -9), "b": (1, -5), "c": (1, 20), "d": (0, 60)},
        lambda queue: queue.receive(),
        {"a": (1, 30), "b": (2, 30), "c": (1, 20), "d": (0, 60)},
        {},
    ),
    (
        "a receive takes those first that are visible longest",
        {"a": (0, -3), "b": (0, -9), "c": (0, -6)},
        lambda queue: queue.receive(2),
        {"a": (0, -3), "b": (1, 30), "c": (1, 30)},
        {},
    ),
    (
        "a receive buries what is over the limit and takes the next in its place",
        {"a": (2, -9), "b": (2, -8), "c": (0, -7), "d": (0, -6)},
        lambda queue: queue.receive(1),
        {"c": (1, 30), "d": (0, -6)},
        {"a": (2, 0), "b": (2, 0)},
    ),
    (
        "a receive leaves a message over the limit alone while it is in flight",
        {"a": (2, 10)},
        lambda queue: queue.receive(),
        {"a": (2, 10)},
        {},
    ),
    (
        "a delete takes away only what its handles name",
        {"a": (1, 30), "b": (2, 30), "c": (1, 30)},
        lambda queue: queue.delete(["a:1", "b:2"]),
        {"c": (1, 30)},
        {},
    ),
    (
        "a delete with an older or unknown handle, or none at all, changes nothing",
        {"a": (2, 30)},
        lambda queue: queue.delete(["a:1", "a:20", "b:1", "nonsense", ""]),
        {"a": (2, 30)},
        {},
    ),
    (
        "a release moves the time and keeps the count",
        {"a": (1, 30), "b": (1, 30)},
        lambda queue: queue.release("a:1", after_s=5),
        {"a": (1, 5), "b": (1, 30)},
        {},
    ),
    (
        "a release with an older or unknown handle changes nothing",
        {"a": (2, 30)},
        lambda queue: release_all(queue, ["a:1", "b:1", "nonsense"]),
        {"a": (2, 30)},
        {},
    ),
]


@pytest.mark.parametrize(
    ("before", "call", "after", "dead"),
    [case[1:] for case in TRANSITIONS],
    ids=[case[0] for case in TRANSITIONS],
)
def test_each_transition_leaves_the_state_that_its_name_says(
    server: Server,
    queue: RedisQueue,
    before: State,
    call: Callable[[Queue], object],
    after: State,
    dead: State,
):
    put(server, KEYS, before)
    call(queue)

    assert state_of(server, KEYS) == after
    assert state_of(server, DEAD) == dead


@pytest.mark.row("3.8")
def test_a_dead_letter_tells_where_it_came_from_and_why(valkey: str, queue: RedisQueue):
    queue.send("poison", attributes={"tenant": "demo"})
    for reason in ("ValueError: no amount", "StoreUnavailable: no answer"):
        queue.release(queue.receive()[0].receipt_handle, after_s=0, reason=reason)
    queue.receive()

    (dead,) = RedisQueue("orders-dlq", redis_url=valkey).receive()
    assert dead.attributes == {"tenant": "demo"}
    assert dead.system == {
        "DeadLetterQueueSourceArn": "arn:aws:sqs:eu-west-1:000000000000:orders",
        "DeadLetterReason": "received 2 times, last: StoreUnavailable: no answer",
    }


@pytest.mark.row("3.8")
def test_without_a_dead_letter_queue_a_message_comes_back_for_ever(valkey: str):
    queue = RedisQueue("orders", max_receive_count=1, redis_url=valkey)
    queue.send("a")
    for expected in range(1, 5):
        (message,) = queue.receive()
        assert message.receive_count == expected
        queue.release(message.receipt_handle, after_s=0)


def test_a_hundred_dead_messages_do_not_hide_a_living_one(server: Server, queue: RedisQueue):
    put(server, KEYS, {f"dead {number}": (2, -60) for number in range(250)})
    queue.send("good")

    assert [message.body for message in queue.receive(wait_s=5)] == ["good"]


def test_a_queue_at_its_depth_refuses_the_whole_batch_and_takes_more_once_it_has_room(valkey: str):
    queue = orders(valkey, depth_max=3)
    queue.send("a")
    with pytest.raises(QueueFull):
        queue.send_batch(["b", "c", "d"])
    depth_after_refusal = queue.depth().visible
    queue.send_batch(["b", "c"])
    queue.delete([queue.receive(1)[0].receipt_handle])
    queue.send("d")

    assert depth_after_refusal == 1
    with pytest.raises(QueueFull, match="orders"):
        queue.send("e")


def test_a_repeated_send_of_the_same_id_sends_nothing_twice(
    server: Server, queue: RedisQueue, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("uuid.uuid4", lambda: "the same id")
    queue.send("a")
    received = queue.receive()
    queue.send("a")

    assert len(received) == 1
    assert state_of(server, KEYS) == {"the same id": (1, 30)}


def fill(queue: Queue) -> int:
    for sent in range(1000):
        try:
            queue.send("x" * 20_000)
        except QueueFull:
            return sent
    pytest.fail("never full")


@pytest.mark.row("3.23")
def test_at_maxmemory_senders_are_refused_and_receivers_drain_the_queue(
    server: Server, queue: RedisQueue
):
    server.config_set("maxmemory", server.info("memory")["used_memory"] + 2_000_000)
    sent = fill(queue)
    server.script_flush()
    received = 0
    while batch := queue.receive():
        queue.delete([message.receipt_handle for message in batch])
        received += len(batch)
    queue.send("after the drain")

    assert sent > 10
    assert received == sent
    assert queue.depth().visible == 1


def test_the_age_is_how_long_the_oldest_visible_message_has_been_due(
    server: Server, queue: RedisQueue
):
    put(server, KEYS, {"a": (1, 30), "b": (1, -5)})
    queue.send("c")

    assert 5 <= queue.depth().oldest_age_s < 8


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_a_message_that_is_delayed_in_flight_or_tried_again_later_has_no_age(
    server: Server, valkey: str, name: str
):
    queue = RedisQueue(name, redis_url=valkey)
    queue.declare(Traits(delay_s=600, deduplicates_content=True))
    queue.send("delayed", group="a")
    due = RedisQueue(name, redis_url=valkey)
    due.declare(Traits(deduplicates_content=True))
    due.send("in flight", group="b")
    due.send("tried again", group="c")
    _, again = due.receive()
    due.release(again.receipt_handle, after_s=300, reason="failed")
    pass_time(server, name, 20)

    assert queue.depth().oldest_age_s == 0
    pass_time(server, name, 15)  # now only the visibility timeout of the first is over
    assert 4 < queue.depth().oldest_age_s < 8


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_what_is_given_back_with_a_reason_is_retrying_until_its_time_comes(
    server: Server, valkey: str, name: str
):
    queue = RedisQueue(name, redis_url=valkey)
    queue.declare(Traits(deduplicates_content=True))
    for body in ("in flight for longer", "failed"):
        queue.send(body, group=body.replace(" ", "-"))
    longer, failed = queue.receive()
    queue.release(longer.receipt_handle, after_s=60)
    queue.release(failed.receipt_handle, after_s=60, reason="no answer")
    before = queue.depth()
    pass_time(server, name, 61)
    after = queue.depth()

    assert (before.visible, before.in_flight, before.retrying, before.total) == (0, 1, 1, 2)
    assert (after.visible, after.in_flight, after.retrying, after.total) == (2, 0, 0, 2)


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_a_retrying_message_leaves_nothing_behind_however_it_goes_on(
    server: Server, valkey: str, name: str
):
    queue = RedisQueue(name, redis_url=valkey, max_receive_count=2, dead_letter=f"dead-{name}")
    queue.declare(Traits(deduplicates_content=True))
    for body in ("deleted", "received again and dead"):
        queue.send(body, group="one")
    for message in queue.receive():
        queue.release(message.receipt_handle, after_s=5, reason="no answer")
    pass_time(server, name, 6)
    deleted, dead = queue.receive()
    assert server.keys("*retrying") == []
    for message in (deleted, dead):
        queue.release(message.receipt_handle, after_s=5, reason="no answer")
    queue.delete([deleted.receipt_handle])
    pass_time(server, name, 6)

    assert queue.receive() == []
    assert server.keys("*retrying") == []


def test_a_purge_forgets_what_was_retrying(server: Server, queue: RedisQueue):
    queue.send("a")
    queue.release(queue.receive()[0].receipt_handle, after_s=60, reason="no answer")
    queue.purge()

    assert queue.depth().total == 0
    assert server.keys("*retrying") == []


def test_an_empty_queue_has_no_age(queue: RedisQueue):
    assert queue.depth().oldest_age_s == 0


def test_nothing_is_left_of_a_message_that_was_delayed_received_and_deleted(
    server: Server, queue: RedisQueue
):
    id_ = queue.send("a", delay_s=60)
    server.zincrby(KEYS.visible_at, -60_000, id_)
    queue.delete([message.receipt_handle for message in queue.receive()])

    assert server.keys("queue:*") == []


def test_attributes_stay_out_of_the_body(server: Server, queue: RedisQueue):
    id_ = queue.send("{}", attributes={"line": "a\nb"})

    assert json.loads(server.hget(KEYS.entries, id_).partition("\n")[0]) == {"line": "a\nb"}


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
@pytest.mark.parametrize("set_back_s", [120, 3600])
def test_what_was_sent_before_the_clock_was_set_back_is_received_all_the_same(
    server: Server, valkey: str, name: str, set_back_s: int
):
    queue = RedisQueue(name, redis_url=valkey)
    queue.declare(Traits(deduplicates_content=True))
    for number in range(25):
        queue.send(str(number), group=f"g{number}")
    later = RedisQueue(name, redis_url=valkey)
    later.declare(Traits(delay_s=60, deduplicates_content=True))
    later.send("later", group="later")
    pass_time(server, name, -set_back_s)

    received = [message.body for _ in range(3) for message in queue.receive()]
    assert sorted(received, key=int) == [str(number) for number in range(25)]
    assert queue.receive() == []
    assert (queue.depth().delayed, queue.depth().in_flight) == (1, 25)
    pass_time(server, name, 61)
    assert "later" in [message.body for _ in range(3) for message in queue.receive()]


@pytest.mark.parametrize("set_back_s", [120, 3600])
def test_a_batch_fills_no_longer_because_the_clock_was_set_back(
    server: Server, valkey: str, set_back_s: int
):
    queue = RedisQueue("orders", fill_s=0.2, redis_url=valkey)
    queue.send("first")
    assert len(queue.receive()) == 1
    server.pexpire("queue:orders:filling", 200 + set_back_s * 1000)
    queue.send("second")

    assert [message.body for message in queue.receive()] == ["second"]
