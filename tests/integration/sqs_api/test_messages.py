"""Messages through the SQS API, as boto3 sees them; what queues do is in their contract."""

import hashlib
import json
import threading
import time

import pytest
from botocore.exceptions import ClientError

from tests.integration.sqs_api.places import FAILED, PATIENT, STEPS, URL


def test_a_message_keeps_its_attributes_which_a_receiver_asks_for(sqs):
    attributes = {
        "kind": {"DataType": "String", "StringValue": "job"},
        "kind.of": {"DataType": "Number", "StringValue": "7"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = sqs.send_message(QueueUrl=URL, MessageBody="hello", MessageAttributes=attributes)
    (bare,) = sqs.receive_message(QueueUrl=URL, VisibilityTimeout=0)["Messages"]
    (whole,) = sqs.receive_message(
        QueueUrl=URL,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
        VisibilityTimeout=0,
    )["Messages"]
    (part,) = sqs.receive_message(QueueUrl=URL, MessageAttributeNames=["kind.*"])["Messages"]

    assert (bare["MessageId"], bare["Body"]) == (sent["MessageId"], "hello")
    assert not {"Attributes", "MessageAttributes"} & bare.keys()
    assert whole["MessageAttributes"] == attributes
    assert whole["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert whole["Attributes"] == {"ApproximateReceiveCount": "2"}
    assert part["MessageAttributes"].keys() == {"kind.of"}


def test_an_answer_has_a_message_once_though_it_stays_visible(sqs):
    sent = sqs.send_message(QueueUrl=FAILED, MessageBody="dead")
    answers = [
        sqs.receive_message(QueueUrl=FAILED, MaxNumberOfMessages=5, VisibilityTimeout=0)
        for _ in range(2)
    ]

    assert [[each["MessageId"] for each in answer["Messages"]] for answer in answers] == [
        [sent["MessageId"]],
        [sent["MessageId"]],
    ]


def test_a_queue_that_the_template_makes_may_be_created_again_with_the_same_attributes(sqs):
    policy = json.loads(
        sqs.get_queue_attributes(QueueUrl=URL, AttributeNames=["RedrivePolicy"])["Attributes"][
            "RedrivePolicy"
        ]
    )
    same = {
        "VisibilityTimeout": "45",
        "RedrivePolicy": json.dumps({**policy, "maxReceiveCount": "3"}),
        "SqsManagedSseEnabled": "True",
    }

    assert sqs.create_queue(QueueName="jobs")["QueueUrl"] == URL
    assert sqs.create_queue(QueueName="jobs", Attributes=same)["QueueUrl"] == URL
    fifo = sqs.create_queue(QueueName="steps.fifo", Attributes={"FifoQueue": "true"})
    assert fifo["QueueUrl"] == STEPS


def test_a_queue_that_is_otherwise_or_in_no_template_is_not_created(sqs):
    with pytest.raises(sqs.exceptions.QueueNameExists, match="attribute VisibilityTimeout"):
        sqs.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "46"})
    with pytest.raises(sqs.exceptions.QueueNameExists, match="attribute RedrivePolicy"):
        sqs.create_queue(QueueName="jobs", Attributes={"RedrivePolicy": "[" * 200_000})
    with pytest.raises(ClientError, match="Unknown Attribute Colour"):
        sqs.create_queue(QueueName="jobs", Attributes={"Colour": "red"})
    with pytest.raises(sqs.exceptions.UnsupportedOperation, match="add an AWS::SQS::Queue"):
        sqs.create_queue(QueueName="unknown")


def test_a_queue_tells_its_url_and_its_attributes(sqs):
    sqs.send_message(QueueUrl=URL, MessageBody="waits", DelaySeconds=900)
    attributes = sqs.get_queue_attributes(QueueUrl=URL, AttributeNames=["All"])["Attributes"]

    assert sqs.get_queue_url(QueueName="jobs")["QueueUrl"] == URL
    assert sqs.list_queues(QueueNamePrefix="jo")["QueueUrls"] == [URL]
    assert attributes["VisibilityTimeout"] == "45"
    assert attributes["ApproximateNumberOfMessagesDelayed"] == "1"
    assert sqs.list_dead_letter_source_queues(QueueUrl=FAILED)["queueUrls"] == [URL]
    assert '"maxReceiveCount":3' in attributes["RedrivePolicy"]


def test_all_attributes_of_a_queue_are_what_sqs_lists(sqs):
    standard, fifo = (
        set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"])
        for url in (FAILED, STEPS)
    )

    assert standard == {
        *("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"),
        *("ApproximateNumberOfMessagesNotVisible", "CreatedTimestamp", "DelaySeconds"),
        *("LastModifiedTimestamp", "MaximumMessageSize", "MessageRetentionPeriod", "QueueArn"),
        *("ReceiveMessageWaitTimeSeconds", "SqsManagedSseEnabled", "VisibilityTimeout"),
        "RedriveAllowPolicy",
    }
    assert fifo - standard == {
        *("ContentBasedDeduplication", "DeduplicationScope", "FifoQueue", "FifoThroughputLimit")
    }
    assert "Attributes" not in sqs.get_queue_attributes(
        QueueUrl=URL, AttributeNames=["KmsMasterKeyId"]
    )


def test_a_queue_tells_its_tags_and_whose_dead_letters_it_takes(sqs):
    answer = sqs.get_queue_attributes(QueueUrl=FAILED, AttributeNames=["RedriveAllowPolicy"])

    assert json.loads(answer["Attributes"]["RedriveAllowPolicy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": ["arn:aws:sqs:eu-west-1:000000000000:jobs"],
    }
    assert sqs.list_queue_tags(QueueUrl=FAILED)["Tags"] == {"team": "pay"}
    assert "Tags" not in sqs.list_queue_tags(QueueUrl=URL)


def test_queues_are_listed_in_pages(sqs):
    pages = list(sqs.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 3}))

    assert [len(page["QueueUrls"]) for page in pages] == [3, 1]
    assert len({url for page in pages for url in page["QueueUrls"]}) == 4
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix="none")


