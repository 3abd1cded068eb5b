"""The digests that SQS gives of a message, for senders to check."""

import hashlib
from collections.abc import Iterable

STRING, BINARY = b"\x01", b"\x02"  # how SQS marks the two kinds of value


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: Iterable[tuple[str, str, str | bytes]]) -> str:
    """Return the digest of attributes, each a name, a data type and a value.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
    """
    encoded = b""
    for name, data_type, value in sorted(attributes):
        encoded += _with_length(name.encode()) + _with_length(data_type.encode())
        if isinstance(value, bytes):
            encoded += BINARY + _with_length(value)
        else:
            encoded += STRING + _with_length(value.encode())
    return hashlib.md5(encoded, usedforsecurity=False).hexdigest()


def _with_length(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part
