"""The event source mapping's translation of messages to an SQS event."""

import hashlib

import pytest

from queue_workers.event import sqs_event
from redis_sqs import Message


def message(**changed: object) -> Message:
    fields: dict[str, object] = {
        "message_id": "a",
        "body": '{"payment_id": "pay_1"}',
        "receipt_handle": "a:2",
        "receive_count": 2,
        "sent_at_ms": 1_795_427_276_123,
        "first_received_at_ms": 1_795_427_276_456,
        "attributes": {},
    }
    return Message(**{**fields, **changed})  # type: ignore[arg-type]


@pytest.mark.row("3.20", "4.1")
def test_a_record_has_the_shape_that_lambda_gives_it():
    event = sqs_event([message()], queue="payments", region="eu-west-1")

    assert event == {
        "Records": [
            {
                "messageId": "a",
                "receiptHandle": "a:2@payments",
                "body": '{"payment_id": "pay_1"}',
                "attributes": {
                    "ApproximateReceiveCount": "2",
                    "SentTimestamp": "1795427276123",
                    "SenderId": "000000000000",
                    "ApproximateFirstReceiveTimestamp": "1795427276456",
                },
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(b'{"payment_id": "pay_1"}').hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:payments",
                "awsRegion": "eu-west-1",
            }
        ]
    }


@pytest.mark.row("3.19", "4.1")
def test_attributes_come_with_their_type_and_the_digest_that_sqs_makes():
    attributes = {"timestamp": "1493147359900", "city": "Any City"}
    (record,) = sqs_event([message(attributes=attributes)], queue="q", region="r")["Records"]

    assert record["messageAttributes"]["city"] == {
        "stringValue": "Any City",
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "String",
    }
    assert (
        record["md5OfMessageAttributes"] == "b230c0935b26019cdd59aa4a8ae06fef"
    )  # as moto computes it
