"""Receives: how many messages, how long waited for, for how long hidden; and the depth."""

import threading

import pytest

from redis_sqs import Message
from tests.contract.queues.places import (
    RETENTION_S,
    VISIBILITY_TIMEOUT_S,
    Place,
    bodies,
    only,
    total,
)


@pytest.mark.row("3.3")
def test_an_empty_queue_gives_nothing(place: Place):
    assert place.queue.receive() == []


@pytest.mark.row("3.5")
def test_a_received_message_is_hidden_from_others(place: Place):
    place.queue.send("a")
    place.queue.receive()

    assert place.queue.receive() == []


@pytest.mark.row("3.5", "3.6")
def test_a_message_comes_back_after_its_visibility_timeout_and_not_before(place: Place):
    message_id = place.queue.send("a")
    first = only(place.queue.receive())
    place.pass_time(VISIBILITY_TIMEOUT_S - 2)
    too_early = place.queue.receive()
    place.pass_time(2)
    second = only(place.queue.receive())

    assert too_early == []
    assert second.message_id == message_id
    assert second.receive_count == 2
    assert second.receipt_handle != first.receipt_handle
    assert second.first_received_at_ms == first.first_received_at_ms


@pytest.mark.row("3.3")
def test_a_receive_gives_at_most_what_was_asked_for(place: Place):
    place.queue.send_batch([str(number) for number in range(25)])
    ten, three = place.queue.receive(), place.queue.receive(3)

    assert (len(ten), len(three)) == (10, 3)
    assert bodies(ten).isdisjoint(bodies(three))


@pytest.mark.row("3.3")
@pytest.mark.parametrize("most", [0, 11])
def test_a_receive_takes_one_to_ten(place: Place, most: int):
    with pytest.raises(ValueError, match="max_messages"):
        place.queue.receive(most)


@pytest.mark.row("3.3")
@pytest.mark.parametrize("wait_s", [-1, 20.1])
def test_a_receive_waits_up_to_twenty_seconds(place: Place, wait_s: float):
    with pytest.raises(ValueError, match="wait_s"):
        place.queue.receive(wait_s=wait_s)


@pytest.mark.row("3.4")
def test_a_waiting_receiver_gets_a_message_when_it_is_sent(place: Place):
    received: list[Message] = []
    receiver = threading.Thread(target=lambda: received.extend(place.queue.receive(wait_s=10)))
    receiver.start()
    place.queue.send("a")
    receiver.join(timeout=5)

    assert bodies(received) == {"a"}


@pytest.mark.row("3.11")
def test_a_message_past_its_retention_is_gone_and_counts_as_no_failure(place: Place):
    place.queue.send("old")
    place.pass_time(RETENTION_S + 1)
    place.queue.send("new")
    received = bodies(place.queue.receive())
    if "expired in batch" in place.differences:
        assert received == set()
        received = bodies(place.queue.receive())

    assert received == {"new"}
    assert total(place.dead_letters) == 0


def test_the_depth_tells_visible_delayed_and_in_flight_apart(place: Place):
    place.queue.send_batch(["a", "b", "c"])
    place.queue.send("d", delay_s=60)
    place.queue.receive(1)

    depth = place.queue.depth()
    assert (depth.visible, depth.delayed, depth.in_flight) == (2, 1, 1)
