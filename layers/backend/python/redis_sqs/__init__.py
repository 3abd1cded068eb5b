"""Queues with SQS's semantics: one protocol, on Redis here and on SQS on AWS.

A package of its own: it takes addresses and limits as arguments and reads no environment.

At least once, in no promised order; a queue whose name ends in `.fifo` keeps the order of each
message group and drops what was sent before. What a receiver does not delete becomes visible again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from redis_sqs.errors import QueueFull, QueueUnavailable

__all__ = [
    "NO_ATTRIBUTES",
    "REGION",
    "Attributes",
    "Depth",
    "Message",
    "Queue",
    "QueueFull",
    "QueueUnavailable",
    "Typed",
    "name_of",
]

REGION = "eu-west-1"


@dataclass(frozen=True, slots=True)
class Typed:
    """The value of a message attribute that is no plain String."""

    data_type: str  # Number or Binary, or one of the three with a label: String.uuid
    value: str | bytes


Attributes = Mapping[str, str | Typed]
NO_ATTRIBUTES: Attributes = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it was received, or will be sent again."""

    message_id: str
    body: str
    receipt_handle: str  # of this receive; an older one deletes nothing
    receive_count: int  # 1 at the first receive
    sent_at_ms: int  # epoch
    first_received_at_ms: int  # epoch
    attributes: Attributes = field(default_factory=dict)
    system: Mapping[str, str] = field(default_factory=dict)  # MessageGroupId, SequenceNumber, ...
    moved_from: str = ""  # its id in the dead-letter queue that it was moved from; SQS tells none


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """The numbers of messages on a queue, by state."""

    visible: int
    delayed: int
    in_flight: int
    retrying: int = 0  # given back with a reason, for later; SQS counts them as in flight
    oldest_age_s: float  # how long the first that is due has been; NaN where nobody tells

    @property
    def total(self) -> int:
        """All messages of the queue."""
        return self.visible + self.delayed + self.in_flight + self.retrying


class Queue(Protocol):
    """A queue as its users see it. Every call raises QueueUnavailable when nobody answers."""

    name: str
    receive_max: int  # messages of one receive

    def send(
        self,
        body: str,
        *,
        delay_s: int | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        group: str = "",
        deduplication_id: str = "",
        trace: str = "",
        is_promised: bool = False,
    ) -> str:
        """Send one message and return its id. Raises QueueFull when the queue takes no more.

        Without `delay_s` the queue's own delay counts. A FIFO queue needs a `group`, and a
        `deduplication_id` unless it takes the body's digest for one; the same within five minutes
        sends nothing and returns the earlier message's id. `trace` arrives as its AWSTraceHeader.

        Whether a promised message has come its sender finds out by itself, and sends it again:
        where the server allows it nobody waits for an answer then, and what fails is logged.
        """

    def send_batch(
        self,
        bodies: Sequence[str],
        *,
        delay_s: int | None = None,
        group: str = "",
        traces: Sequence[str] = (),
        attributes: Sequence[Attributes] = (),
        groups: Sequence[str] = (),
        is_promised: bool = False,
    ) -> list[str]:
        """Send any number of messages in few calls and return their ids.

        `traces`, `attributes` and `groups` have one for each message, or none at all. On a standard
        queue groups are what is treated fairly: where messages wait, those of one that sends little
        come before those of one that sends much; a name that SQS would refuse is no group. A FIFO
        queue takes one `group` for all.

        After an error some may have been sent; sending all again is safe where a message may
        arrive twice, which is everywhere.
        """

    def receive(self, max_messages: int = 10, *, wait_s: float = 0) -> list[Message]:
        """Take up to `max_messages`, at most `receive_max`, hiding each for the visibility timeout.

        Waits at most `wait_s` (up to 20) for the first. A message over its receive limit goes to
        the dead-letter queue instead. With too many in flight a call that does not wait raises
        QueueFull.
        """

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        """Delete messages for good; returns the handles that a FIFO queue takes no more.

        Those are expired and their messages come again. A standard queue still deletes by an
        expired handle, and passes over one that is not the newest.
        """

    def release(self, receipt_handle: str, *, after_s: int, reason: str = "") -> bool:
        """Make a received message visible in `after_s` (0 to 43,200) from now.

        False where the handle is not the newest or the message visible already: it may be
        anybody's. With a `reason` it has failed and counts as retrying until then; Redis keeps the
        reason for the dead-letter queue, SQS has no place for it.
        """

    def depth(self) -> Depth:
        """Count the messages; SQS's figures lag behind by up to a minute."""


def name_of(url: str) -> str:
    """Return the name of the queue at `url`, or of the one that an ARN names."""
    return url.rstrip("/").replace(":", "/").rpartition("/")[2]
