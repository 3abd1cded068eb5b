"""One poller on a real Valkey, with an environment whose every move the test makes."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from prometheus_client import CollectorRegistry

from backend.queues.redis_queue import RedisQueue, Traits
from local import frames
from local.gateway.emf import EmbeddedMetrics
from local.gateway.output import FunctionOutput
from local.template import Function, Mapping, Schedule
from queue_workers.courtesy import Courtesy
from queue_workers.invoker import Invoker
from queue_workers.poller import Poller
from queue_workers.ticker import Ticker
from tests.conftest import wait_until

FUNCTION = Function(
    logical_id="OrdersWorker",
    name="OrdersWorker",
    handler="orders.handler",
    code_uri=Path("/nowhere"),
    layers=(),
    timeout_s=2,
    memory_mb=128,
    environment={},
    reserved_concurrency=None,
    environments=1,
)
MAPPING = Mapping(
    queue="Orders",
    function="OrdersWorker",
    batch_size=10,
    window_s=0,
    report_failures=True,
    maximum_concurrency=None,
)


class Environment:
    """The other end of the invoker's socket."""

    def __init__(self, path: Path, function: str = "OrdersWorker") -> None:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(10)
        stream.connect(str(path))
        self._connection = frames.Connection(stream)
        self._connection.send(
            frames.encode({"hello": 1, "function": function, "pid": 1, "init_ms": 1})
        )

    def take(self) -> dict[str, Any]:
        invocation = self._connection.receive()
        assert invocation is not None
        return invocation

    def answer(self, invocation: dict[str, Any], result: object = None) -> None:
        self._connection.send(frames.encode({"id": invocation["id"], "result": result}))

    def close(self) -> None:
        self._connection.close()


class Site:
    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.path = folder / "s"
        self.queue = RedisQueue("orders", redis_url=url)
        metrics = EmbeddedMetrics(CollectorRegistry())
        output = FunctionOutput(folder / "logs", {FUNCTION.logical_id: FUNCTION}, metrics)
        self.invoker = Invoker(FUNCTION, self.path, output)
        self.stop = threading.Event()
        self.pool = ThreadPoolExecutor()

    def run_once(
        self,
        mapping: Mapping = MAPPING,
        *,
        last_waited_s: Callable[[], float] = lambda: 0.0,
        longest_s: float = 60,
    ) -> Future[int]:
        poller = Poller(
            RedisQueue(self.queue.name, redis_url=self.url),
            self.invoker,
            mapping,
            visibility_timeout_s=30,
            stop=self.stop,
            courtesy=Courtesy(last_waited_s, longest_s),
        )
        return self.pool.submit(poller.run_once)

    def environment(self, function: str = "OrdersWorker") -> Environment:
        return Environment(self.path, function)

    def waiting(self) -> bool:
        """Whether the poller is in its long poll."""
        with redis.Redis.from_url(self.url) as server:
            return bool(server.info("clients")["blocked_clients"])


@pytest.fixture
def site(tmp_path: Path, valkey: str) -> Iterator[Site]:
    site = Site(tmp_path, valkey)
    yield site
    site.pool.shutdown()
    site.invoker.close()


def counts(site: Site) -> tuple[int, int]:
    """How many messages are visible and in flight."""
    depth = site.queue.depth()
    return depth.visible, depth.in_flight


def test_nothing_is_received_while_no_environment_is_there(site: Site):
    site.queue.send("{}")
    polled = site.run_once()

    assert polled.result() == 0
    assert site.queue.receive()[0].receive_count == 1


def test_an_environment_of_another_function_is_turned_away(site: Site):
    site.queue.send("{}")
    stranger = site.environment("PaymentsWorker")
    polled = site.run_once()

    assert polled.result() == 0
    assert stranger._connection.receive() is None
    stranger.close()


def test_an_environment_that_went_while_idle_is_replaced_by_the_next(site: Site):
    first = site.environment()
    polled = site.run_once()
    wait_until(site.waiting)
    first.close()
    assert polled.result() == 0
    second = site.environment()
    site.queue.send("{}")
    polled = site.run_once()
    second.answer(second.take())

    assert polled.result() == 1
    assert counts(site) == (0, 0)
    second.close()


def test_an_environment_leaves_when_its_host_has_one_with_newer_code(site: Site):
    """The successor waits to be accepted while its predecessor is still there."""
    old = site.environment()
    site.queue.send("first")
    first = site.run_once()
    old.answer(old.take())
    assert first.result() == 1
    new = site.environment()
    site.queue.send("second")

    second = site.run_once()
    new.answer(new.take())

    assert second.result() == 1
    assert old.take() == {"leave": 1}
    old.close()
    new.close()


def test_a_batch_that_no_environment_took_is_visible_again_at_once(site: Site):
    environment = site.environment()
    polled = site.run_once()
    wait_until(site.waiting)
    environment.close()
    site.queue.send("{}")

    assert polled.result() == 1
    assert counts(site) == (1, 0)


def test_what_arrives_while_stopping_is_handled_because_giving_it_back_costs_a_receive(site: Site):
    environment = site.environment()
    polled = site.run_once()
    wait_until(site.waiting)
    site.stop.set()
    site.queue.send("{}")
    environment.answer(environment.take())

    assert polled.result() == 1
    assert counts(site) == (0, 0)
    environment.close()


