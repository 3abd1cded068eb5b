"""The queue on Redis alone: declared attributes, limits lowered, disorder."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from redis_sqs import QueueFull
from redis_sqs.redis_queue import RedisQueue, Traits
from tests.conftest import wait_until
from tests.contract.queue_redis.orders import Server, scripts_of_this_process


@pytest.mark.row("3.12")
def test_a_queue_of_its_own_delay_delays_what_names_none(valkey: str):
    queue = RedisQueue("orders", redis_url=valkey)
    queue.declare(Traits(delay_s=60))
    queue.send("waits")
    queue.send_batch(["waits too"])
    queue.send("comes", delay_s=0)

    assert [message.body for message in queue.receive()] == ["comes"]
    assert queue.depth().delayed == 2


@pytest.mark.row("3.12")
def test_a_delayed_message_of_a_fifo_queue_holds_up_its_group_only(server: Server, valkey: str):
    queue = RedisQueue("orders.fifo", redis_url=valkey)
    queue.declare(Traits(delay_s=60, deduplicates_content=True))
    queue.send_batch(["a1", "a2"], group="a")
    too_early = queue.receive()
    for key in ("visible_at", "groups"):
        for member in server.zrange(f"queue:orders.fifo:{key}", 0, -1):
            server.zincrby(f"queue:orders.fifo:{key}", -60_000, member)
    queue.send("b1", group="b")

    assert too_early == []
    assert [message.body for message in queue.receive()] == ["a1", "a2"]
    assert queue.depth().delayed == 1


@pytest.mark.row("3.1")
def test_a_queue_may_take_smaller_messages_only(valkey: str):
    queue = RedisQueue("orders", redis_url=valkey)
    queue.declare(Traits(message_bytes_max=1024))

    with pytest.raises(ValueError, match="at most 1024 bytes"):
        queue.send("x" * 1025)


def test_senders_learn_of_a_queue_that_is_declared_after_they_began(valkey: str):
    sender = RedisQueue("orders.fifo", redis_url=valkey)
    with pytest.raises(ValueError, match="deduplicate by content"):
        sender.send("a", group="a")
    RedisQueue("orders.fifo", redis_url=valkey).declare(Traits(deduplicates_content=True))

    wait_until(lambda: sends(sender))


def sends(queue: RedisQueue) -> bool:
    try:
        return bool(queue.send("a", group="a"))
    except ValueError:
        return False


@pytest.mark.row("3.14")
def test_the_same_id_in_another_group_is_another_message_where_the_queue_says_so(valkey: str):
    queue = RedisQueue("orders.fifo", redis_url=valkey)
    queue.declare(Traits(deduplicates_by_group=True))
    for group in ("a", "b", "a"):
        queue.send(f"of {group}", group=group, deduplication_id="same")

    assert sorted(message.body for message in queue.receive()) == ["of a", "of b"]


@pytest.mark.row("3.13")
@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_no_more_are_in_flight_than_may_be(valkey: str, name: str):
    queue = RedisQueue(name, in_flight_max=5, redis_url=valkey)
    queue.declare(Traits(deduplicates_content=True))
    for number in range(8):
        queue.send(str(number), group=str(number))
    first, second = queue.receive(3), queue.receive(10)
    waited = queue.receive(wait_s=0.1)
    queue.delete([first[0].receipt_handle])

    assert (len(first), len(second), waited) == (3, 2, [])
    assert len(queue.receive()) == 1


@pytest.mark.row("3.13")
def test_a_short_poll_says_that_too_many_are_in_flight_and_a_fifo_queue_does_not(valkey: str):
    standard = RedisQueue("orders", in_flight_max=1, redis_url=valkey)
    fifo = RedisQueue("orders.fifo", in_flight_max=1, redis_url=valkey)
    fifo.declare(Traits(deduplicates_content=True))
    for queue in (standard, fifo):
        queue.send("a", group="a")
        queue.send("b", group="b")
        queue.receive()

    with pytest.raises(QueueFull, match="in flight"):
        standard.receive()
    assert fifo.receive() == []


@pytest.mark.row("3.13")
def test_a_receiver_at_the_limit_of_a_fifo_queue_sleeps_and_looks_again_in_a_second(
    server: Server, valkey: str
):
    queue = RedisQueue("orders.fifo", in_flight_max=1, redis_url=valkey)
    for group in "ab":
        queue.send(group, group=group, deduplication_id=group)
    (in_flight,) = queue.receive()
    with scripts_of_this_process() as scripts:
        assert queue.receive(wait_s=0.3) == []
    assert len(scripts) <= 3

    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(queue.receive, wait_s=10)
        wait_until(lambda: server.info("clients")["blocked_clients"] == 1)
        queue.delete([in_flight.receipt_handle])
        assert [message.body for message in waiting.result(timeout=5)] == ["b"]


@pytest.mark.row("3.15", "4.11")
def test_receivers_at_once_never_hold_two_messages_of_a_group(valkey: str):
    names, per_group = "abcde", 30
    queue = RedisQueue("orders.fifo", redis_url=valkey)
    queue.declare(Traits(deduplicates_content=True))
    for number in range(per_group):
        for group in names:
            queue.send(f"{group} {number}", group=group)

    def drain() -> list[list[str]]:
        mine, bodies = RedisQueue("orders.fifo", redis_url=valkey), []
        while mine.depth().visible:
            batch = mine.receive(4)
            bodies.append([message.body for message in batch])
            mine.delete([message.receipt_handle for message in batch])
        return bodies

    with ThreadPoolExecutor(3) as pool:
        batches = [b for each in [pool.submit(drain) for _ in range(3)] for b in each.result()]
    for group in names:
        numbers = sorted(int(b.split()[1]) for batch in batches for b in batch if b[0] == group)
        assert numbers == list(range(per_group))
    for batch in batches:
        for group in names:
            numbers = [int(body.split()[1]) for body in batch if body[0] == group]
            assert (
                numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
            )


def test_nothing_is_left_of_a_fifo_message_but_its_deduplication_id(server: Server, valkey: str):
    queue = RedisQueue("orders.fifo", redis_url=valkey)
    queue.send("a", group="a", deduplication_id="1")
    queue.delete([message.receipt_handle for message in queue.receive()])

    assert sorted(server.keys("queue:*")) == [
        "queue:orders.fifo:sent:1",
        "queue:orders.fifo:sequence",
    ]


def test_a_full_fifo_queue_refuses_the_whole_batch(valkey: str):
    queue = RedisQueue("orders.fifo", depth_max=2, redis_url=valkey)
    queue.declare(Traits(deduplicates_content=True))
    with pytest.raises(QueueFull):
        queue.send_batch(["a", "b", "c"], group="a")
    queue.send_batch(["a", "b"], group="a")

    assert queue.depth().visible == 2


@pytest.mark.row("3.21")
@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_a_purge_deletes_everything_once_a_minute(server: Server, valkey: str, name: str):
    queue = RedisQueue(name, redis_url=valkey)
    queue.declare(Traits(deduplicates_content=True))
    queue.send_batch(["in flight", "visible"], group="a")
    queue.receive(1)
    purged = queue.purge()
    after, again = queue.depth(), queue.purge()
    queue.send("sent later", group="a")

    assert purged
    assert not again
    assert (after.visible, after.delayed, after.in_flight) == (0, 0, 0)
    assert [message.body for message in queue.receive()] == ["sent later"]
    server.delete(f"queue:{name}:purged")
    assert queue.purge()
    names_left = {"traits", "sequence", "purged"}
    left = {key.rsplit(":", 1)[1] for key in server.keys("queue:*") if ":sent:" not in key}
    assert left <= names_left
