"""While requests wait, one poller of a queue goes on; the others wait, and so do schedules."""

import time

import redis

from local.machine.requests_waiting import NEVER_S
from local.template import Schedule
from local.traces.sampling import Recorder
from queue_workers import slots
from queue_workers.ticker import Ticker
from queue_workers.yield_to_requests import RequestPriority
from tests.contract.queue_redis.orders import KEYS, put
from tests.integration.queue_workers.poller.site import CALM_S, FUNCTION, PollerSite, counts

TURN = "turn-orders"


def test_one_poller_takes_messages_while_requests_wait_and_has_the_turn_to_the_end(
    site: PollerSite,
):
    site.queue.send_batch(['"goes on"'])
    environment = site.environment()
    handled = site.run_once(waited_s=lambda: 0.0)
    invocation = environment.take()

    assert slots.take(site.folder, TURN, 1) is None
    environment.answer(invocation)
    assert handled.result(timeout=5) == 1
    turn = slots.take(site.folder, TURN, 1)
    assert turn is not None
    turn.close()
    environment.close()


def test_messages_stay_where_they_are_while_requests_wait_and_another_has_the_turn(
    site: PollerSite,
):
    site.queue.send_batch(['"stays"'])
    environment = site.environment()
    depths: list[tuple[int, int]] = []

    def waited_s() -> float:
        depths.append(counts(site))
        return 0.0 if len(depths) < 3 else NEVER_S

    with site.turn_of_another():
        handled = site.run_once(waited_s=waited_s)
        environment.answer(environment.take())

        assert handled.result(timeout=5) == 1
    assert depths == [(1, 0)] * 3
    environment.close()


def test_a_turn_is_taken_only_once_no_request_has_waited_for_a_breath(site: PollerSite):
    site.queue.send_batch(['"stays"'])
    environment = site.environment()
    ago_s = [0.0, 0.004, 0.006]  # beyond CALM_S all would go on
    handled = site.run_once(waited_s=lambda: ago_s.pop(0), breath_s=0.005)
    environment.answer(environment.take())

    assert handled.result(timeout=5) == 1
    assert ago_s == []
    environment.close()


def test_the_turn_of_a_poller_that_has_gone_is_taken_by_another(site: PollerSite):
    site.queue.send_batch(['"goes on"'])
    environment = site.environment()
    turn = site.turn_of_another()
    looks: list[float] = []

    def waited_s() -> float:
        looks.append(time.monotonic())
        if len(looks) == 3:
            turn.close()
        return 0.0

    handled = site.run_once(waited_s=waited_s)
    environment.answer(environment.take())

    assert handled.result(timeout=5) == 1
    assert len(looks) == 3
    environment.close()


def test_a_schedule_waits_while_requests_do(site: PollerSite):
    environment = site.environment()
    looks: list[float] = []

    def waited_s() -> float:
        looks.append(time.monotonic())
        return 0.0 if len(looks) < 3 else NEVER_S

    ticker = Ticker(
        site.invoker,
        Schedule(function=FUNCTION.logical_id, every_s=60, event={}),
        every_s=60,
        stop=site.stop,
        request_priority=RequestPriority(waited_s, site.folder, 60, CALM_S),
        recorder=Recorder(site.spans.extend),
    )
    ran = site.pool.submit(ticker.run_once)
    invocation = environment.take()

    assert len(looks) == 3
    environment.answer(invocation)
    ran.result(timeout=5)
    (span,) = site.spans
    assert span.attributes["faas.trigger"] == "timer"
    assert f";Parent={span.span_id};" in invocation["trace"]
    environment.close()


def test_messages_that_are_too_far_behind_wait_neither_for_requests_nor_for_a_turn(
    site: PollerSite,
):
    site.queue.send_batch(['"has waited"'])
    environment = site.environment()
    with site.turn_of_another():
        handled = site.run_once(waited_s=lambda: 0.0, longest_s=0)
        environment.answer(environment.take())

        assert handled.result(timeout=5) == 1
    environment.close()


def test_what_was_sent_long_ago_and_is_due_only_now_waits_for_requests(site: PollerSite):
    with redis.Redis.from_url(site.url, decode_responses=True) as server:
        put(server, KEYS, {"delayed": (0, -1), "tried again": (1, -1)})  # sent nine seconds ago
    environment = site.environment()
    depths: list[tuple[int, int]] = []

    def waited_s() -> float:
        depths.append(counts(site))
        return 0.0 if len(depths) < 3 else NEVER_S

    with site.turn_of_another():
        handled = site.run_once(waited_s=waited_s, longest_s=8)
        environment.answer(environment.take())

        assert handled.result(timeout=5) == 2
    assert depths == [(2, 0)] * 3
    environment.close()


def test_a_stopping_worker_does_not_wait_for_requests(site: PollerSite):
    site.queue.send_batch(['"stays"'])
    environment = site.environment()

    def waited_s() -> float:
        site.stop.set()
        return 0.0

    with site.turn_of_another():
        assert site.run_once(waited_s=waited_s).result(timeout=5) == 0
    assert counts(site) == (1, 0)
    environment.close()


def test_nothing_is_received_when_the_environment_goes_while_requests_wait(site: PollerSite):
    environment = site.environment()
    site.queue.send("{}")
    handled = site.run_once()
    environment.answer(environment.take())
    assert handled.result() == 1
    site.queue.send("{}")

    def waited_s() -> float:
        environment.close()
        return NEVER_S

    assert site.run_once(waited_s=waited_s).result(timeout=5) == 0
    assert site.queue.receive()[0].receive_count == 1
