"""Move tasks: dead letters go back once, at their rate, whatever ends the task."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from redis_sqs import Typed
from redis_sqs.moves import Moves, Task, TaskRunning
from redis_sqs.redis_queue import RedisQueue, Traits
from tests.conftest import wait_until
from tests.contract.queue_redis.orders import (
    DEAD,
    KEYS,
    Server,
    milliseconds,
    orders,
    pass_time,
    put,
    state_of,
)

LAYER = Path(__file__).parents[3] / "layers" / "backend" / "python"

pytestmark = pytest.mark.row("3.10")


def moves(url: str, source: str = "orders-dlq", *origins: str) -> Moves:
    return Moves(source, origins or ["orders"], redis_url=url)


def dead_letters(server: Server, url: str, count: int) -> None:
    """Bury so many messages of `orders`."""
    put(server, KEYS, {f"id {number}": (2, -1) for number in range(count)})
    while orders(url).depth().visible:
        orders(url).receive()


def test_dead_letters_go_back_as_new_messages_with_body_and_attributes(server: Server, valkey: str):
    queue = orders(valkey)
    attributes: dict[str, str | Typed] = {
        "tenant": "demo",
        "amount": Typed("Number", "5"),
        "raw": Typed("Binary", b"\x00"),
    }
    old_id = queue.send("a\nb", attributes=attributes)
    for _ in range(2):
        queue.release(queue.receive()[0].receipt_handle, after_s=0, reason="it explodes")
    buried = queue.receive()
    before_ms = milliseconds(server)
    task = moves(valkey).run()

    (again,) = queue.receive()
    assert (task.status, task.moved, task.to_move) == ("COMPLETED", 1, 1)
    assert (again.body, again.attributes, again.system) == ("a\nb", attributes, {})
    assert again.receive_count == 1
    assert again.message_id != old_id
    assert again.moved_from == old_id
    assert buried == []
    assert again.sent_at_ms >= before_ms
    assert state_of(server, DEAD) == {}


def test_each_message_goes_to_the_queue_that_it_came_from(server: Server, valkey: str):
    refunds = RedisQueue("refunds", max_receive_count=1, dead_letter="orders-dlq", redis_url=valkey)
    refunds.send("of refunds")
    refunds.release(refunds.receive()[0].receipt_handle, after_s=0)
    refunds.receive()
    dead_letters(server, valkey, 2)
    task = moves(valkey, "orders-dlq", "orders", "refunds").run()

    assert task.moved == 3
    assert [message.body for message in refunds.receive()] == ["of refunds"]
    assert orders(valkey).depth().visible == 2


def test_a_message_without_a_source_stops_the_task_unless_a_destination_is_named(
    server: Server, valkey: str
):
    dead_letters(server, valkey, 1)
    pass_time(server, "orders-dlq", 1)
    RedisQueue("orders-dlq", redis_url=valkey).send("sent here by hand")
    stopped = moves(valkey).run()
    named = moves(valkey).run(destination="elsewhere")

    assert (stopped.status, stopped.moved) == ("FAILED", 1)
    assert "name a destination" in stopped.failure
    assert (named.status, named.moved) == ("COMPLETED", 1)
    (message,) = RedisQueue("elsewhere", redis_url=valkey).receive()
    assert message.body == "sent here by hand"


def test_only_chosen_messages_go_back_and_what_is_no_longer_there_is_passed_over(
    server: Server, valkey: str
):
    dead_letters(server, valkey, 30)
    chosen = [f"id {number}" for number in range(12)]
    task = moves(valkey)
    task.start(rate_per_s=100, chosen=[*chosen, "gone"])
    ended = task.do()

    entries = [server.hget(KEYS.entries, id_) for id_ in state_of(server, KEYS)]
    assert (ended.status, ended.moved, ended.to_move) == ("COMPLETED", 12, 13)
    assert {each.partition("\n")[2] for each in entries} == {f"body of {id_}" for id_ in chosen}
    assert set(state_of(server, DEAD)) == {f"id {number}" for number in range(12, 30)}


def test_single_messages_of_a_fifo_queue_are_refused_and_so_are_too_many(valkey: str):
    with pytest.raises(ValueError, match="in their order"):
        moves(valkey, "orders-dlq.fifo", "orders.fifo").start(chosen=["one"])
    with pytest.raises(ValueError, match="at most 1,000"):
        moves(valkey).start(chosen=["one"] * 1_001)
    assert moves(valkey).last() is None


def test_messages_in_flight_stay(server: Server, valkey: str):
    dead_letters(server, valkey, 3)
    in_flight = RedisQueue("orders-dlq", redis_url=valkey).receive(1)
    task = moves(valkey).run()

    assert task.moved == 2
    assert set(state_of(server, DEAD)) == {in_flight[0].message_id}


def test_the_rate_is_kept(server: Server, valkey: str):
    dead_letters(server, valkey, 30)
    started_s = time.monotonic()
    task = moves(valkey).run(rate_per_s=50)

    assert task.moved == 30
    assert 0.5 <= time.monotonic() - started_s < 3


def test_a_second_task_is_refused_while_one_runs_and_a_cancel_stops_it(server: Server, valkey: str):
    dead_letters(server, valkey, 50)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(moves(valkey).run, rate_per_s=10)
        wait_until(lambda: is_running(moves(valkey).last()))
        with pytest.raises(TaskRunning, match="already a task running on orders-dlq"):
            moves(valkey).run()
        canceled = moves(valkey).cancel()
        task = running.result(timeout=5)

    assert canceled
    assert task.status == "CANCELLED"
    assert task.moved < 50
    assert len(state_of(server, KEYS)) == task.moved
    assert len(state_of(server, DEAD)) == 50 - task.moved
    assert not moves(valkey).cancel()
    assert moves(valkey).run().moved == 50 - task.moved


def test_a_start_that_is_repeated_after_a_lost_answer_is_no_second_task(valkey: str):
    task = moves(valkey)

    assert task.start() == task.start()
    with pytest.raises(TaskRunning):
        moves(valkey).start()


def is_running(task: Task | None) -> bool:
    return task is not None and task.status == "RUNNING"


def test_a_task_whose_process_is_killed_loses_and_doubles_nothing(server: Server, valkey: str):
    dead_letters(server, valkey, 200)
    program = (
        "from redis_sqs.moves import Moves\n"
        f"Moves('orders-dlq', ['orders'], redis_url={valkey!r}).run(rate_per_s=100)"
    )
    mover = subprocess.Popen([sys.executable, "-c", program], env={"PYTHONPATH": str(LAYER)})
    wait_until(lambda: server.hget("queue:orders-dlq:move_task", "moved") not in (None, "0"))
    mover.kill()
    mover.wait()
    moved = len(state_of(server, KEYS))
    with pytest.raises(TaskRunning):
        moves(valkey).run()
    server.hincrby("queue:orders-dlq:move_task", "beat_ms", -16_000)
    abandoned = moves(valkey).last()
    rest = moves(valkey).run()

    assert 0 < moved < 200
    assert abandoned is not None
    assert (abandoned.status, abandoned.moved) == ("FAILED", moved)
    assert rest.moved == 200 - moved
    entries = [server.hget(KEYS.entries, id_).partition("\n") for id_ in state_of(server, KEYS)]
    bodies = sorted(body for _, _, body in entries)
    assert bodies == sorted(f"body of id {number}" for number in range(200))


def test_dead_letters_of_a_fifo_queue_go_back_in_their_order(valkey: str):
    queue = RedisQueue(
        "orders.fifo", max_receive_count=1, dead_letter="orders-dlq.fifo", redis_url=valkey
    )
    queue.declare(Traits(deduplicates_content=True))
    for number in range(15):
        queue.send(str(number), group="ab"[number % 2])
    while batch := queue.receive():
        for message in batch:
            queue.release(message.receipt_handle, after_s=0)
    task = moves(valkey, "orders-dlq.fifo", "orders.fifo").run()

    by_group: dict[str, list[int]] = {"a": [], "b": []}
    while batch := queue.receive():
        queue.delete([message.receipt_handle for message in batch])
        for message in batch:
            by_group[message.system["MessageGroupId"]].append(int(message.body))
    assert task.moved == 15
    assert by_group == {"a": list(range(0, 15, 2)), "b": list(range(1, 15, 2))}
    assert RedisQueue("orders-dlq.fifo", redis_url=valkey).depth().visible == 0
