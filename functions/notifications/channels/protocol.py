"""The protocol of channels: one takes notifications to recipients, with an answer for each."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from notifications.answers import Answer, RetryAfter
from notifications.schema import Notification

# A batch must be answered within the worker's five seconds, and what is stored by then is better
# than killed: a channel that needs longer answers RetryAfter for what is left.
BATCH_TIMEOUT_S = 3.0
# Mail servers that greylist take it a few minutes later; the last attempt is twelve hours after the
# first, when a server that is down for a night has come back.
SCHEDULE_S = (30, 300, 900, 3600, 7200, 14_400, 14_400)
LATE = RetryAfter(reason="The others of its batch took too long.")


class Channel(Protocol):
    """One way to reach people, such as e-mail."""

    @property
    def schedule_s(self) -> Sequence[int]:
        """The waits between attempts, s; once the last was in vain, the notification has failed.

        A longer RetryAfter.seconds goes before.
        """

    def send_all(self, batch: Sequence[Notification]) -> list[Answer]:
        """Send each under its id, which never changes; returns one answer each, in their order.

        What cannot be known is RetryAfter: at least once means again. Raises nothing of the other
        side's doing.
        """


def one_by_one(
    batch: Sequence[Notification], send: Callable[[Notification], Answer]
) -> list[Answer]:
    """Send each of a batch with `send` for as long as a batch may take; the rest comes again."""
    give_up_at = time.monotonic() + BATCH_TIMEOUT_S
    return [send(each) if time.monotonic() < give_up_at else LATE for each in batch]
