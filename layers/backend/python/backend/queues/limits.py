"""SQS's limits on what a caller may ask, checked before anything is sent on either backend."""

from collections.abc import Mapping, Sequence

BATCH_MAX = 10
MESSAGE_BYTES_MAX = 1_048_576  # with the names and values of its attributes
ATTRIBUTES_MAX = 10
DELAY_MAX_S = 900
WAIT_MAX_S = 20
VISIBILITY_MAX_S = 43_200


def check_messages(bodies: Sequence[str], attributes: Mapping[str, str], delay_s: int) -> None:
    """Raise ValueError where SQS would refuse these messages."""
    if not 0 <= delay_s <= DELAY_MAX_S:
        raise ValueError(f"delay_s is {delay_s}, not within 0 to {DELAY_MAX_S}")
    if len(attributes) > ATTRIBUTES_MAX or not all(attributes.values()):
        raise ValueError(f"at most {ATTRIBUTES_MAX} attributes, none of them empty")
    around = sum(
        len(name.encode()) + len(value.encode()) + len("String")
        for name, value in attributes.items()
    )
    for body in bodies:
        if not body:
            raise ValueError("a message must not be empty")
        if len(body.encode()) + around > MESSAGE_BYTES_MAX:
            raise ValueError(f"a message is at most {MESSAGE_BYTES_MAX} bytes")


def check_receive(max_messages: int, wait_s: float) -> None:
    """Raise ValueError where SQS would refuse this receive."""
    if not 1 <= max_messages <= BATCH_MAX:
        raise ValueError(f"max_messages is {max_messages}, not within 1 to {BATCH_MAX}")
    if not 0 <= wait_s <= WAIT_MAX_S:
        raise ValueError(f"wait_s is {wait_s}, not within 0 to {WAIT_MAX_S}")


def check_release(after_s: int) -> None:
    """Raise ValueError where SQS would refuse this visibility timeout."""
    if not 0 <= after_s <= VISIBILITY_MAX_S:
        raise ValueError(f"after_s is {after_s}, not within 0 to {VISIBILITY_MAX_S}")
