"""One object's story: all that the documents, queues, journals and logs know of it, by time.

Nothing is stored for it: each source is read as it is when somebody asks.
"""

from dataclasses import dataclass
from typing import Literal

Source = Literal["request", "document", "ledger", "queue", "provider", "webhook", "mail", "log"]


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, or will."""

    at_ms: float  # epoch
    place: str  # where it is known from
    text: str
    source: Source
    key: str = ""  # by which others name it as their cause
    after: tuple[str, ...] = ()  # the keys of its causes, as far as they are known


@dataclass(frozen=True, slots=True)
class Part:
    """The knowledge of one source: moments, and further ids under which others know the object."""

    moments: tuple[Moment, ...] = ()
    ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of an object, each cause before its effects."""

    object_id: str
    moments: tuple[Moment, ...]
    trace: str | None  # the trace that the object was made in, 32 hexadecimal digits
    troubles: tuple[str, ...] = ()  # the sources that do not answer
