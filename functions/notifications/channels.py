"""What a channel is: it takes notifications to their recipients and says what became of each.

Its answers are stored as they are: an attempt in the notification's log holds one of them.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

if TYPE_CHECKING:
    from notifications.schema import Notification

# A batch must be answered within the worker's five seconds, and what is stored by then is better
# than killed: a channel that needs longer answers RetryAfter for what is left.
BATCH_TIMEOUT_S = 3.0


class _Answer(Struct, frozen=True, kw_only=True, tag_field="result"):
    code: int | None = None  # SMTP's or HTTP's, None where there was none


class Accepted(_Answer, frozen=True, kw_only=True, tag="delivered"):
    """The other side has it; `reference` is what it calls it, or said."""

    reference: str = field(name="reason")


class RetryAfter(_Answer, frozen=True, kw_only=True, tag="deferred"):
    """Not taken for now, or nobody knows; `seconds` where the other side asked for a wait."""

    reason: str
    seconds: int | None = None


class Permanent(_Answer, frozen=True, kw_only=True, tag="refused"):
    """Never to be tried again."""

    reason: str


class Suppressed(_Answer, frozen=True, kw_only=True, tag="suppressed"):
    """Not sent, because its recipient is not to be written to; no channel answers this."""

    reason: str


Answer = Accepted | RetryAfter | Permanent | Suppressed
LATE = RetryAfter(reason="The others of its batch took too long.")


class Channel(Protocol):
    """One way to reach people, such as e-mail."""

    @property
    def schedule_s(self) -> Sequence[int]:
        """The waits between attempts, s; once the last was in vain, the notification has failed.

        A longer RetryAfter.seconds goes before.
        """

    def send_all(self, batch: Sequence["Notification"]) -> list[Answer]:
        """Send each under its id, which never changes; returns one answer each, in their order.

        What cannot be known is RetryAfter: at least once means again. Raises nothing of the other
        side's doing.
        """


def one_by_one(
    batch: Sequence["Notification"], send: Callable[["Notification"], Answer]
) -> list[Answer]:
    """Send each of a batch with `send` for as long as a batch may take; the rest comes again."""
    give_up_at = time.monotonic() + BATCH_TIMEOUT_S
    return [send(each) if time.monotonic() < give_up_at else LATE for each in batch]
