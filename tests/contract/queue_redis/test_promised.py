"""Promised messages: nobody waits for the server's answer, and it is read before the next call."""

import logging
import time

import pytest

from redis_sqs.redis_queue import RedisQueue
from tests.contract.queue_redis.orders import Server, orders

PAUSE_S = 0.5


def test_a_promised_message_is_sent_without_waiting_for_a_server_that_is_busy(
    server: Server, queue: RedisQueue
):
    queue.send("first")
    server.client_pause(round(PAUSE_S * 1000))
    began_s = time.monotonic()
    queue.send("second", is_promised=True)

    assert time.monotonic() - began_s < PAUSE_S / 2
    assert [each.body for each in queue.receive(wait_s=5)] == ["first", "second"]


def test_what_a_full_queue_did_not_take_is_logged_and_keeps_nobody_from_going_on(
    valkey: str, caplog: pytest.LogCaptureFixture
):
    queue = orders(valkey, depth_max=1)
    queue.send_batch(["taken"], is_promised=True)
    queue.send_batch(["one too many"], is_promised=True)
    with caplog.at_level(logging.WARNING):
        bodies = [each.body for each in queue.receive()]

    assert bodies == ["taken"]
    assert [vars(each)["script"] for each in caplog.records] == ["send"]
