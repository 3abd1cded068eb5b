"""A queue on Amazon SQS, through boto3. Time-outs and dead-letter queue are set in the template."""

import functools
import math
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from redis_sqs import NO_ATTRIBUTES, REGION, Attributes, Depth, Message, Typed, limits
from redis_sqs.breaker import Breaker
from redis_sqs.errors import QueueFull, QueueUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        MessageAttributeValueOutputTypeDef,
        MessageAttributeValueTypeDef,
        MessageTypeDef,
    )

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 2.0  # twice within the five seconds of a function
POLL_TIMEOUT_S = limits.WAIT_MAX_S + 2.0  # a long poll is answered when its time is over
ATTEMPTS = 2  # the caller's own retry comes on top; SQS's calls are safe to repeat

# SQS answers these where it is the caller who has to wait: in flight or per second.
_FULL = {"OverLimit", "AWS.SimpleQueueService.OverLimit", "RequestThrottled", "ThrottlingException"}
# The message itself is what SQS refuses.
_WRONG = {"InvalidParameterValue", "MissingParameter", "InvalidMessageContents"}
# The handle is not the newest, or its message is not in flight: there is nothing to release.
_STALE = {
    "InvalidParameterValue",  # of a FIFO queue's message whose visibility timeout is over
    "ReceiptHandleIsInvalid",
    "MessageNotInflight",
    "AWS.SimpleQueueService.MessageNotInflight",
}
# What a Message has in fields of its own, or what says nothing here: who sent it.
_IN_FIELDS = {
    *("ApproximateReceiveCount", "SentTimestamp", "ApproximateFirstReceiveTimestamp", "SenderId")
}


Outgoing = tuple[str, str, Attributes, str]  # body, trace, attributes and group of a message


class SqsQueue:
    """A redis_sqs.Queue on SQS. It connects at the first call, after any fork."""

    def __init__(
        self, url: str, *, region: str = REGION, client: "SQSClient | None" = None
    ) -> None:
        self.name = url.rstrip("/").rpartition("/")[2]
        self.receive_max = limits.BATCH_MAX
        self._url = url
        self._client = client or _client(region, ANSWER_TIMEOUT_S)
        self._polling_client = client
        self._region = region

    def send(
        self,
        body: str,
        *,
        delay_s: int | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        group: str = "",
        deduplication_id: str = "",
        trace: str = "",
        is_promised: bool = False,
    ) -> str:
        """Send one message and return its id; `trace` arrives as its AWSTraceHeader.

        SQS answers in any case, so that it makes no difference what is promised.
        """
        limits.check_messages([body], attributes, delay_s)
        about = _about(delay_s, group, trace, attributes)
        if deduplication_id:
            about["MessageDeduplicationId"] = deduplication_id
        with self._errors():
            answer = self._client.send_message(QueueUrl=self._url, MessageBody=body, **about)
        return answer["MessageId"]

    def send_batch(
        self,
        bodies: Sequence[str],
        *,
        delay_s: int | None = None,
        group: str = "",
        traces: Sequence[str] = (),
        attributes: Sequence[Attributes] = (),
        groups: Sequence[str] = (),
        is_promised: bool = False,
    ) -> list[str]:
        """Send `bodies` in calls of up to ten, each in its trace and with its attributes.

        Returns their ids, in their order.
        """
        limits.check_each(bodies, attributes, delay_s)
        messages = [
            (body, trace or "", attached or NO_ATTRIBUTES, own or group)
            for body, trace, attached, own in zip_longest(bodies, traces, attributes, groups)
        ]
        ids: list[str] = []
        for part in _sendable(messages):
            ids += self._send_ten(part, delay_s)
        return ids

    def receive(self, max_messages: int = 10, *, wait_s: float = 0) -> list[Message]:
        """Take up to `max_messages`, waiting at most `wait_s` (in whole seconds, rounded up)."""
        limits.check_receive(max_messages, wait_s)
        client = self._polling_client or _client(self._region, POLL_TIMEOUT_S)
        with self._errors():
            answer = client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=max_messages,
                WaitTimeSeconds=math.ceil(wait_s),
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        return [_message(each) for each in answer.get("Messages", [])]

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        """Delete messages in calls of ten; raises QueueUnavailable if SQS failed to delete one."""
        expired: list[str] = []
        for part in _batches(receipt_handles):
            with self._errors():
                answer = self._client.delete_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(i), "ReceiptHandle": handle} for i, handle in enumerate(part)
                    ],
                )
            failed = [each for each in answer.get("Failed", []) if not each["SenderFault"]]
            if failed:
                raise QueueUnavailable(f"Queue {self.name} deleted all but {len(failed)}; retry.")
            expired += [part[int(each["Id"])] for each in answer.get("Failed", [])]
        return expired

    def release(self, receipt_handle: str, *, after_s: int, reason: str = "") -> bool:
        """Make the message visible in `after_s`; SQS has no place for `reason`."""
        limits.check_release(after_s)
        with self._errors():
            try:
                self._client.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=after_s
                )
            except ClientError as error:
                if error.response["Error"]["Code"] not in _STALE:
                    raise
                return False
        return True

    def depth(self) -> Depth:
        """Count the messages by state; the age of the oldest is a CloudWatch metric, hence NaN."""
        with self._errors():
            counts = self._client.get_queue_attributes(
                QueueUrl=self._url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesDelayed",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )["Attributes"]
        return Depth(
            visible=int(counts["ApproximateNumberOfMessages"]),
            delayed=int(counts["ApproximateNumberOfMessagesDelayed"]),
            in_flight=int(counts["ApproximateNumberOfMessagesNotVisible"]),
            oldest_age_s=math.nan,
        )

    def _send_ten(self, messages: Sequence[Outgoing], delay_s: int | None) -> list[str]:
        names = [uuid.uuid4().hex for _ in messages]
        entries: Any = [
            {"Id": name, "MessageBody": body, **_about(delay_s, group, trace, attributes)}
            for name, (body, trace, attributes, group) in zip(names, messages, strict=True)
        ]
        with self._errors():
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        failed = answer.get("Failed", [])
        if any(each["SenderFault"] for each in failed):
            raise ValueError(f"queue {self.name} refuses a message: {failed[0].get('Message')}")
        if failed:
            raise QueueUnavailable(f"Queue {self.name} took only a part of a batch; retry.")
        ids = {each["Id"]: each["MessageId"] for each in answer["Successful"]}
        return [ids[name] for name in names]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        breaker = _breaker(self._region)
        breaker.admit(1, now_s=time.monotonic())
        succeeded = 0
        try:
            yield
            succeeded = 1
        except ClientError as error:
            succeeded = 1
            if error.response["Error"]["Code"] in _FULL:
                raise QueueFull(f"Queue {self.name} takes no more; retry later.") from error
            if error.response["Error"]["Code"] in _WRONG:
                raise ValueError(f"queue {self.name} refuses the message: {error}") from error
            raise QueueUnavailable(f"Queue {self.name} refuses: {error}") from error
        except BotoCoreError as error:
            raise QueueUnavailable(f"Queue {self.name} does not answer; retry.") from error
        finally:
            breaker.learn(succeeded=succeeded, failed=1 - succeeded, now_s=time.monotonic())


@functools.cache
def _breaker(region: str) -> Breaker:
    """Return the breaker of a region's SQS."""
    return Breaker("SQS service", QueueUnavailable)


@functools.cache
def _client(region: str, answer_timeout_s: float) -> "SQSClient":
    """Return the client of all queues; it opens connections when it is used, so after any fork.

    It takes 60 ms of CPU to make: in Lambda's init phase, which has a whole processor. The first
    request would wait 200 ms for it at 512 MB.
    """
    return boto3.client(
        "sqs",
        region_name=region,
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=answer_timeout_s,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        ),
    )


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), limits.BATCH_MAX):
        yield values[start : start + limits.BATCH_MAX]


