"""Messages and their attributes as the SQS API has them in JSON."""

import base64
from collections.abc import Callable, Iterable
from typing import Any

from local.sqs.digest import md5, md5_of_attributes
from local.template.intrinsics import ACCOUNT_ID

Json = dict[str, Any]
Attributes = dict[str, tuple[str, str | bytes]]  # data type and value by name


def given(attributes: Json) -> Attributes:
    """Type and value of each attribute that a sender gave."""
    return {
        name: (
            each["DataType"],
            base64.b64decode(each["BinaryValue"])
            if each["DataType"].startswith("Binary")
            else each["StringValue"],
        )
        for name, each in attributes.items()
    }


def size_of(sent: Json) -> int:
    """How many bytes a message has for SQS's limits: body, and attributes with name and type."""
    size = len(sent["MessageBody"].encode())
    for name, (data_type, value) in given(sent.get("MessageAttributes") or {}).items():
        size += len(name.encode()) + len(data_type.encode())
        size += len(value if isinstance(value, bytes) else value.encode())
    return size


def flat(attributes: Attributes) -> Iterable[tuple[str, str, str | bytes]]:
    return ((name, *typed) for name, typed in attributes.items())


def wanted(names: list[str] | None) -> Callable[[str], bool]:
    """Whether a receiver asks for an attribute: by name, by PREFIX.*, or for all."""
    exact = set(names or ())
    prefixes = tuple(name.removesuffix("*") for name in exact if name.endswith(".*"))
    if exact & {"All", ".*"}:
        return lambda name: True
    return lambda name: name in exact or name.startswith(prefixes)


def message(
    received: Any, wants: Callable[[str], bool], wants_system: Callable[[str], bool]
) -> Json:
    """A received message with the attributes that its receiver asks for."""
    system = {
        "SenderId": ACCOUNT_ID,
        "SentTimestamp": str(received.sent_at_ms),
        "ApproximateReceiveCount": str(received.receive_count),
        "ApproximateFirstReceiveTimestamp": str(received.first_received_at_ms),
        **received.system,
    }
    shown: Json = {
        "MessageId": received.message_id,
        "ReceiptHandle": received.receipt_handle,
        "MD5OfBody": md5(received.body),
        "Body": received.body,
    }
    if told := {name: each for name, each in system.items() if wants_system(name)}:
        shown["Attributes"] = told
    attributes = {
        name: ("String", each) if isinstance(each, str) else (each.data_type, each.value)
        for name, each in received.attributes.items()
        if wants(name)
    }
    if attributes:
        shown["MessageAttributes"] = {name: _shown(*typed) for name, typed in attributes.items()}
        shown["MD5OfMessageAttributes"] = md5_of_attributes(flat(attributes))
    return shown


def _shown(data_type: str, value: str | bytes) -> Json:
    if isinstance(value, bytes):
        return {"DataType": data_type, "BinaryValue": base64.b64encode(value).decode()}
    return {"DataType": data_type, "StringValue": value}
