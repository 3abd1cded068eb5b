"""Receivers that wait: who is woken, when, and for how many messages."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from redis_sqs.redis_queue import RedisQueue
from tests.conftest import wait_until
from tests.contract.queue_redis.orders import Server, orders, scripts_of_this_process


@pytest.mark.row("3.4")
def test_one_send_wakes_one_of_the_waiting_receivers(server: Server, valkey: str):
    receivers = [orders(valkey) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        pending = [pool.submit(receiver.receive, wait_s=20) for receiver in receivers]
        wait_until(lambda: server.info("clients")["blocked_clients"] == 3)
        with scripts_of_this_process() as scripts:
            receivers[0].send("a")
            wait_until(lambda: any(each.done() for each in pending))

        assert server.info("clients")["blocked_clients"] == 2
        assert len(scripts) == 2
        receivers[0].send_batch(["b", "c"])
        wait_until(lambda: sum(each.done() for each in pending) == 2)
        receivers[0].send("d")

    assert sorted(m.body for each in pending for m in each.result()) == ["a", "b", "c", "d"]


def test_a_full_batch_that_leaves_messages_wakes_the_next_receiver(server: Server, valkey: str):
    receivers = [orders(valkey) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        pending = [pool.submit(receiver.receive, wait_s=20) for receiver in receivers]
        wait_until(lambda: server.info("clients")["blocked_clients"] == 3)
        receivers[0].send_batch([str(number) for number in range(25)])

        assert sorted(len(each.result(timeout=3)) for each in pending) == [5, 10, 10]


def filling_orders(url: str, fill_s: float) -> RedisQueue:
    return RedisQueue("orders", fill_s=fill_s, redis_url=url)


def test_a_batch_that_fills_wakes_a_receiver_when_it_is_full(server: Server, valkey: str):
    receiver, sender = filling_orders(valkey, 30), orders(valkey)
    sender.send("at once")
    first = receiver.receive()
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(receiver.receive, wait_s=20)
        wait_until(lambda: server.info("clients")["blocked_clients"] == 1)
        sender.send_batch([str(number) for number in range(9)])
        still_waiting = server.info("clients")["blocked_clients"]
        sender.send("the tenth")

        assert [message.body for message in first] == ["at once"]
        assert still_waiting == 1
        assert len(pending.result(timeout=3)) == 10


def test_a_batch_that_does_not_fill_is_taken_when_its_time_is_over(server: Server, valkey: str):
    receiver, sender = filling_orders(valkey, 0.3), orders(valkey)
    sender.send("at once")
    receiver.receive()
    sender.send_batch(["a", "b"])
    too_early = receiver.receive()
    with scripts_of_this_process() as scripts:
        filled = receiver.receive(wait_s=5)

    assert too_early == []
    assert sorted(message.body for message in filled) == ["a", "b"]
    assert len(scripts) == 2


def test_a_batch_that_fills_keeps_nobody_from_a_delayed_message(server: Server, valkey: str):
    receiver, sender = filling_orders(valkey, 0.2), orders(valkey)
    sender.send("at once")
    receiver.receive()
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(receiver.receive, wait_s=20)
        wait_until(lambda: server.info("clients")["blocked_clients"] == 1)
        sender.send("later", delay_s=1)

        assert [message.body for message in pending.result(timeout=4)] == ["later"]


def test_a_backlog_is_shared_among_receivers_in_full_batches(server: Server, valkey: str):
    receivers = [filling_orders(valkey, 30) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        pending = [pool.submit(receiver.receive, wait_s=20) for receiver in receivers]
        wait_until(lambda: server.info("clients")["blocked_clients"] == 3)
        orders(valkey).send_batch([str(number) for number in range(25)])
        wait_until(lambda: sum(each.done() for each in pending) == 2)

        assert server.info("clients")["blocked_clients"] == 1
        orders(valkey).send_batch([str(number) for number in range(5)])
        assert [len(each.result(timeout=3)) for each in pending] == [10, 10, 10]


def test_a_waiting_receiver_learns_of_a_delayed_message_sent_meanwhile(server: Server, valkey: str):
    queue = orders(valkey)
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(queue.receive, wait_s=20)
        wait_until(lambda: server.info("clients")["blocked_clients"] == 1)
        orders(valkey).send("later", delay_s=1)

        assert [message.body for message in pending.result(timeout=4)] == ["later"]


def test_an_idle_receiver_asks_twice_and_sleeps_between(queue: RedisQueue):
    queue.send("a")
    queue.delete([message.receipt_handle for message in queue.receive()])
    with scripts_of_this_process() as scripts:
        queue.receive(wait_s=0.3)

    assert len(scripts) == 2


def test_each_call_is_one_round_trip(server: Server, queue: RedisQueue):
    queue.send_batch([str(number) for number in range(20)])
    queue.delete([message.receipt_handle for message in queue.receive()])
    before = server.info("commandstats")
    queue.send("a")
    queue.delete([message.receipt_handle for message in queue.receive()])
    after = server.info("commandstats")

    evalsha = "cmdstat_evalsha"
    assert after[evalsha]["calls"] == before[evalsha]["calls"] + 3
    assert {name for name in after if name not in before} <= {"cmdstat_info"}


def test_one_receive_gives_a_worker_its_whole_batch(valkey: str):
    queue = RedisQueue("orders", receive_max=100, redis_url=valkey)
    queue.send_batch([str(number) for number in range(120)])
    with scripts_of_this_process() as scripts:
        batches = [queue.receive(100), queue.receive(100)]

    assert [len(batch) for batch in batches] == [100, 20]
    assert len({each.body for batch in batches for each in batch}) == 120
    assert len(scripts) == 2


def test_one_receive_gives_no_more_large_messages_than_an_event_holds(valkey: str):
    queue = RedisQueue("orders", receive_max=100, redis_url=valkey)
    queue.send_batch(["x" * 700_000] * 12)

    assert len(queue.receive(100)) == 10
    assert (queue.depth().visible, queue.depth().in_flight) == (2, 10)


@pytest.mark.row("3.5")
def test_two_receivers_at_once_never_take_the_same_message(valkey: str):
    orders(valkey).send_batch([str(number) for number in range(400)])

    def drain() -> list[str]:
        queue, bodies = orders(valkey), []
        while batch := queue.receive():
            bodies += [message.body for message in batch]
        return bodies

    with ThreadPoolExecutor(4) as pool:
        bodies = [body for each in [pool.submit(drain) for _ in range(4)] for body in each.result()]
    assert sorted(bodies) == sorted(str(number) for number in range(400))
