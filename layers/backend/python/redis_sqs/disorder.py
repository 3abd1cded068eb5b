"""The freedom that SQS has with a standard queue and seldom uses: twice, and out of order."""

import random
from collections.abc import Iterator, Sequence

COPY = "~"  # stands behind the id of a message's second copy
LATE_MS = 1000  # how far a message may fall behind those that were sent after it


def scattered(flat: Sequence[str], probability: float) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield what to send, and how late in ms: of ids and entries by turns, some pairs twice."""
    for i in range(0, len(flat), 2):
        id_, entry = flat[i : i + 2]
        yield _late_ms(probability), (id_, entry)
        if random.random() < probability:
            yield _late_ms(probability), (id_ + COPY, entry)


def _late_ms(probability: float) -> int:
    return random.randrange(LATE_MS) if random.random() < probability else 0