@pytest.mark.row("4.3")
def test_a_batch_too_large_for_one_event_is_handled_in_several(site: Site):
    environment = site.environment()
    ids = site.queue.send_batch(["x" * 1_000_000] * 9)
    polled = site.run_once()
    events = []
    for _ in range(2):
        invocation = environment.take()
        assert len(json.dumps(invocation["event"])) < 6_291_556
        events.append([record["messageId"] for record in invocation["event"]["Records"]])
        environment.answer(invocation)

    assert polled.result() == 9
    assert sorted(events[0] + events[1]) == sorted(ids)
    assert counts(site) == (0, 0)
    environment.close()


@pytest.mark.row("4.3", "4.9")
def test_of_a_fifo_batch_in_several_events_nothing_is_handled_after_a_failure(site: Site):
    site.queue = RedisQueue("orders.fifo", redis_url=site.url)
    site.queue.declare(Traits(deduplicates_content=True))
    environment = site.environment()
    site.queue.send_batch([letter * 1_000_000 for letter in "abcdefgh"], group="one")
    polled = site.run_once()
    invocation = environment.take()
    third = invocation["event"]["Records"][2]["messageId"]
    environment.answer(invocation, {"batchItemFailures": [{"itemIdentifier": third}]})

    assert polled.result() == 8
    assert counts(site) == (0, 5)
    environment.close()


def test_an_answer_to_another_event_fails_the_batch(site: Site):
    environment = site.environment()
    site.queue.send("{}")
    polled = site.run_once()
    environment.answer({**environment.take(), "id": "of an earlier event"})

    assert polled.result() == 1
    assert counts(site) == (0, 1)
    environment.close()


@pytest.mark.row("4.4")
def test_without_report_batch_item_failures_any_answer_deletes_all(site: Site):
    environment = site.environment()
    ids = site.queue.send_batch(["{}", "{}"])
    polled = site.run_once(replace(MAPPING, report_failures=False))
    failures = {"batchItemFailures": [{"itemIdentifier": ids[0]}]}
    environment.answer(environment.take(), failures)

    assert polled.result() == 2
    assert counts(site) == (0, 0)
    environment.close()


def test_messages_stay_where_they_are_while_requests_wait(site: Site):
    site.queue.send_batch(['"stays"'])
    environment = site.environment()
    seen: list[tuple[int, int]] = []

    def last_waited_s() -> float:
        seen.append(counts(site))
        return time.time() if len(seen) < 3 else 0

    handled = site.run_once(last_waited_s=last_waited_s)
    environment.answer(environment.take())

    assert handled.result(timeout=5) == 1
    assert seen == [(1, 0)] * 3
    environment.close()


def test_a_schedule_waits_while_requests_do(site: Site):
    environment = site.environment()
    looks = iter([time.time(), time.time(), 0.0])
    ticker = Ticker(
        site.invoker,
        Schedule(function=FUNCTION.logical_id, every_s=60, event={}),
        every_s=60,
        stop=site.stop,
        courtesy=Courtesy(looks.__next__),
    )
    ran = site.pool.submit(ticker.run_once)
    invocation = environment.take()

    assert list(looks) == []
    environment.answer(invocation)
    ran.result(timeout=5)
    environment.close()


def test_messages_that_are_too_far_behind_do_not_wait_for_requests(site: Site):
    site.queue.send_batch(['"has waited"'])
    environment = site.environment()
    handled = site.run_once(last_waited_s=time.time, longest_s=0)
    environment.answer(environment.take())

    assert handled.result(timeout=5) == 1
    environment.close()


def test_a_stopping_worker_does_not_wait_for_requests(site: Site):
    site.queue.send_batch(['"stays"'])
    environment = site.environment()

    def last_waited_s() -> float:
        site.stop.set()
        return time.time()

    assert site.run_once(last_waited_s=last_waited_s).result(timeout=5) == 0
    assert counts(site) == (1, 0)
    environment.close()


def test_nothing_is_received_when_the_environment_goes_while_requests_wait(site: Site):
    environment = site.environment()
    site.queue.send("{}")
    handled = site.run_once()
    environment.answer(environment.take())
    assert handled.result() == 1
    site.queue.send("{}")

    def last_waited_s() -> float:
        environment.close()
        return 0.0

    assert site.run_once(last_waited_s=last_waited_s).result(timeout=5) == 0
    assert site.queue.receive()[0].receive_count == 1


@pytest.mark.row("4.2", "4.3")
def test_a_window_gathers_more_than_one_receive_gives(site: Site):
    environment = site.environment()
    site.queue.send_batch([json.dumps({"n": number}) for number in range(15)])
    polled = site.run_once(replace(MAPPING, batch_size=25, window_s=5))
    wait_until(site.waiting)
    site.queue.send_batch([json.dumps({"n": number}) for number in range(15, 30)])
    invocation = environment.take()
    environment.answer(invocation)

    assert polled.result() == 25
    assert len(invocation["event"]["Records"]) == 25
    assert counts(site) == (5, 0)
    environment.close()


def test_the_event_comes_with_the_deadline_of_the_function(site: Site):
    environment = site.environment()
    site.queue.send("{}")
    polled = site.run_once()
    invocation = environment.take()
    environment.answer(invocation)
    polled.result()

    sent_at_ms = int(invocation["event"]["Records"][0]["attributes"]["SentTimestamp"])
    assert 0 <= invocation["deadline_ms"] - sent_at_ms - FUNCTION.timeout_s * 1000 < 1500
    environment.close()
