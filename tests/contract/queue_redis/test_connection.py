"""The connection to Redis, also when that does not answer."""

import socket
import threading

import pytest

from redis_sqs import QueueUnavailable
from redis_sqs.carrier import Carrier
from redis_sqs.redis_queue import RedisQueue
from tests.conftest import wait_until
from tests.contract.queue_redis.orders import Server, orders


def test_the_url_names_the_queue_whatever_stands_before_it():
    queue = Carrier().connect("http://sqs.local/000000000000/payments/")

    assert isinstance(queue, RedisQueue)
    assert queue.name == "payments"


def test_a_queue_is_made_without_a_server_and_says_so_when_used():
    queue = RedisQueue("orders", redis_url="redis://127.0.0.1:1/0")

    with pytest.raises(QueueUnavailable):
        queue.send("a")
    with pytest.raises(QueueUnavailable):
        queue.receive(wait_s=1)


def test_a_server_that_never_answers_is_unavailable_within_its_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        queue = RedisQueue("orders", redis_url=f"redis://127.0.0.1:{port}/0")
        with pytest.raises(QueueUnavailable):
            queue.send("a")


def test_a_dropped_connection_is_opened_again(server: Server, queue: RedisQueue):
    queue.send("a")
    server.client_kill_filter(_type="normal", skipme=True)

    assert [message.body for message in queue.receive()] == ["a"]


def test_a_waiting_receiver_survives_a_dropped_connection(server: Server, valkey: str):
    received: list[str] = []
    receiver = threading.Thread(
        target=lambda: received.extend(m.body for m in orders(valkey).receive(wait_s=10))
    )
    receiver.start()
    wait_until(lambda: server.info("clients")["blocked_clients"] == 1)
    server.client_kill_filter(_type="normal", skipme=True)
    wait_until(lambda: server.info("clients")["blocked_clients"] == 1)
    orders(valkey).send("a")
    receiver.join(timeout=5)

    assert received == ["a"]


def test_threads_that_have_ended_leave_room_for_others(server: Server, queue: RedisQueue):
    depths: list[int] = []
    before = server.info("clients")["connected_clients"]
    for _ in range(20):
        thread = threading.Thread(target=lambda: depths.append(queue.depth().visible))
        thread.start()
        thread.join()

    assert depths == [0] * 20
    wait_until(lambda: server.info("clients")["connected_clients"] <= before + 1)


def test_the_queues_of_a_thread_share_its_connections(server: Server, valkey: str):
    queues = [RedisQueue(f"orders-{number}", redis_url=valkey) for number in range(8)]
    ready, done = threading.Barrier(4), threading.Barrier(4)

    def look_at_all() -> None:
        ready.wait(10)
        for queue in queues:
            queue.depth()
            queue.receive(wait_s=0.01)
        done.wait(10)

    threads = [threading.Thread(target=look_at_all) for _ in range(3)]
    before = server.info("clients")["connected_clients"]
    for thread in threads:
        thread.start()
    ready.wait(10)
    done.wait(10)

    assert server.info("clients")["connected_clients"] <= before + 2 * len(threads)
    for thread in threads:
        thread.join()
