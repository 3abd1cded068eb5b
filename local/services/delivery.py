"""The delivery of what services tell: to functions by the Invoke API, to queues by SQS's."""

import http.client
import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from local.template.intrinsics import QUEUE_URL, REGION

log = logging.getLogger(__name__)

ANSWER_MAX_S = 930.0  # a function may take 15 minutes
GATEWAY_WAIT_S = 20.0  # services run before the gateway does
PAUSE_S = 0.2
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

    def send_text(self, queue: str, text: str, **more: Any) -> None:
        """Send a message to the queue of that name."""
        body = {"QueueUrl": QUEUE_URL + queue, "MessageBody": text, **more}
        status, _, answer = self._post(
            "/",
            json.dumps(body).encode(),
            {
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": "AmazonSQS.SendMessage",
                "Authorization": _SIGNED.format("sqs"),
            },
        )
        if status >= 400:
            raise Undelivered(f"the queue {queue} refuses a message: {answer.decode()}")

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


def forwarder(delivery: Delivery) -> Callable[[Any, Any, str, str], dict[str, Any]]:
    """Return what the emulator calls to run a stand-in of `stack`: where is KIND:NAME."""

    def forward(_function: Any, event: Any, where: str, _request_id: str) -> dict[str, Any]:
        kind, _, name = where.partition(":")
        try:
            if kind == "event":
                delivery.tell(name, event)
                return {"body": None}
            if kind == "queue":
                return {"body": _forward_messages(delivery, name, event["Records"])}
            answer, is_error = delivery.invoke(name, event)
            return {"body": answer, **({"error": True} if is_error else {})}
        except (Undelivered, ValueError) as error:
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
