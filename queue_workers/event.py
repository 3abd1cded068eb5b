"""Messages to the SQS event a handler gets, and its answer to the messages that failed."""

import base64
from collections.abc import Collection, Sequence
from typing import NotRequired, TypedDict

from local.sqs.digest import md5, md5_of_attributes
from local.template.intrinsics import ACCOUNT_ID
from redis_sqs import Attributes, Message, Typed


class MessageAttribute(TypedDict):
    stringValue: NotRequired[str]
    binaryValue: NotRequired[str]  # base64
    stringListValues: list[str]
    binaryListValues: list[str]
    dataType: str


class SqsRecord(TypedDict):
    """One record, as Lambda gives it to a handler."""

    messageId: str
    receiptHandle: str
    body: str
    attributes: dict[str, str]
    messageAttributes: dict[str, MessageAttribute]
    md5OfBody: str
    md5OfMessageAttributes: NotRequired[str]
    eventSource: str
    eventSourceARN: str
    awsRegion: str


class SqsEvent(TypedDict):
    Records: list[SqsRecord]


class MalformedResponse(Exception):
    """The handler's answer names no batch item failures as AWS reads them: the batch failed."""


def sqs_event(messages: Sequence[Message], *, queue: str, region: str) -> SqsEvent:
    arn = f"arn:aws:sqs:{region}:{ACCOUNT_ID}:{queue}"
    return {"Records": [_record(message, arn, region) for message in messages]}


def failed_ids(response: object, sent: Collection[str]) -> set[str]:
    """Return the ids that a handler with ReportBatchItemFailures reports among those `sent`.

    Nothing, null and an empty list mean that all succeeded; anything AWS would not understand,
    an id that was not sent included, raises MalformedResponse.
    """
    if response is None:
        return set()
    if not isinstance(response, dict):
        raise MalformedResponse(f"the response is a {type(response).__name__}, not an object")
    failures = response.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list):
        raise MalformedResponse("batchItemFailures is not a list")
    ids: set[str] = set()
    for each in failures:
        id_ = each.get("itemIdentifier") if isinstance(each, dict) else None
        if not isinstance(id_, str) or id_ not in sent:
            raise MalformedResponse(f"itemIdentifier {id_!r} is not a message of this batch")
        ids.add(id_)
    return ids


def reason_of(response: object, message_id: str) -> str:
    """Return why a message failed, where the handler says so as ours do; AWS reads no reasons."""
    reasons = response.get("failureReasons") if isinstance(response, dict) else None
    reason = reasons.get(message_id) if isinstance(reasons, dict) else None
    return reason if isinstance(reason, str) else "reported by the handler as failed"


def _record(message: Message, arn: str, region: str) -> SqsRecord:
    record: SqsRecord = {
        "messageId": message.message_id,
        # As the SQS API tells it, which refuses a handle of another queue.
        "receiptHandle": f"{message.receipt_handle}@{arn.rpartition(':')[2]}",
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.receive_count),
            "SentTimestamp": str(message.sent_at_ms),
            "SenderId": ACCOUNT_ID,
            "ApproximateFirstReceiveTimestamp": str(message.first_received_at_ms),
            **message.system,
        },
        "messageAttributes": {
            name: _attribute(value) for name, value in message.attributes.items()
        },
        "md5OfBody": md5(message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": region,
    }
    if message.attributes:
        record["md5OfMessageAttributes"] = _md5_of_attributes(message.attributes)
    return record


def _attribute(value: str | Typed) -> MessageAttribute:
    typed = value if isinstance(value, Typed) else Typed("String", value)
    attribute: MessageAttribute = {
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": typed.data_type,
    }
    if isinstance(typed.value, bytes):
        attribute["binaryValue"] = base64.b64encode(typed.value).decode()
    else:
        attribute["stringValue"] = typed.value
    return attribute


def _md5_of_attributes(attributes: Attributes) -> str:
    typed_values = (
        (name, value if isinstance(value, Typed) else Typed("String", value))
        for name, value in attributes.items()
    )
    return md5_of_attributes((name, typed.data_type, typed.value) for name, typed in typed_values)
