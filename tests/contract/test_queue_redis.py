"""What the queue on Redis does beyond the contract: states, memory, waiting, failures."""

import json
import math
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from backend.errors import QueueFull, QueueUnavailable
from backend.queues import Queue, connect
from backend.queues.redis_queue import Keys, RedisQueue
from backend.settings import settings
from tests.conftest import wait_until

Server = Any  # redis-py types its answers as bytes or text, whatever decode_responses says
KEYS = Keys("orders")
DEAD = Keys("orders-dlq")

# id -> (receive count, seconds from now until it is visible); negative: visible since then
State = dict[str, tuple[int, int]]


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


@pytest.fixture
def server(valkey: str) -> Iterator[Server]:
    with redis.Redis.from_url(valkey, decode_responses=True) as client:
        yield client
        client.config_set("maxmemory", 0)


@pytest.fixture
def queue(valkey: str) -> RedisQueue:
    return orders(valkey)


def orders(url: str, *, depth_max: int = 1000) -> RedisQueue:
    return RedisQueue(
        "orders",
        max_receive_count=2,
        dead_letter="orders-dlq",
        depth_max=depth_max,
        redis_url=url,
    )


def put(server: Server, keys: Keys, state: State) -> None:
    now_ms = milliseconds(server)
    for id_, (count, visible_in_s) in state.items():
        server.zadd(keys.visible_at, {id_: now_ms + visible_in_s * 1000})
        server.hset(keys.entries, id_, f"\nbody of {id_}")
        server.hset(keys.progress, id_, f"{count}|{now_ms - 9000}|0|")


def state_of(server: Server, keys: Keys) -> State:
    """Read the queue, checking that its three structures hold the same messages."""
    now_ms = milliseconds(server)
    visible_at = dict(server.zrange(keys.visible_at, 0, -1, withscores=True))
    progress = server.hgetall(keys.progress)
    assert set(visible_at) == set(progress) == set(server.hkeys(keys.entries))
    return {
        id_: (int(progress[id_].split("|")[0]), math.ceil((at - now_ms) / 1000))
        for id_, at in visible_at.items()
    }


def milliseconds(server: Server) -> int:
    seconds, micros = server.time()
    return int(seconds * 1000 + micros // 1000)


def calls(server: Server, command: str) -> int:
    return int(server.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


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


def test_a_dead_letter_tells_where_it_came_from_and_why(valkey: str, queue: RedisQueue):
    queue.send("poison", attributes={"tenant": "demo"})
    for reason in ("ValueError: no amount", "StoreUnavailable: no answer"):
        queue.release(queue.receive()[0].receipt_handle, after_s=0, reason=reason)
    queue.receive()

    (dead,) = RedisQueue("orders-dlq", redis_url=valkey).receive()
    assert dead.attributes == {
        "tenant": "demo",
        "DeadLetterSource": "orders",
        "DeadLetterReason": "received 2 times, last: StoreUnavailable: no answer",
    }


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


def test_one_send_wakes_one_of_the_waiting_receivers(server: Server, valkey: str):
    receivers = [orders(valkey) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        pending = [pool.submit(receiver.receive, wait_s=20) for receiver in receivers]
        wait_until(lambda: server.info("clients")["blocked_clients"] == 3)
        scripts_before = calls(server, "evalsha")
        receivers[0].send("a")
        wait_until(lambda: any(each.done() for each in pending))

        assert server.info("clients")["blocked_clients"] == 2
        assert calls(server, "evalsha") == scripts_before + 2
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
    before = calls(server, "evalsha")
    filled = receiver.receive(wait_s=5)

    assert too_early == []
    assert sorted(message.body for message in filled) == ["a", "b"]
    assert calls(server, "evalsha") == before + 2


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


def test_an_idle_receiver_asks_twice_and_sleeps_between(server: Server, queue: RedisQueue):
    queue.send("a")
    queue.delete([message.receipt_handle for message in queue.receive()])
    before = calls(server, "evalsha")
    queue.receive(wait_s=0.3)

    assert calls(server, "evalsha") == before + 2


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


def test_two_receivers_at_once_never_take_the_same_message(valkey: str):
    orders(valkey).send_batch([str(number) for number in range(400)])

    def drain() -> list[str]:
        queue, taken = orders(valkey), []
        while batch := queue.receive():
            taken += [message.body for message in batch]
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [body for each in [pool.submit(drain) for _ in range(4)] for body in each.result()]
    assert sorted(taken) == sorted(str(number) for number in range(400))


def test_the_age_is_that_of_the_oldest_message(server: Server, queue: RedisQueue):
    put(server, KEYS, {"a": (1, 30)})
    queue.send("b")

    assert 9 <= queue.depth().oldest_age_s < 12


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


def test_the_url_names_the_queue_whatever_stands_before_it():
    queue = connect("http://sqs.local/000000000000/payments/")

    assert isinstance(queue, RedisQueue)
    assert queue.name == "payments"
    assert settings.queue_backend == "redis"


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
