"""One object's story: all that the documents, queues, journals and logs know of it, by time.

Nothing is stored for it: each source is read as it is when somebody asks.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """One thing that happened, or will."""

    at_ms: float  # epoch
    place: str  # where it is known from
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """The knowledge of one source: moments, and further ids under which others know the object."""

    moments: tuple[Moment, ...] = ()
    ids: frozenset[str] = frozenset()
