"""The refusals of the SQS API, in SQS's words."""

import pytest
from botocore.exceptions import ClientError

from tests.integration.sqs_api.places import FAILED, STEPS, URL

NO_HANDLE = "ReceiptHandleIsInvalid"


@pytest.mark.row("3.1", "3.2", "3.3", "3.6", "3.12", "3.15", "3.19", "3.22")
@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("get_queue_url", {"QueueName": "other"}, "AWS.SimpleQueueService.NonExistentQueue"),
        ("send_message", {"QueueUrl": URL, "MessageBody": "\x00"}, "InvalidMessageContents"),
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
        (
            "send_message_batch",
            {"QueueUrl": URL, "Entries": [{"Id": "a b", "MessageBody": "a"}]},
            "AWS.SimpleQueueService.InvalidBatchEntryId",
        ),
        (
            "delete_message_batch",
            {"QueueUrl": URL, "Entries": []},
            "AWS.SimpleQueueService.EmptyBatchRequest",
        ),
        (
            "delete_message",
            {"QueueUrl": f"{URL}s", "ReceiptHandle": "a:1"},
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        ("receive_message", {"QueueUrl": URL, "MaxNumberOfMessages": 0}, "InvalidParameterValue"),
        (
            "receive_message",
            {"QueueUrl": URL, "VisibilityTimeout": 43_201},
            "InvalidParameterValue",
        ),
        ("delete_message", {"QueueUrl": URL, "ReceiptHandle": "a"}, "ReceiptHandleIsInvalid"),
        (
            "change_message_visibility",
            {"QueueUrl": URL, "ReceiptHandle": "gone:1", "VisibilityTimeout": 0},
            "InvalidParameterValue",
        ),
        ("send_message", {"QueueUrl": URL, "MessageBody": ""}, "MissingParameter"),
        (
            "send_message",
            {"QueueUrl": URL, "MessageBody": "a", "DelaySeconds": 901},
            "InvalidParameterValue",
        ),
        (
            "send_message",
            {"QueueUrl": URL, "MessageBody": "a", "MessageDeduplicationId": "1"},
            "InvalidParameterValue",
        ),
        ("send_message", {"QueueUrl": STEPS, "MessageBody": "a"}, "MissingParameter"),
        (
            "send_message",
            {"QueueUrl": STEPS, "MessageBody": "a", "MessageGroupId": "g"},
            "InvalidParameterValue",
        ),
        (
            "send_message",
            {
                "QueueUrl": URL,
                "MessageBody": "a",
                "MessageSystemAttributes": {
                    "SenderId": {"DataType": "String", "StringValue": "me"}
                },
            },
            "InvalidParameterValue",
        ),
        ("send_message", {"QueueUrl": URL, "MessageBody": "a\ufffe"}, "InvalidMessageContents"),
        (
            "send_message",
            {"QueueUrl": URL, "MessageBody": "a", "MessageGroupId": "a b"},
            "InvalidParameterValue",
        ),
        (
            "send_message",
            {"QueueUrl": STEPS, "MessageBody": "a", "MessageGroupId": "g", "DelaySeconds": 1},
            "InvalidParameterValue",
        ),
        (
            "get_queue_attributes",
            {"QueueUrl": URL, "AttributeNames": ["ApproximateNumberOfMessagesVisible"]},
            "InvalidAttributeName",
        ),
        (
            "receive_message",
            {"QueueUrl": URL, "MessageSystemAttributeNames": ["Sender"]},
            "InvalidAttributeName",
        ),
        ("receive_message", {"QueueUrl": URL, "AttributeNames": ["x"]}, "InvalidAttributeName"),
        (
            "receive_message",
            {"QueueUrl": URL, "ReceiveRequestAttemptId": "1"},
            "InvalidParameterValue",
        ),
        (
            "get_queue_url",
            {"QueueName": "jobs", "QueueOwnerAWSAccountId": "111111111111"},
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        ("list_queues", {"MaxResults": 0}, "InvalidParameterValue"),
        ("list_queues", {"NextToken": "no", "MaxResults": 1}, "InvalidParameterValue"),
        ("tag_queue", {"QueueUrl": URL, "Tags": {}}, "InvalidAction"),
        ("delete_message", {"QueueUrl": URL, "ReceiptHandle": "a:1@steps.fifo"}, NO_HANDLE),
        ("delete_message", {"QueueUrl": URL, "ReceiptHandle": "a:\u0661"}, NO_HANDLE),
    ],
)
def test_what_cannot_be_done_is_refused_as_sqs_words_it(sqs, action, parameters, code):
    with pytest.raises(ClientError) as caught:
        getattr(sqs, action)(**parameters)

    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.row("3.6")
