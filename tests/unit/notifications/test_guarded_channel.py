"""A channel whose server gives no reply: it is left alone, then asked with one notification."""

from collections.abc import Sequence
from typing import Any

from notifications.answers import Accepted, Answer, RetryAfter
from notifications.channels.guarded import Guarded
from redis_sqs.breaker import CALLS_MIN

NOTIFICATION: Any = "a notification"  # no channel of these tests looks into it


class Server:
    """A channel whose server replies when it is told to."""

    schedule_s: Sequence[int] = (30,)

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.sent = 0

    def send_all(self, batch: Sequence[Any]) -> list[Answer]:
        self.sent += len(batch)
        return [self.answer] * len(batch)


def test_a_server_without_a_reply_is_not_asked_for_the_next_batch():
    server = Server(RetryAfter(reason="No reply by SMTP."))
    channel = Guarded(server, "mail server")
    batch = [NOTIFICATION] * CALLS_MIN
    channel.send_all(batch)
    answers = channel.send_all(batch)

    assert server.sent == CALLS_MIN
    assert len(answers) == CALLS_MIN
    assert isinstance(answers[0], RetryAfter)
    assert answers[0].reason.startswith("The mail server failed too often")


def test_a_server_that_says_later_is_one_that_replies():
    server = Server(RetryAfter(code=451, reason="greylisted"))
    channel = Guarded(server, "mail server")
    for _ in range(3):
        channel.send_all([NOTIFICATION] * CALLS_MIN)

    assert server.sent == 3 * CALLS_MIN


def test_what_a_server_takes_is_answered_in_order():
    server = Server(Accepted(code=250, reference="ok"))

    assert Guarded(server, "mail server").send_all([NOTIFICATION] * 3) == [server.answer] * 3
