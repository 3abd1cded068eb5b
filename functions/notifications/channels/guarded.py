"""A channel behind a breaker: a server that gives no reply is left alone, and batches go on."""

import time
from collections.abc import Sequence

from backend.breaker import breaker_of
from backend.errors import CircuitOpen
from notifications.answers import Accepted, Answer, Permanent, RetryAfter
from notifications.channels.protocol import Channel
from notifications.schema import Notification


class Guarded:
    """A channel whose server, called `name`, is asked only while it replies.

    A batch that waits for it in vain takes three of the worker's five seconds, which the other
    channels then lack.
    """

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel = channel
        self._breaker = breaker_of(name)

    @property
    def schedule_s(self) -> Sequence[int]:
        """The waits of the channel."""
        return self._channel.schedule_s

    def send_all(self, batch: Sequence[Notification]) -> list[Answer]:
        """Send what the breaker admits: all, one to find out, or none; the rest comes again."""
        try:
            count = self._breaker.admit(len(batch), now_s=time.monotonic())
        except CircuitOpen as error:
            return [RetryAfter(reason=error.detail)] * len(batch)
        answers = self._channel.send_all(batch[:count])
        replies = sum(_is_reply(each) for each in answers)
        failed = len(answers) - replies
        self._breaker.learn(succeeded=replies, failed=failed, now_s=time.monotonic())
        return answers + [RetryAfter(reason="Only one was sent, to find out.")] * (
            len(batch) - count
        )


def _is_reply(answer: Answer) -> bool:
    return isinstance(answer, Accepted | Permanent) or answer.code is not None