def test_an_expired_handle_of_a_fifo_queue_is_refused_alone_and_in_a_batch(sqs):
    for group in "ab":
        sqs.send_message(
            QueueUrl=STEPS, MessageBody=group, MessageGroupId=group, MessageDeduplicationId=group
        )
    (expired,) = sqs.receive_message(QueueUrl=STEPS, VisibilityTimeout=0)["Messages"]
    messages = sqs.receive_message(QueueUrl=STEPS, MaxNumberOfMessages=10)["Messages"]
    with pytest.raises(ClientError, match=r"The receipt handle has expired\.") as caught:
        sqs.delete_message(QueueUrl=STEPS, ReceiptHandle=expired["ReceiptHandle"])
    answer = sqs.delete_message_batch(
        QueueUrl=STEPS,
        Entries=[
            {"Id": str(i), "ReceiptHandle": message["ReceiptHandle"]}
            for i, message in enumerate([expired, *messages])
        ],
    )

    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert [each["Id"] for each in answer["Successful"]] == ["1", "2"]
    assert [(each["Id"], each["Code"], each["SenderFault"]) for each in answer["Failed"]] == [
        ("0", "InvalidParameterValue", True)
    ]


def attribute(**value: object) -> dict[str, object]:
    return {"QueueUrl": URL, "MessageBody": "a", "MessageAttributes": {"name": value}}


@pytest.mark.row("3.19")
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"DataType": "String", "StringValue": "\x0b"}, "InvalidParameterValue"),
        ({"DataType": "String"}, "InvalidParameterValue"),
        ({"DataType": "String", "BinaryValue": b"a"}, "InvalidParameterValue"),
        ({"DataType": "Binary", "StringValue": "a"}, "InvalidParameterValue"),
        ({"DataType": "Binary", "StringValue": "a", "BinaryValue": b"a"}, "InvalidParameterValue"),
        ({"DataType": "Boolean", "StringValue": "true"}, "InvalidParameterValue"),
        ({"DataType": "Number", "StringValue": "one"}, "InvalidParameterValue"),
        (
            {"DataType": "String", "StringValue": "a", "StringListValues": ["a"]},
            "AWS.SimpleQueueService.UnsupportedOperation",
        ),
    ],
)
def test_an_attribute_that_cannot_be_sent_is_refused_alone_and_in_a_batch(sqs, value, code):
    request = attribute(**value)
    with pytest.raises(ClientError) as caught:
        sqs.send_message(**request)
    entry = {"Id": "a", "MessageBody": "a", "MessageAttributes": request["MessageAttributes"]}
    (failed,) = sqs.send_message_batch(QueueUrl=URL, Entries=[entry])["Failed"]

    assert caught.value.response["Error"]["Code"] == failed["Code"] == code


@pytest.mark.row("3.5")
def test_a_message_that_is_visible_again_is_not_in_flight(sqs):
    sqs.send_message(QueueUrl=URL, MessageBody="a")
    (message,) = sqs.receive_message(QueueUrl=URL, VisibilityTimeout=0)["Messages"]
    parameters = {"ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 60}
    with pytest.raises(sqs.exceptions.MessageNotInflight):
        sqs.change_message_visibility(QueueUrl=URL, **parameters)
    (failed,) = sqs.change_message_visibility_batch(
        QueueUrl=URL, Entries=[{"Id": "a", **parameters}]
    )["Failed"]

    assert failed["Code"].endswith("MessageNotInflight")
    assert len(sqs.receive_message(QueueUrl=URL)["Messages"]) == 1


@pytest.mark.row("3.6")
def test_a_handle_of_another_queue_is_none_and_hides_or_deletes_nothing(sqs):
    sqs.send_message(QueueUrl=URL, MessageBody="a")
    (message,) = sqs.receive_message(QueueUrl=URL, VisibilityTimeout=0)["Messages"]
    handle = message["ReceiptHandle"]
    entries = [{"Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": 60}]
    answer = sqs.change_message_visibility_batch(QueueUrl=FAILED, Entries=entries)
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=FAILED, ReceiptHandle=handle)

    assert [each["Code"] for each in answer["Failed"]] == [NO_HANDLE]
    assert len(sqs.receive_message(QueueUrl=URL)["Messages"]) == 1