@pytest.mark.row("3.3", "3.4")
def test_a_long_poll_waits_for_a_message_and_no_longer_than_asked(sqs):
    started_s = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=URL, WaitTimeSeconds=2)
    assert 2 <= time.monotonic() - started_s < 4

    threading.Timer(1.2, sqs.send_message, kwargs={"QueueUrl": URL, "MessageBody": "a"}).start()
    assert sqs.receive_message(QueueUrl=URL, WaitTimeSeconds=20)["Messages"][0]["Body"] == "a"


@pytest.mark.row("3.2")
def test_a_batch_tells_what_failed_entry_by_entry(sqs):
    entries = [{"Id": "good", "MessageBody": "a"}, {"Id": "bad", "MessageBody": "\x00"}]
    answer = sqs.send_message_batch(QueueUrl=URL, Entries=entries)

    assert [each["Id"] for each in answer["Successful"]] == ["good"]
    assert [(each["Id"], each["SenderFault"]) for each in answer["Failed"]] == [("bad", True)]


@pytest.mark.row("3.4")
def test_a_receive_that_names_no_wait_waits_as_long_as_its_queue_says(sqs):
    threading.Timer(0.3, sqs.send_message, kwargs={"QueueUrl": PATIENT, "MessageBody": "a"}).start()

    assert sqs.receive_message(QueueUrl=PATIENT)["Messages"][0]["Body"] == "a"
    attributes = sqs.get_queue_attributes(QueueUrl=PATIENT, AttributeNames=["All"])["Attributes"]
    assert attributes["ReceiveMessageWaitTimeSeconds"] == "1"


