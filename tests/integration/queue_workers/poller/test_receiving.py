"""The receives of a poller: how many messages, when, and for which environment."""

import json
import logging
from dataclasses import replace

import pytest

from redis_sqs.moves import Moves
from redis_sqs.redis_queue import RedisQueue
from tests.conftest import wait_until
from tests.integration.queue_workers.poller.site import FUNCTION, MAPPING, PollerSite, counts


def test_nothing_is_received_while_no_environment_is_there(site: PollerSite):
    site.queue.send("{}")
    polled = site.run_once()

    assert polled.result() == 0
    assert site.queue.receive()[0].receive_count == 1


def test_an_environment_of_another_function_is_turned_away(site: PollerSite):
    site.queue.send("{}")
    stranger = site.environment("PaymentsWorker")
    polled = site.run_once()

    assert polled.result() == 0
    assert stranger._connection.receive() is None
    stranger.close()


def test_an_environment_that_went_while_idle_is_replaced_by_the_next(site: PollerSite):
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


def test_an_environment_leaves_when_its_host_has_one_with_newer_code(site: PollerSite):
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


def test_a_batch_that_no_environment_took_is_visible_again_at_once(site: PollerSite):
    environment = site.environment()
    polled = site.run_once()
    wait_until(site.waiting)
    environment.close()
    site.queue.send("{}")

    assert polled.result() == 1
    assert counts(site) == (1, 0)


def test_what_arrives_while_stopping_is_handled_because_giving_it_back_costs_a_receive(
    site: PollerSite,
):
    environment = site.environment()
    polled = site.run_once()
    wait_until(site.waiting)
    site.stop.set()
    site.queue.send("{}")
    environment.answer(environment.take())

    assert polled.result() == 1
    assert counts(site) == (0, 0)
    environment.close()


@pytest.mark.row("4.2")
def test_a_batch_of_more_than_ten_comes_in_one_receive(site: PollerSite):
    environment = site.environment()
    site.queue.send_batch([json.dumps({"n": number}) for number in range(60)])
    polled = site.run_once(replace(MAPPING, batch_size=50))
    environment.answer(environment.take())

    assert polled.result() == 50
    assert counts(site) == (10, 0)
    environment.close()


@pytest.mark.row("4.2", "4.3")
def test_a_window_gathers_more_than_one_receive_gives(site: PollerSite):
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


def test_the_event_comes_with_the_deadline_of_the_function(site: PollerSite):
    environment = site.environment()
    site.queue.send("{}")
    polled = site.run_once()
    invocation = environment.take()
    environment.answer(invocation)
    polled.result()

    sent_at_ms = int(invocation["event"]["Records"][0]["attributes"]["SentTimestamp"])
    assert 0 <= invocation["deadline_ms"] - sent_at_ms - FUNCTION.timeout_s * 1000 < 1500
    environment.close()


def test_a_message_that_comes_back_from_the_dead_is_told_with_its_id_there(
    site: PollerSite, caplog: pytest.LogCaptureFixture
):
    orders = RedisQueue("orders", max_receive_count=1, dead_letter="orders-dlq", redis_url=site.url)
    old_id = orders.send("{}")
    orders.release(orders.receive()[0].receipt_handle, after_s=0)
    orders.receive()
    Moves("orders-dlq", ["orders"], redis_url=site.url).run()
    environment = site.environment()
    with caplog.at_level(logging.INFO, "queue_workers.poller"):
        polled = site.run_once()
        invocation = environment.take()
        environment.answer(invocation)
        polled.result()
    environment.close()

    new_id = invocation["event"]["Records"][0]["messageId"]
    moved = f"message {new_id} was moved from a dead-letter queue, where it was {old_id}"
    assert f"queue orders: {moved}" in caplog.messages
    assert "MovedFrom" not in json.dumps(invocation["event"])
