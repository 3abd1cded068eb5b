"""Requests at the port of AWS's APIs that no careful SDK makes."""

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from tests.conftest import wait_until
from tests.integration.gateway_process import GatewayProcess
from tests.integration.sqs_api.places import URL

Answer = tuple[int, str, str]  # status, the header of the error, body


def post(gateway: GatewayProcess, body: bytes, headers: dict[str, str]) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.invoke_port, timeout=10)
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers.get("x-amzn-query-error", ""), text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1]",
        b'{"QueueUrl": 7}',
        b"not json",
        b'{"QueueUrl"',
        b"[" * 100_000,
        b'{"QueueUrl": "%b", "MessageBody": 7}' % URL.encode(),
        b'{"QueueUrl": "%b", "MessageBody": "\\ud800"}' % URL.encode(),
        b'{"QueueUrl": "%b", "MessageBody": "a", "MessageAttributes": {"a": 1}}' % URL.encode(),
    ],
)
def test_a_body_that_is_no_request_is_a_400(gateway, body):
    status, error, _ = post(gateway, body, {"X-Amz-Target": "AmazonSQS.SendMessage"})

    assert status == 400
    assert error.endswith(";Sender")


@pytest.mark.parametrize(
    ("action", "request_", "code"),
    [
        ("SendMessage", {"QueueUrl": URL, "MessageBody": 7}, "SerializationException"),
        ("SendMessage", {"QueueUrl": URL}, "MissingParameter"),
        ("SendMessage", {"QueueUrl": URL, "MessageBody": None}, "MissingParameter"),
        (
            "SendMessage",
            {"QueueUrl": URL, "MessageBody": "a", "Body": "a"},
            "InvalidParameterValue",
        ),
        ("ReceiveMessage", {"QueueUrl": URL, "WaitTimeSeconds": "1"}, "SerializationException"),
        ("ReceiveMessage", {"QueueUrl": URL, "WaitTimeSeconds": True}, "SerializationException"),
        ("ReceiveMessage", {"QueueUrl": URL, "AttributeNames": "All"}, "SerializationException"),
        ("ListQueues", {"queueNamePrefix": "a"}, "InvalidParameterValue"),
        ("PurgeQueue", {}, "MissingParameter"),
        ("DeleteMessageBatch", {"QueueUrl": URL, "Entries": [{"Id": "a"}]}, "MissingParameter"),
        (
            "ChangeMessageVisibilityBatch",
            {"QueueUrl": URL, "Entries": [{"Id": "a", "ReceiptHandle": "a:1", "Visible": 1}]},
            "InvalidParameterValue",
        ),
    ],
)
def test_a_parameter_that_the_action_has_not_or_not_like_this_is_refused(
    gateway, sqs, action, request_, code
):
    body = json.dumps(request_).encode()
    status, error, text = post(gateway, body, {"X-Amz-Target": f"AmazonSQS.{action}"})

    assert (status, error) == (400, f"{code};Sender"), text


@pytest.mark.parametrize("entries", [7, {}, "ab", [1], [{}], [{"Id": 1}], [{"Id": "a"}]])
def test_entries_that_are_none_are_refused_and_none_is_sent(gateway, sqs, entries):
    body = json.dumps({"QueueUrl": URL, "Entries": entries}).encode()
    status, _, text = post(gateway, body, {"X-Amz-Target": "AmazonSQS.SendMessageBatch"})

    assert status == 400, text
    assert "Messages" not in sqs.receive_message(QueueUrl=URL)


def test_an_action_that_is_none_is_refused_by_name(gateway):
    status, error, text = post(gateway, b"{}", {"X-Amz-Target": "AmazonSQS.SendMassage"})

    assert (status, error) == (400, "InvalidAction;Sender")
    assert "SendMassage is no action of SQS" in text


def test_an_action_that_is_not_emulated_is_refused_by_name(gateway):
    _, error, text = post(gateway, b"{}", {"X-Amz-Target": "AmazonSQS.DeleteQueue"})

    assert error == "InvalidAction;Sender"
    assert "DeleteQueue is not emulated; there are " in text


def test_nobody_looks_at_a_signature(gateway, valkey):
    headers = {
        "X-Amz-Target": "AmazonSQS.SendMessage",
        "Authorization": "AWS4-HMAC-SHA256 Credential=no/one, Signature=00",
    }
    body = json.dumps({"QueueUrl": URL, "MessageBody": "a"}).encode()

    assert post(gateway, body, headers)[0] == 200


def test_long_polls_hold_up_nobody_who_sends(sqs):
    with ThreadPoolExecutor(40) as pool:
        polls = [
            pool.submit(sqs.receive_message, QueueUrl=URL, WaitTimeSeconds=4) for _ in range(40)
        ]
        entries = [{"Id": str(i), "MessageBody": "a"} for i in range(10)]
        for _ in range(4):
            sqs.send_message_batch(QueueUrl=URL, Entries=entries)
        received = [message for poll in polls for message in poll.result().get("Messages", [])]

    assert len(received) == 40


def blocked(url: str) -> bool:
    """Return whether anybody waits for a message."""
    with redis.Redis.from_url(url) as server:
        return bool(server.info("clients")["blocked_clients"])


def test_a_long_poll_whose_caller_has_left_takes_no_message(gateway, sqs, valkey):
    body = json.dumps({"QueueUrl": URL, "WaitTimeSeconds": 20})
    head = (
        "POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.invoke_port)) as caller:
        caller.sendall((head + body).encode())
        wait_until(lambda: blocked(valkey))
    wait_until(lambda: not blocked(valkey))
    sqs.send_message(QueueUrl=URL, MessageBody="a")

    assert len(sqs.receive_message(QueueUrl=URL)["Messages"]) == 1