@pytest.mark.row("3.14", "3.20")
def test_a_send_to_a_fifo_queue_tells_the_number_that_its_receiver_sees(sqs):
    one, again, two = (
        sqs.send_message(
            QueueUrl=STEPS, MessageBody="a", MessageGroupId="g", MessageDeduplicationId=id_
        )
        for id_ in ("1", "1", "2")
    )
    received = sqs.receive_message(
        QueueUrl=STEPS, MaxNumberOfMessages=10, MessageSystemAttributeNames=["SequenceNumber"]
    )["Messages"]

    assert (again["MessageId"], again["SequenceNumber"]) == (
        one["MessageId"],
        one["SequenceNumber"],
    )
    assert [message["Attributes"]["SequenceNumber"] for message in received] == [
        one["SequenceNumber"],
        two["SequenceNumber"],
    ]


@pytest.mark.row("3.20")
@pytest.mark.parametrize("url", [URL, STEPS])
def test_a_trace_header_arrives_as_a_system_attribute(sqs, url):
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    fifo = {"MessageGroupId": "g", "MessageDeduplicationId": "1"} if url == STEPS else {}
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody="a",
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": header}},
        **fifo,
    )
    (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]

    assert message["Attributes"]["AWSTraceHeader"] == header
    assert sent["MD5OfMessageSystemAttributes"] == digest("AWSTraceHeader", "String", header)


def digest(name: str, data_type: str, text: str) -> str:
    """Return the digest of one text attribute, as SQS's manual says it is made."""
    parts = [name.encode(), data_type.encode(), text.encode()]
    lengths = [len(part).to_bytes(4, "big") + part for part in parts]
    return hashlib.md5(lengths[0] + lengths[1] + b"\x01" + lengths[2]).hexdigest()


@pytest.mark.row("3.1", "3.2")
def test_a_batch_of_ten_may_have_a_mebibyte_in_all_and_not_a_byte_more(sqs):
    attributes = {"name": {"DataType": "String", "StringValue": "value"}}
    room = 1_048_576 // 10 - len("nameStringvalue")
    entries = [
        {"Id": str(i), "MessageBody": "x" * room, "MessageAttributes": attributes}
        for i in range(10)
    ]
    entries[0]["MessageBody"] = "x" * (room + 1_048_576 % 10)
    answer = sqs.send_message_batch(QueueUrl=URL, Entries=entries)
    entries[1]["MessageBody"] = "x" * (room + 1)
    with pytest.raises(sqs.exceptions.BatchRequestTooLong):
        sqs.send_message_batch(QueueUrl=URL, Entries=entries)

    assert len(answer["Successful"]) == 10
    depth = sqs.get_queue_attributes(QueueUrl=URL, AttributeNames=["All"])["Attributes"]
    assert depth["ApproximateNumberOfMessages"] == "10"


@pytest.mark.row("3.21")
def test_a_queue_is_purged_once_a_minute(sqs):
    sqs.send_message(QueueUrl=URL, MessageBody="a")
    sqs.purge_queue(QueueUrl=URL)
    with pytest.raises(ClientError) as caught:
        sqs.purge_queue(QueueUrl=URL)

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    code = caught.value.response["Error"]["Code"]
    assert code == "AWS.SimpleQueueService.PurgeQueueInProgress"
    assert "Messages" not in sqs.receive_message(QueueUrl=URL)


def test_an_attempt_to_receive_that_is_repeated_gets_the_same_messages(sqs):
    for body in "ab":
        sqs.send_message(
            QueueUrl=STEPS, MessageBody=body, MessageGroupId=body, MessageDeduplicationId=body
        )

    def receive(attempt_id):
        answer = sqs.receive_message(QueueUrl=STEPS, ReceiveRequestAttemptId=attempt_id)
        return [(each["Body"], each["ReceiptHandle"]) for each in answer.get("Messages", [])]

    first, again, other = receive("1"), receive("1"), receive("2")
    sqs.delete_message(QueueUrl=STEPS, ReceiptHandle=first[0][1])

    assert again == first
    assert [body for body, _ in first + other] == ["a", "b"]
    assert receive("1") == []
