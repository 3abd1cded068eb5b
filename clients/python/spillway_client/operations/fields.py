"""The values that several operations take: fields left as they are, and keys."""

import uuid
from enum import Enum


class Unset(Enum):
    """The mark of a field that a change leaves as it is; None would empty it."""

    UNSET = "unset"


UNSET = Unset.UNSET


def new_key(idempotency_key: str | None) -> str:
    """Return the key that the caller gave, or a new one."""
    return str(uuid.uuid4()) if idempotency_key is None else idempotency_key
