"""Messages and their attributes as the SQS API has them in JSON."""

import base64
import re
from collections.abc import Callable, Iterable
from typing import Any

from local.sqs.digest import md5, md5_of_attributes
from local.sqs.refusals import PREFIX, Refused
from local.template.intrinsics import ACCOUNT_ID

Json = dict[str, Any]
# A handle as the queue has it, and behind `@` the queue that it is of. Handles without are taken:
# functions may have them from elsewhere.
HANDLE = re.compile(r"([^@]+:[0-9]{1,18})(?:@(.+))?")
Attributes = dict[str, tuple[str, str | bytes]]  # data type and value by name


def typed(attributes: Json) -> Attributes:
    """Return type and value of each attribute of a message that is sent."""
    return {name: _typed(name, attribute) for name, attribute in attributes.items()}


def _typed(name: str, attribute: Json) -> tuple[str, str | bytes]:
    if attribute.keys() & {"StringListValues", "BinaryListValues"}:
        sentence = "Message attribute list values in SendMessage operation are not supported."
        raise Refused(f"{PREFIX}UnsupportedOperation", sentence)
    data_type: str = attribute["DataType"]
    field = "BinaryValue" if data_type.startswith("Binary") else "StringValue"
    if field not in attribute:
        raise ValueError(
            f"The message attribute '{name}' with type '{data_type}' must use field '{field}'."
        )
    if attribute.keys() != {"DataType", field}:
        raise ValueError(f"The message attribute '{name}' must have one value, in '{field}'.")
    value: str = attribute[field]
    if not value:
        rule = f"must contain a non-empty value of type '{data_type}'."
        raise ValueError(f"Message (user) attribute '{name}' {rule}")
    return data_type, base64.b64decode(value) if field == "BinaryValue" else value


def size_of(sent: Json) -> int:
    """Return the bytes of a message as SQS counts: body, and attributes with name and type."""
    size = len(sent["MessageBody"].encode())
    for name, attribute in sent.get("MessageAttributes", {}).items():
        size += len(name.encode()) + len(attribute["DataType"].encode())
        size += len(attribute.get("StringValue", "").encode())
        size += len(base64.b64decode(attribute.get("BinaryValue", "")))
    return size


def flat(attributes: Attributes) -> Iterable[tuple[str, str, str | bytes]]:
    return ((name, *value) for name, value in attributes.items())


def requested(names: list[str] | None) -> Callable[[str], bool]:
    """Return whether a receiver asks for an attribute: by name, by PREFIX.*, or for all."""
    exact = set(names or ())
    prefixes = tuple(name.removesuffix("*") for name in exact if name.endswith(".*"))
    if exact & {"All", ".*"}:
        return lambda name: True
    return lambda name: name in exact or name.startswith(prefixes)


def handle(receipt_handle: str, queue: str) -> str:
    """Return the handle of a message as its receivers see it: another queue refuses it."""
    return f"{receipt_handle}@{queue}"


def message(
    received: Any, queue: str, wants: Callable[[str], bool], wants_system: Callable[[str], bool]
) -> Json:
    """Return a received message with the attributes that its receiver asks for."""
    system = {
        "SenderId": ACCOUNT_ID,
        "SentTimestamp": str(received.sent_at_ms),
        "ApproximateReceiveCount": str(received.receive_count),
        "ApproximateFirstReceiveTimestamp": str(received.first_received_at_ms),
        **received.system,
    }
    shown: Json = {
        "MessageId": received.message_id,
        "ReceiptHandle": handle(received.receipt_handle, queue),
        "MD5OfBody": md5(received.body),
        "Body": received.body,
    }
    if shown_system := {name: each for name, each in system.items() if wants_system(name)}:
        shown["Attributes"] = shown_system
    attributes = {
        name: ("String", each) if isinstance(each, str) else (each.data_type, each.value)
        for name, each in received.attributes.items()
        if wants(name)
    }
    if attributes:
        shown["MessageAttributes"] = {name: _shown(*value) for name, value in attributes.items()}
        shown["MD5OfMessageAttributes"] = md5_of_attributes(flat(attributes))
    return shown


def _shown(data_type: str, value: str | bytes) -> Json:
    if isinstance(value, bytes):
        return {"DataType": data_type, "BinaryValue": base64.b64encode(value).decode()}
    return {"DataType": data_type, "StringValue": value}
