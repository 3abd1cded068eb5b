"""The SQS API beside the Invoke API, as boto3 uses it; what queues do is in their contract."""

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.integration.gateway_process import GatewayProcess

URL = "http://sqs.local/000000000000/jobs"
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: jobs
      VisibilityTimeout: 45
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Failed.Arn, maxReceiveCount: 3}
  Failed: {Type: AWS::SQS::Queue, Properties: {QueueName: failed}}
"""


@pytest.fixture(scope="module")
def gateway(
    valkey_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder: Path = tmp_path_factory.mktemp("sqs")
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("REDIS_URL", valkey_server)
        with GatewayProcess(folder, TEMPLATE) as gateway:
            yield gateway


@pytest.fixture
def sqs(gateway: GatewayProcess, valkey: str) -> Any:
    """A client of queues that are empty."""
    return boto3.client(
        "sqs",
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{gateway.invoke_port}",
        aws_access_key_id="any",
        aws_secret_access_key="thing",
    )


def test_a_message_keeps_its_attributes_which_a_receiver_asks_for(sqs):
    given = {
        "kind": {"DataType": "String", "StringValue": "job"},
        "kind.of": {"DataType": "Number", "StringValue": "7"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = sqs.send_message(QueueUrl=URL, MessageBody="hello", MessageAttributes=given)
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
    assert whole["MessageAttributes"] == given
    assert whole["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert whole["Attributes"] == {"ApproximateReceiveCount": "2"}
    assert part["MessageAttributes"].keys() == {"kind.of"}


def test_a_queue_tells_its_url_and_its_attributes(sqs):
    sqs.send_message(QueueUrl=URL, MessageBody="waits", DelaySeconds=900)
    attributes = sqs.get_queue_attributes(QueueUrl=URL, AttributeNames=["All"])["Attributes"]

    assert sqs.get_queue_url(QueueName="jobs")["QueueUrl"] == URL
    assert sqs.list_queues(QueueNamePrefix="jo")["QueueUrls"] == [URL]
    assert attributes["VisibilityTimeout"] == "45"
    assert attributes["ApproximateNumberOfMessagesDelayed"] == "1"
    assert '"maxReceiveCount":3' in attributes["RedrivePolicy"]


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


@pytest.mark.row("3.1", "3.2", "3.3", "3.22")
@pytest.mark.parametrize(
    ("action", "asked", "code"),
    [
        ("get_queue_url", {"QueueName": "other"}, "AWS.SimpleQueueService.NonExistentQueue"),
        ("send_message", {"QueueUrl": URL, "MessageBody": "\x00"}, "InvalidParameterValue"),
        ("receive_message", {"QueueUrl": URL, "WaitTimeSeconds": 21}, "InvalidParameterValue"),
        ("receive_message", {"QueueUrl": URL, "MaxNumberOfMessages": 11}, "InvalidParameterValue"),
        (
            "send_message_batch",
            {"QueueUrl": URL, "Entries": [{"Id": str(i), "MessageBody": "a"} for i in range(11)]},
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        ),
        (
            "send_message_batch",
            {"QueueUrl": URL, "Entries": [{"Id": "same", "MessageBody": "a"}] * 2},
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        ),
        (
            "send_message_batch",
            {"QueueUrl": URL, "Entries": [{"Id": i, "MessageBody": "a" * 600_000} for i in "ab"]},
            "AWS.SimpleQueueService.BatchRequestTooLong",
        ),
        ("tag_queue", {"QueueUrl": URL, "Tags": {}}, "InvalidAction"),
    ],
)
def test_what_cannot_be_done_is_refused_as_sqs_words_it(sqs, action, asked, code):
    with pytest.raises(ClientError) as caught:
        getattr(sqs, action)(**asked)

    assert caught.value.response["Error"]["Code"] == code


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


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"QueueUrl": 7}', b"not json", b'{"QueueUrl"'])
def test_a_body_that_is_no_request_is_a_400(gateway, body):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.invoke_port, timeout=10)
    connection.request("POST", "/", body, {"X-Amz-Target": "AmazonSQS.SendMessage"})
    answer = connection.getresponse()
    answer.read()
    connection.close()

    assert answer.status == 400
    assert answer.headers["x-amzn-query-error"].endswith(";Sender")
