"""The event source mapping's translations: messages to an SQS event, an answer to failed ids."""

import hashlib

import pytest

from backend.queues import Message
from queue_workers.event import MalformedResponse, failed_ids, sqs_event

SENT = {"a", "b"}


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
                "receiptHandle": "a:2",
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


@pytest.mark.row("4.6", "4.8")
@pytest.mark.parametrize(
    ("response", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "a"}]}, {"a"}),
    ],
)
def test_an_answer_names_the_messages_that_failed(response: object, failed: set[str]):
    assert failed_ids(response, SENT) == failed


@pytest.mark.row("4.7")
@pytest.mark.parametrize(
    "response",
    [
        "not an object",
        [],
        {"batchItemFailures": {}},
        {"batchItemFailures": ["a"]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"itemIdentifier": 1}]},
        {"batchItemFailures": [{"foo": "a"}]},
        {"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "of another batch"}]},
    ],
)
def test_an_answer_that_aws_does_not_understand_fails_the_batch(response: object):
    with pytest.raises(MalformedResponse):
        failed_ids(response, SENT)
