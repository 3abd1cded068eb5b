"""The delivery of what services tell: to functions by the Invoke API, to queues by SQS's."""

import http.client
import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from local.services import topic_mails
from local.template.intrinsics import ACCOUNT_ID, QUEUE_URL, REGION
from local.template.stack_checks import BY_MAIL

log = logging.getLogger(__name__)

ANSWER_MAX_S = 930.0  # a function may take 15 minutes
GATEWAY_WAIT_S = 20.0  # services run before the gateway does
PAUSE_S = 0.2
WAITS_S = 5  # of a receive without a message
_SIGNED = f"AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/{{}}/aws4_request"


class Undelivered(Exception):
    """The gateway does not answer, or refuses; the message has the reason."""


class Delivery:
    """Calls of the functions and queues of the machine, at the gateway's port of AWS's APIs."""

    def __init__(self, gateway: str) -> None:
        self._address = urlsplit(gateway)

    def invoke(self, function: str, event: Any) -> tuple[Any, bool]:
        """Give a function an event; return its answer, and whether it is an error."""
        status, headers, body = self._post(
            f"/2015-03-31/functions/{quote(function, safe='')}/invocations",
            json.dumps(event, ensure_ascii=False).encode(),
            {"X-Amz-Invocation-Type": "RequestResponse"},
        )
        answer = json.loads(body or b"null")
        if status >= 400:
            raise Undelivered(f"{function} answers {status}: {answer}")
        return answer, "x-amz-function-error" in headers

    def tell(self, function: str, event: Any) -> None:
        """Give a function an asynchronous event."""
        status, _, body = self._post(
            f"/2015-03-31/functions/{quote(function, safe='')}/invocations",
            json.dumps(as_lambda_has_it(event), ensure_ascii=False).encode(),
            {"X-Amz-Invocation-Type": "Event"},
        )
        if status >= 400:
            raise Undelivered(f"{function} does not take an event: {body.decode()}")

    def send(self, queue: str, message: dict[str, Any]) -> None:
        """Send a record of an SQS event to the queue of that name."""
        system = message.get("attributes", {})
        fifo = {
            "MessageGroupId": system.get("MessageGroupId", "services"),
            "MessageDeduplicationId": system.get("MessageDeduplicationId", message["messageId"]),
        }
        attributes = {
            name: {key[0].upper() + key[1:]: each for key, each in value.items() if each}
            for name, value in message.get("messageAttributes", {}).items()
        }
        self.send_text(
            queue,
            message["body"],
            **({"MessageAttributes": attributes} if attributes else {}),
            **(fifo if queue.endswith(".fifo") else {}),
        )

    def receive(self, queue: str, most: int) -> list[dict[str, Any]]:
        """Return messages of a queue as records of an SQS event; waits a while for the first."""
        answer = self._sqs(
            "ReceiveMessage",
            queue,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=WAITS_S,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [_as_record(each, queue) for each in answer.get("Messages", [])]

    def delete(self, queue: str, handles: list[str]) -> None:
        """Delete received messages of a queue, ten at most."""
        entries = [{"Id": str(n), "ReceiptHandle": each} for n, each in enumerate(handles)]
        self._sqs("DeleteMessageBatch", queue, Entries=entries)

    def send_text(self, queue: str, text: str, **more: Any) -> None:
        """Send a message to the queue of that name."""
        self._sqs("SendMessage", queue, MessageBody=text, **more)

    def _sqs(self, action: str, queue: str, **parameters: Any) -> dict[str, Any]:
        """Return the answer to an action on a queue. Raises Undelivered."""
        status, _, answer = self._post(
            "/",
            json.dumps({"QueueUrl": QUEUE_URL + queue, **parameters}).encode(),
            {
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": f"AmazonSQS.{action}",
                "Authorization": _SIGNED.format("sqs"),
            },
        )
        if status >= 400:
            sentence = f"the queue {queue} refuses {action}: {answer.decode(errors='replace')}"
            raise Undelivered(sentence)
        return dict(json.loads(answer or b"{}"))

    def _post(
        self, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Post, waiting for the gateway where it does not listen yet. Raises Undelivered."""
        ends_s = time.monotonic() + GATEWAY_WAIT_S
        while True:
            connection = http.client.HTTPConnection(
                self._address.hostname or "127.0.0.1", self._address.port, timeout=ANSWER_MAX_S
            )
            try:
                connection.request("POST", path, body, headers)
                response = connection.getresponse()
                names = {name.lower(): value for name, value in response.getheaders()}
                return response.status, names, response.read()
            except ConnectionRefusedError as error:
                if time.monotonic() > ends_s:
                    raise Undelivered("the gateway does not listen") from error
                time.sleep(PAUSE_S)
            except (OSError, http.client.HTTPException) as error:
                raise Undelivered(f"the gateway broke off: {error}") from error
            finally:
                connection.close()


def _as_record(message: dict[str, Any], queue: str) -> dict[str, Any]:
    """Return a message that was received as a record of an SQS event."""
    attributes = {
        name: {key[0].lower() + key[1:]: each for key, each in value.items()}
        for name, value in message.get("MessageAttributes", {}).items()
    }
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": attributes,
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{queue}",
        "awsRegion": REGION,
    }


def as_lambda_has_it(event: Any) -> Any:
    """Return an event with the names that a function sees, which SNS's own messages have not."""
    records = event.get("Records") if isinstance(event, dict) else None
    for record in records if isinstance(records, list) else ():
        if isinstance(record, dict) and isinstance(sns := record.get("Sns"), dict):
            for theirs in ("SigningCertURL", "UnsubscribeURL"):
                if theirs in sns:
                    sns[f"{theirs[:-3]}Url"] = sns.pop(theirs)
            sns.setdefault("Subject", None)
            sns.setdefault("MessageAttributes", {})
    return event


def as_kinesis_has(table: str, change: dict[str, Any]) -> dict[str, Any]:
    """Return the change of a table as a Kinesis stream gets it, of the one in the table's own.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds_using-data-streams.html
    """
    names = ("Keys", "NewImage", "OldImage", "SizeBytes")
    item = {name: change["dynamodb"][name] for name in names if name in change["dynamodb"]}
    of_change = ("awsRegion", "eventID", "eventName", "eventSource")
    return {
        **{name: change[name] for name in of_change},
        "userIdentity": change.get("userIdentity"),
        "recordFormat": "application/json",
        "tableName": table,
        "dynamodb": {
            **item,
            "ApproximateCreationDateTime": time.time_ns() // 1_000_000,
            "ApproximateCreationDateTimePrecision": "MILLISECOND",
        },
    }


def forwarder(
    delivery: Delivery, mailbox: str = ""
) -> Callable[[Any, Any, str, str], dict[str, Any]]:
    """Return what the emulator calls to run a stand-in of `stack`: where is KIND:NAME."""

    def forward(_function: Any, event: Any, where: str, _request_id: str) -> dict[str, Any]:
        kind, _, name = where.partition(":")
        try:
            if kind == "event":
                delivery.tell(name, event)
                return {"body": None}
            if kind in BY_MAIL:
                topic_mails.send(kind, name, event, mailbox)
                return {"body": None}
            if kind == "queue":
                return {"body": _forward_messages(delivery, name, event["Records"])}
            answer, is_error = delivery.invoke(name, event)
            return {"body": answer, **({"error": True} if is_error else {})}
        except (Undelivered, ValueError, OSError) as error:  # smtplib's errors are OSErrors
            log.warning("%s", error)
            body = {"errorType": "Service.Undelivered", "errorMessage": str(error)}
            return {"body": body, "error": True}

    return forward


def _forward_messages(delivery: Delivery, queue: str, records: list[Any]) -> dict[str, Any]:
    """Send each record on, in order; return those that could not be, for another try."""
    for number, record in enumerate(records):
        try:
            delivery.send(queue, record)
        except Undelivered as error:
            log.warning("%s", error)
            left = [{"itemIdentifier": each["messageId"]} for each in records[number:]]
            return {"batchItemFailures": left}
    return {"batchItemFailures": []}
