"""SQS's limits on what a caller may ask, checked before anything is sent on either backend."""

import re
from collections.abc import Sequence

from redis_sqs import NO_ATTRIBUTES, Attributes, Typed

BATCH_MAX = 10
MESSAGE_BYTES_MAX = 1_048_576  # with the names, types and values of its attributes
ATTRIBUTES_MAX = 10
DELAY_MAX_S = 900
WAIT_MAX_S = 20
VISIBILITY_MAX_S = 43_200
IN_FLIGHT_MAX = 120_000

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # as XML 1.0 has it
_ATTRIBUTE_NAME = re.compile(r"(?!(?i:aws|amazon)\.)[\w-]+(\.[\w-]+)*", re.ASCII)
_ATTRIBUTE_TYPE = re.compile(r"(String|Number|Binary)(\..+)?")
# One way to read each digit: a sender may write a megabyte of them.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_ID = re.compile(r"[!-~]{1,128}")


class IllegalBody(ValueError):
    """A body with a character that SQS does not transport."""


def check_messages(
    bodies: Sequence[str],
    attributes: Attributes,
    delay_s: int | None,
    bytes_max: int = MESSAGE_BYTES_MAX,
) -> None:
    """Raise ValueError where SQS would refuse these messages; IllegalBody is one."""
    if delay_s is not None and not 0 <= delay_s <= DELAY_MAX_S:
        raise ValueError(f"delay_s is {delay_s}, not within 0 to {DELAY_MAX_S}")
    around = _attributes_bytes(attributes) if attributes else 0
    for body in bodies:
        if not body:
            raise ValueError("a message must not be empty")
        if not body.isprintable() and (illegal := _ILLEGAL.search(body)):
            raise IllegalBody(f"a message must not hold {illegal[0]!r}")
        if len(body.encode()) + around > bytes_max:
            raise ValueError(f"a message is at most {bytes_max} bytes")


def check_each(
    bodies: Sequence[str],
    attributes: Sequence[Attributes],
    delay_s: int | None,
    bytes_max: int = MESSAGE_BYTES_MAX,
) -> None:
    """Raise as check_messages does, for messages with attributes each of its own, or with none."""
    if not attributes:
        check_messages(bodies, NO_ATTRIBUTES, delay_s, bytes_max)
    for body, attached in zip(bodies, attributes, strict=False):
        check_messages([body], attached, delay_s, bytes_max)


def bytes_of(body: str, attributes: Attributes) -> int:
    """Return the size of a message as SQS counts it."""
    return len(body.encode()) + (_attributes_bytes(attributes) if attributes else 0)


def check_fifo(group: str, deduplication_id: str, delay_s: int | None) -> None:
    """Raise ValueError where SQS would refuse to put such a message on a FIFO queue."""
    if delay_s:  # SQS takes 0 and passes it over: the queue's own delay counts
        raise ValueError("on a FIFO queue only the queue has a delay")
    if not _ID.fullmatch(group):
        raise ValueError("a FIFO queue needs a group of 1 to 128 visible ASCII characters")
    if not _ID.fullmatch(deduplication_id):
        raise ValueError(
            "a FIFO queue needs a deduplication_id of 1 to 128 visible ASCII characters,"
            " or has to deduplicate by content"
        )


def is_group(name: str) -> bool:
    """Return whether SQS takes this for a message group of a standard queue."""
    return _ID.fullmatch(name) is not None


def check_receive(max_messages: int, wait_s: float, most: int = BATCH_MAX) -> None:
    """Raise ValueError where SQS would refuse this receive, or for more than `most` messages."""
    if not 1 <= max_messages <= most:
        raise ValueError(f"max_messages is {max_messages}, not within 1 to {most}")
    if not 0 <= wait_s <= WAIT_MAX_S:
        raise ValueError(f"wait_s is {wait_s}, not within 0 to {WAIT_MAX_S}")


def check_release(after_s: int) -> None:
    """Raise ValueError where SQS would refuse this visibility timeout."""
    if not 0 <= after_s <= VISIBILITY_MAX_S:
        raise ValueError(f"after_s is {after_s}, not within 0 to {VISIBILITY_MAX_S}")


def _attributes_bytes(attributes: Attributes) -> int:
    if len(attributes) > ATTRIBUTES_MAX:
        raise ValueError(f"a message has at most {ATTRIBUTES_MAX} attributes")
    return sum(_attribute_bytes(name, value) for name, value in attributes.items())


def _attribute_bytes(name: str, value: str | Typed) -> int:
    typed = value if isinstance(value, Typed) else Typed("String", value)
    if len(name) > 256 or not _ATTRIBUTE_NAME.fullmatch(name):
        raise ValueError(f"{name[:300]!r} is no name of an attribute")
    if len(typed.data_type) > 256 or not _ATTRIBUTE_TYPE.fullmatch(typed.data_type):
        raise ValueError(f"attribute {name}: {typed.data_type[:300]!r} is no data type")
    if not typed.value:
        raise ValueError(f"attribute {name} must not be empty")
    if isinstance(typed.value, bytes) != typed.data_type.startswith("Binary"):
        raise ValueError(f"attribute {name}: bytes are Binary, and nothing else is")
    if isinstance(typed.value, bytes):
        return len(name) + len(typed.data_type) + len(typed.value)
    if not typed.value.isprintable() and (illegal := _ILLEGAL.search(typed.value)):
        raise ValueError(f"attribute {name} must not hold {illegal[0]!r}")
    if typed.data_type.startswith("Number") and not _NUMBER.fullmatch(typed.value):
        raise ValueError(f"attribute {name}: {typed.value[:40]!r} is no number")
    return len(name) + len(typed.data_type) + len(typed.value.encode())