@pytest.mark.row("3.5")
def test_an_entry_without_a_visibility_timeout_fails_alone(sqs):
    sqs.send_message(QueueUrl=URL, MessageBody="a")
    (message,) = sqs.receive_message(QueueUrl=URL)["Messages"]
    handle = message["ReceiptHandle"]
    answer = sqs.change_message_visibility_batch(
        QueueUrl=URL,
        Entries=[
            {"Id": "a", "ReceiptHandle": handle},
            {"Id": "b", "ReceiptHandle": handle, "VisibilityTimeout": 60},
        ],
    )

    assert [(each["Id"], each["Code"]) for each in answer["Failed"]] == [("a", "MissingParameter")]
    assert [each["Id"] for each in answer["Successful"]] == ["b"]


@pytest.mark.row("3.15")
@pytest.mark.parametrize("lacking", ["MessageGroupId", "MessageDeduplicationId"])
def test_a_batch_of_which_one_entry_lacks_its_order_sends_nothing(sqs, lacking):
    whole = {"MessageBody": "a", "MessageGroupId": "g", "MessageDeduplicationId": lacking}
    part = {name: value for name, value in whole.items() if name != lacking}
    with pytest.raises(ClientError) as caught:
        sqs.send_message_batch(QueueUrl=STEPS, Entries=[{"Id": "1", **whole}, {"Id": "2", **part}])

    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert "Messages" not in sqs.receive_message(QueueUrl=STEPS)


@pytest.mark.row("3.1", "3.3", "3.12", "3.15", "3.19")
@pytest.mark.parametrize(
    ("action", "parameters", "sentence"),
    [
        (
            "send_message",
            {"QueueUrl": URL, "MessageBody": "a" * 1_048_577},
            "One or more parameters are invalid. Reason: Message must be shorter than"
            " 1048576 bytes.",
        ),
        (
            "receive_message",
            {"QueueUrl": URL, "MaxNumberOfMessages": 11},
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and"
            " 10, if provided.",
        ),
        (
            "receive_message",
            {"QueueUrl": URL, "WaitTimeSeconds": -1},
            "Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if"
            " provided.",
        ),
        (
            "send_message",
            {"QueueUrl": STEPS, "MessageBody": "a", "MessageGroupId": "g", "DelaySeconds": 2},
            "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter"
            " that is not valid for this queue type.",
        ),
        (
            "send_message",
            {"QueueUrl": STEPS, "MessageBody": "a", "MessageGroupId": "g"},
            "The queue should either have ContentBasedDeduplication enabled or"
            " MessageDeduplicationId provided explicitly",
        ),
        (
            "send_message",
            {"QueueUrl": URL, "MessageBody": "a", "MessageGroupId": ""},
            "Value  for parameter MessageGroupId is invalid. Reason: MessageGroupId can only"
            " include alphanumeric and punctuation characters. 1 to 128 in length.",
        ),
        (
            "send_message",
            {
                "QueueUrl": URL,
                "MessageBody": "a",
                "MessageAttributes": {"Details": {"DataType": "String", "StringValue": ""}},
            },
            "Message (user) attribute 'Details' must contain a non-empty value of type 'String'.",
        ),
    ],
)
def test_a_refusal_has_the_sentence_that_aws_was_recorded_with(sqs, action, parameters, sentence):
    with pytest.raises(ClientError) as caught:
        getattr(sqs, action)(**parameters)

    assert caught.value.response["Error"]["Message"] == sentence
