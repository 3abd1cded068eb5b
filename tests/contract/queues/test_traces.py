"""Traces of messages that are sent together; moto passes over those of a batch."""

import os

import pytest

from tests.contract.queues.places import Place

TRACING = ["ministack"] if "QUEUE_CLOCK" in os.environ else ["valkey", "local"]


@pytest.mark.row("3.20")
@pytest.mark.parametrize("place", TRACING, indirect=True)
def test_each_message_of_a_batch_arrives_in_its_own_trace(place: Place):
    traces = [f"Root=1-67891233-{number:024x}" for number in range(12)]
    place.queue.send_batch([str(number) for number in range(12)], traces=[*traces[:11], ""])
    received: dict[str, str | None] = {}
    while batch := place.queue.receive():
        received |= {each.body: each.system.get("AWSTraceHeader") for each in batch}

    arrived = [None] * 11 if "traces" in place.differences else traces[:11]
    assert [received[str(number)] for number in range(12)] == [*arrived, None]
