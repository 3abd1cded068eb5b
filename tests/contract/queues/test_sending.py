"""What is sent: bodies, attributes, sizes, batches."""

import pytest
from moto import mock_aws

from backend.errors import QueueUnavailable
from backend.queues.limits import MESSAGE_BYTES_MAX
from backend.queues.sqs_queue import SqsQueue
from backend.settings import settings
from tests.contract.queues.places import Place, only, total


@pytest.mark.row("3.20")
def test_a_message_arrives_with_its_body_attributes_and_times(place: Place):
    message_id = place.queue.send("settle pay_1 für Zoë", attributes={"traceparent": "00-a-b-01"})

    message = only(place.queue.receive())
    assert message.message_id == message_id
    assert message.body == "settle pay_1 für Zoë"
    assert message.attributes == {"traceparent": "00-a-b-01"}
    assert message.receive_count == 1
    assert 0 < message.sent_at_ms <= message.first_received_at_ms


def test_a_body_may_hold_newlines_and_separators(place: Place):
    place.queue.send("a\nb|c:d\n")

    assert only(place.queue.receive()).body == "a\nb|c:d\n"


@pytest.mark.row("3.2")
def test_a_batch_of_any_size_is_sent_whole_and_answered_in_order(place: Place):
    sent = [f"message {number}" for number in range(23)]
    ids = place.queue.send_batch(sent)
    received: dict[str, str] = {}
    while batch := place.queue.receive():
        received |= {message.message_id: message.body for message in batch}

    assert [received[id_] for id_ in ids] == sent


@pytest.mark.row("3.1", "3.2")
def test_a_batch_may_be_larger_than_one_message_may_be(place: Place):
    ids = place.queue.send_batch([letter * 400_000 for letter in "abcde"])
    received: dict[str, str] = {}
    while batch := place.queue.receive():
        received |= {message.message_id: message.body for message in batch}

    assert "".join(received[id_][0] for id_ in ids) == "abcde"


@pytest.mark.row("3.1", "3.19")
def test_a_message_has_a_mebibyte_for_body_and_attributes(place: Place):
    attributes = {"name": "value"}
    room = MESSAGE_BYTES_MAX - len("nameStringvalue")
    place.queue.send("x" * room, attributes=attributes)

    with pytest.raises(ValueError, match="at most"):
        place.queue.send("x" * (room + 1), attributes=attributes)
    with pytest.raises(ValueError, match="empty"):
        place.queue.send("")
    assert total(place.queue) == 1


@pytest.mark.row("3.12")
def test_a_delayed_message_is_hidden_until_its_time(place: Place):
    place.queue.send("a", delay_s=60)
    place.pass_time(58)
    too_early = place.queue.receive()
    place.pass_time(2)

    assert too_early == []
    assert only(place.queue.receive()).receive_count == 1


@pytest.mark.row("3.12")
@pytest.mark.parametrize("delay_s", [-1, 901])
def test_a_delay_is_at_most_fifteen_minutes(place: Place, delay_s: int):
    with pytest.raises(ValueError, match="delay_s"):
        place.queue.send("a", delay_s=delay_s)


@pytest.mark.row("3.22")
def test_a_queue_that_is_not_there_is_unavailable():
    with mock_aws(), pytest.raises(QueueUnavailable, match="nowhere"):
        SqsQueue(f"https://sqs.{settings.aws_region}.amazonaws.com/123456789012/nowhere").send("a")