def _sendable(messages: Sequence[Outgoing]) -> Iterator[Sequence[Outgoing]]:
    """Cut into batches of at most ten that together are no larger than one message may be."""
    batch: list[Outgoing] = []
    size = 0
    for message in messages:
        body, _, attributes, _ = message
        length = limits.bytes_of(body, attributes)
        if len(batch) == limits.BATCH_MAX or size + length > limits.MESSAGE_BYTES_MAX:
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += length
    if batch:
        yield batch


def _about(delay_s: int | None, group: str, trace: str, attributes: Attributes) -> dict[str, Any]:
    """Return the parameters that a message is sent with, alone or in a batch."""
    about: dict[str, Any] = {}
    if delay_s is not None:
        about["DelaySeconds"] = delay_s
    if group and limits.is_group(group):
        about["MessageGroupId"] = group
    if trace:
        about["MessageSystemAttributes"] = {"AWSTraceHeader": _value(trace)}
    if attributes:
        about["MessageAttributes"] = {name: _value(v) for name, v in attributes.items()}
    return about


def _value(value: str | Typed) -> "MessageAttributeValueTypeDef":
    if isinstance(value, str):
        return {"DataType": "String", "StringValue": value}
    if isinstance(value.value, bytes):
        return {"DataType": value.data_type, "BinaryValue": value.value}
    return {"DataType": value.data_type, "StringValue": value.value}


def _attribute_value(value: "MessageAttributeValueOutputTypeDef") -> str | Typed:
    if value["DataType"] == "String":
        return value["StringValue"]
    if "BinaryValue" in value:
        return Typed(value["DataType"], value["BinaryValue"])
    return Typed(value["DataType"], value["StringValue"])


def _message(received: "MessageTypeDef") -> Message:
    about = received["Attributes"]
    return Message(
        message_id=received["MessageId"],
        body=received["Body"],
        receipt_handle=received["ReceiptHandle"],
        receive_count=int(about["ApproximateReceiveCount"]),
        sent_at_ms=int(about["SentTimestamp"]),
        first_received_at_ms=int(about["ApproximateFirstReceiveTimestamp"]),
        attributes={
            name: _attribute_value(value)
            for name, value in received.get("MessageAttributes", {}).items()
        },
        system={str(name): value for name, value in about.items() if name not in _IN_FIELDS},
    )
