"""The SQS API in the query protocol: a form in, XML out, for SDKs from before JSON."""

import http.client
import xml.etree.ElementTree as ET
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.integration.gateway_process import GatewayProcess
from tests.integration.sqs_api.places import FAILED, STEPS, URL

Ask = Callable[..., tuple[int, ET.Element]]
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
NAMES = {"": "http://queue.amazonaws.com/doc/2012-11-05/"}
ATTRIBUTES = {
    "MessageAttribute.1.Name": "kind",
    "MessageAttribute.1.Value.DataType": "String",
    "MessageAttribute.1.Value.StringValue": "<job> & co",
    "MessageAttribute.2.Name": "raw",
    "MessageAttribute.2.Value.DataType": "Binary",
    "MessageAttribute.2.Value.BinaryValue": "AP8=",
}


def post(gateway: GatewayProcess, body: str, path: str = "/") -> tuple[int, ET.Element]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.invoke_port, timeout=10)
    connection.request("POST", path, body, FORM)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.headers["Content-Type"] == "text/xml"
    return answer.status, ET.fromstring(text)


@pytest.fixture
def ask(gateway: GatewayProcess, valkey: str) -> Ask:
    def call(action: str, path: str = "/", **fields: object) -> tuple[int, ET.Element]:
        named = {name.replace("_", "."): value for name, value in fields.items()}
        form = {"Action": action, "Version": "2012-11-05", **named}
        return post(gateway, urlencode(form), path)

    return call


def texts(answer: ET.Element, path: str) -> list[str]:
    return [each.text or "" for each in answer.findall(path, NAMES)]


def test_a_message_goes_in_and_comes_out_with_its_attributes(ask, sqs):
    body = "a < b & c\r\nd\t\u00fc"
    _, sent = ask("SendMessage", QueueUrl=URL, MessageBody=body, **ATTRIBUTES)
    (json,) = sqs.receive_message(QueueUrl=URL, MessageAttributeNames=["All"], VisibilityTimeout=0)[
        "Messages"
    ]
    _, received = ask(
        "ReceiveMessage",
        QueueUrl=URL,
        MaxNumberOfMessages=10,
        VisibilityTimeout=60,
        AttributeName_1="ApproximateReceiveCount",
        MessageAttributeName_1="All",
    )

    assert texts(sent, ".//MessageId") == [json["MessageId"]]
    assert texts(received, "ReceiveMessageResult/Message/Body") == [json["Body"]] == [body]
    assert texts(received, ".//Attribute/Value") == ["2"]
    assert texts(received, ".//MessageAttribute/Name") == ["kind", "raw"]
    assert texts(received, ".//MessageAttribute/Value/StringValue") == ["<job> & co"]
    assert texts(received, ".//MessageAttribute/Value/BinaryValue") == ["AP8="]
    for digests in (sent, received):
        assert texts(digests, ".//MD5OfMessageAttributes") == [json["MD5OfMessageAttributes"]]


def test_a_batch_tells_what_succeeded_and_what_failed(ask):
    _, answer = ask(
        "SendMessageBatch",
        QueueUrl=STEPS,
        SendMessageBatchRequestEntry_1_Id="a",
        SendMessageBatchRequestEntry_1_MessageBody="one",
        SendMessageBatchRequestEntry_1_MessageGroupId="g",
        SendMessageBatchRequestEntry_1_MessageDeduplicationId="1",
        SendMessageBatchRequestEntry_2_Id="b",
        SendMessageBatchRequestEntry_2_MessageBody="two",
        SendMessageBatchRequestEntry_2_MessageGroupId="no group",
        SendMessageBatchRequestEntry_2_MessageDeduplicationId="2",
    )

    assert texts(answer, ".//SendMessageBatchResultEntry/Id") == ["a"]
    assert texts(answer, ".//BatchResultErrorEntry/Id") == ["b"]
    assert texts(answer, ".//BatchResultErrorEntry/SenderFault") == ["true"]


