"""What SQS is free to do with a standard queue and seldom does: deliver twice, and out of order.

The setting QUEUE_DISORDER says how likely that is for each message, so that a test may insist.
"""

import random
from collections.abc import Iterator, Sequence

from backend.settings import settings

COPY = "~"  # stands behind the id of a message's second copy
LATE_MS = 1000  # how far a message may fall behind those that were sent after it


def scattered(flat: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield what to send how late: ids and entries by turns, some of them twice."""
    for i in range(0, len(flat), 2):
        id_, entry = flat[i : i + 2]
        yield _late_ms(), (id_, entry)
        if _strikes():
            yield _late_ms(), (id_ + COPY, entry)


def id_of(id_: str) -> str:
    """The message's id, of itself and of its copy."""
    return id_.removesuffix(COPY)


def _late_ms() -> int:
    return random.randrange(LATE_MS) if _strikes() else 0


def _strikes() -> bool:
    return random.random() < settings.queue_disorder
