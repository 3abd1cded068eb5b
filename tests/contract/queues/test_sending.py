"""Sends: bodies, attributes, sizes, batches."""

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from backend.settings import settings
from redis_sqs import QueueUnavailable, Typed
from redis_sqs.breaker import CALLS_MIN
from redis_sqs.limits import MESSAGE_BYTES_MAX
from redis_sqs.sqs_queue import SqsQueue
from tests.conftest import free_port
from tests.contract.queues.places import Place, only, total

NOWHERE = "eu-nowhere-1"  # a region has a breaker, which no other test must find open


@pytest.mark.row("3.20")
def test_a_message_arrives_with_its_body_attributes_and_times(place: Place):
    message_id = place.queue.send("settle pay_1 für Zoë", attributes={"traceparent": "00-a-b-01"})

    message = only(place.queue.receive())
    assert message.message_id == message_id
    assert message.body == "settle pay_1 für Zoë"
    assert message.attributes == {"traceparent": "00-a-b-01"}
    assert message.receive_count == 1
    assert 0 < message.sent_at_ms <= message.first_received_at_ms


def test_a_promised_message_arrives_as_any_other(place: Place):
    message_id = place.queue.send("settle pay_1", is_promised=True)
    (batched_id,) = place.queue.send_batch(["settle pay_2"], is_promised=True)
    received: dict[str, str] = {}
    while batch := place.queue.receive():
        received |= {message.message_id: message.body for message in batch}

    assert received == {message_id: "settle pay_1", batched_id: "settle pay_2"}


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


def test_an_sqs_that_never_answers_is_left_alone():
    config = Config(retries={"total_max_attempts": 1}, region_name=NOWHERE)
    nobody = f"http://127.0.0.1:{free_port()}"
    client = boto3.client(
        "sqs",
        endpoint_url=nobody,
        config=config,
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    queue = SqsQueue(f"{nobody}/000000000000/gone", region=NOWHERE, client=client)
    for _ in range(CALLS_MIN):
        with pytest.raises(QueueUnavailable, match="does not answer"):
            queue.send("a")

    with pytest.raises(QueueUnavailable, match="failed too often"):
        queue.send("a")


@pytest.mark.row("3.19")
def test_attributes_keep_their_type(place: Place):
    attributes: dict[str, str | Typed] = {
        "text": "a\nb",
        "amount": Typed("Number", "12.5"),
        "digest": Typed("Binary", b"\x00\xff"),
        "id": Typed("String.uuid", "c0ffee"),
    }
    place.queue.send("a", attributes=attributes)

    assert only(place.queue.receive()).attributes == attributes


@pytest.mark.row("3.19")
@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"tenant": ""}, "must not be empty"),
        ({"tenant": "a\x00"}, "must not hold"),
        ({"AWS.trace": "a"}, "no name"),
        ({"amazon.trace": "a"}, "no name"),
        ({"a..b": "a"}, "no name"),
        ({"n" * 257: "a"}, "no name"),
        ({"a": Typed("Text", "a")}, "no data type"),
        ({"a": Typed("Number", "many")}, "no number"),
        ({"a": Typed("Number", "1" * 900_000 + "x")}, "no number"),
        ({"a": Typed("Number", "\u0661")}, "no number"),
        ({"a": Typed("Binary", "text")}, "bytes are Binary"),
        ({"a": Typed("String", b"bytes")}, "bytes are Binary"),
        ({str(number): "a" for number in range(11)}, "at most 10"),
    ],
)
def test_attributes_that_sqs_refuses_are_refused(
    place: Place, attributes: dict[str, str | Typed], complaint: str
):
    with pytest.raises(ValueError, match=complaint):
        place.queue.send("a", attributes=attributes)


@pytest.mark.row("3.19")
@pytest.mark.parametrize("body", ["", "a\x00", "a\x1f", "a\ufffe"])
def test_a_body_is_text_that_xml_can_hold(place: Place, body: str):
    with pytest.raises(ValueError, match="must not"):
        place.queue.send(body)
    with pytest.raises(ValueError, match="must not"):
        place.queue.send_batch(["good", body])
    assert total(place.queue) == 0


@pytest.mark.row("3.18")
def test_a_group_on_a_standard_queue_is_told_and_locks_nothing(place: Place):
    for body in ("a", "b"):
        place.queue.send(body, group="tenant-1")
    one, two = place.queue.receive(1) + place.queue.receive(1)

    assert {one.body, two.body} == {"a", "b"}
    assert one.system["MessageGroupId"] == "tenant-1"