def test_a_message_is_hidden_deleted_and_counted(ask):
    ask("SendMessage", QueueUrl=URL, MessageBody="a")
    _, received = ask("ReceiveMessage", path="/000000000000/jobs")
    (handle,) = texts(received, ".//ReceiptHandle")
    assert ask("ChangeMessageVisibility", QueueUrl=URL, ReceiptHandle=handle, VisibilityTimeout=9)
    status, deleted = ask("DeleteMessage", QueueUrl=URL, ReceiptHandle=handle)
    _, counted = ask("GetQueueAttributes", QueueUrl=URL, AttributeName_1="All")

    numbers = dict(zip(texts(counted, ".//Name"), texts(counted, ".//Value"), strict=True))
    assert (status, deleted.tag.rpartition("}")[2]) == (200, "DeleteMessageResponse")
    assert numbers["ApproximateNumberOfMessagesNotVisible"] == "0"
    assert numbers["VisibilityTimeout"] == "45"


@pytest.mark.parametrize(
    ("action", "fields", "element", "values"),
    [
        ("ListQueues", {"QueueNamePrefix": "jo"}, "QueueUrl", [URL]),
        ("GetQueueUrl", {"QueueName": "jobs"}, "QueueUrl", [URL]),
        ("ListDeadLetterSourceQueues", {"QueueUrl": FAILED}, "QueueUrl", [URL]),
        ("ReceiveMessage", {"QueueUrl": URL}, "Message", []),
    ],
)
def test_lists_and_values_come_under_the_names_of_the_protocol(
    ask, action, fields, element, values
):
    status, answer = ask(action, **fields)

    assert status == 200
    assert answer.find(f"{action}Result", NAMES) is not None
    assert texts(answer, f"{action}Result/{element}") == values


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("Version=2012-11-05", "MissingAction"),
        ("Action=", "MissingAction"),
        ("Action=Nothing", "InvalidAction"),
        ("Action=DeleteQueue&QueueUrl=a", "InvalidAction"),
        ("Action=SendMessage&QueueUrl=gone&MessageBody=a", None),
        (f"Action=SendMessage&QueueUrl={URL}", "MissingParameter"),
        (f"Action=SendMessage&QueueUrl={URL}&MessageBody=a&Body=b", "InvalidParameterValue"),
        (f"Action=SendMessage&QueueUrl={URL}&MessageBody=a%0B", "InvalidMessageContents"),
        (f"Action=SendMessage&QueueUrl={URL}&MessageBody=%FF", "MalformedQueryString"),
        (f"Action=SendMessage&QueueUrl={URL}&MessageBody=a&MessageBody=b", "MalformedQueryString"),
        (f"Action=SendMessage&QueueUrl={URL}&MessageBody.1=a", "SerializationException"),
        (f"Action=SendMessage&QueueUrl={URL}&MessageBody.1.2=a&MessageBody.1=b", None),
        (f"Action=ReceiveMessage&QueueUrl={URL}&WaitTimeSeconds=x", "SerializationException"),
        (f"Action=ReceiveMessage&QueueUrl={URL}&WaitTimeSeconds=21", "InvalidParameterValue"),
        (f"Action=ReceiveMessage&QueueUrl={URL}&AttributeName.x=All", "MalformedQueryString"),
        (f"Action=DeleteMessage&QueueUrl={URL}&ReceiptHandle=a", "ReceiptHandleIsInvalid"),
        (f"Action=DeleteMessageBatch&QueueUrl={URL}", "MissingParameter"),
        ("a=1&" * 2000 + "Action=ListQueues", "MalformedQueryString"),
        ("Action=ListQueues&" + "a." * 5000 + "=1", "InvalidParameterValue"),
    ],
    ids=range(19),
)
def test_a_form_that_is_no_call_is_refused_in_xml(gateway, valkey, form, code):
    status, answer = post(gateway, form)
    (shown,) = texts(answer, "Error/Code")

    assert status == 400
    assert shown == (code or shown)
    assert texts(answer, "Error/Type") == ["Sender"]


def test_a_queue_that_is_not_there_has_the_code_of_the_query_protocol(ask):
    _, answer = ask("GetQueueUrl", QueueName="gone")

    assert texts(answer, "Error/Code") == ["AWS.SimpleQueueService.NonExistentQueue"]
