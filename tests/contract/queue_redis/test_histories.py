"""Random histories of the queue on Redis against a model of SQS; time is moved, not waited for.

It moves by minutes. A history takes far less, so the time it really takes changes nothing.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import redis
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from redis_sqs.redis_queue import RedisQueue
from tests.contract.queue_redis.orders import Keys, pass_time

VISIBILITY_MINUTES = 2
RECEIVES_MAX = 2
LIVE_MAX = 6  # few messages, so that each has a long history
# Chooses among what there is. Not by sampled_from: which of two messages of one millisecond comes
# first is luck, and what Hypothesis draws must not hang on it.
ANY = st.integers(0, 99)


@dataclass
class SentMessage:
    """A message as the model knows it; times are in minutes of the model."""

    visible_at: int
    count: int = 0
    handles: list[str] = field(default_factory=list)


class QueueHistory(RuleBasedStateMachine):
    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.server = redis.Redis.from_url(self.url, decode_responses=True)
        self.server.flushall()
        self.queue = RedisQueue(
            "orders",
            visibility_timeout_s=VISIBILITY_MINUTES * 60,
            max_receive_count=RECEIVES_MAX,
            dead_letter="orders-dlq",
            redis_url=self.url,
        )
        self.dead_letters = RedisQueue("orders-dlq", redis_url=self.url)
        self.now = 0
        self.live: dict[str, SentMessage] = {}
        self.dead: set[str] = set()
        self.all_handles: set[str] = set()

    def teardown(self) -> None:
        self.server.close()

    @rule(delay=st.integers(0, 3))
    def send(self, delay: int) -> None:
        if len(self.live) >= LIVE_MAX:
            return
        id_ = self.queue.send("body", delay_s=delay * 60)
        self.live[id_] = SentMessage(visible_at=self.now + delay)

    @rule(count=st.integers(1, 4))
    def send_batch(self, count: int) -> None:
        if len(self.live) >= LIVE_MAX:
            return
        for id_ in self.queue.send_batch(["body"] * count):
            self.live[id_] = SentMessage(visible_at=self.now)

    @rule(most=st.integers(1, 10))
    def receive(self, most: int) -> None:
        received = self.queue.receive(most)
        over_limit = self._bury_as_the_server_did()
        could_come = [id_ for id_, sent in self.live.items() if sent.visible_at <= self.now]
        assert len(received) == min(most, len(could_come))
        for message in received:
            sent = self.live[message.message_id]
            assert sent.visible_at <= self.now, "in flight or delayed, yet received"
            assert message.receive_count == sent.count + 1 <= RECEIVES_MAX
            assert message.receipt_handle not in self.all_handles, "two holders of one handle"
            self.all_handles.add(message.receipt_handle)
            sent.count += 1
            sent.visible_at = self.now + VISIBILITY_MINUTES
            sent.handles.append(message.receipt_handle)
        assert len(received) == most or not over_limit, "over its limit, yet on the queue"

    @rule(choice=ANY)
    def delete(self, choice: int) -> None:
        if in_hand := self._held():
            id_ = in_hand[choice % len(in_hand)]
            self.queue.delete([self.live.pop(id_).handles[-1]])

    @rule(choice=ANY, after=st.integers(0, 3))
    def use_a_stale_handle(self, choice: int, after: int) -> None:
        newest = {sent.handles[-1] for sent in self.live.values() if sent.handles}
        stale = sorted(self.all_handles - newest)
        if stale:
            handle = stale[choice % len(stale)]
            self.queue.delete([handle])
            self.queue.release(handle, after_s=after * 60)

    @rule(choice=ANY, after=st.integers(0, 3))
    def release(self, choice: int, after: int) -> None:
        if in_hand := self._held():
            sent = self.live[in_hand[choice % len(in_hand)]]
            released = self.queue.release(sent.handles[-1], after_s=after * 60)
            assert released is (sent.visible_at > self.now)
            if released:
                sent.visible_at = self.now + after

    @rule(minutes=st.integers(1, 3))
    def pass_time(self, minutes: int) -> None:
        self.now += minutes
        pass_time(self.server, "orders", minutes * 60)

    @invariant()
    def no_message_is_lost_or_made(self) -> None:
        depth = self.queue.depth()
        later = [sent for sent in self.live.values() if sent.visible_at > self.now]
        delayed = sum(sent.count == 0 for sent in later)
        assert depth.visible == len(self.live) - len(later)
        assert (depth.delayed, depth.in_flight) == (delayed, len(later) - delayed)
        assert self.dead_letters.depth().visible == len(self.dead)

    def _held(self) -> list[str]:
        return [id_ for id_, sent in self.live.items() if sent.handles]

    def _bury_as_the_server_did(self) -> list[str]:
        """Follow what moved; return the visible ones over the limit that did not."""
        dead = self.server.zrange(Keys("orders-dlq").visible_at, 0, -1)
        buried = {str(id_) for id_ in dead} - self.dead
        for id_ in buried:
            sent = self.live.pop(id_)
            assert sent.count == RECEIVES_MAX, "dead before its last receive"
            assert sent.visible_at <= self.now, "dead while in flight"
        self.dead |= buried
        return [
            id_
            for id_, sent in self.live.items()
            if sent.count == RECEIVES_MAX and sent.visible_at <= self.now
        ]


def test_no_history_breaks_the_semantics(valkey: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(QueueHistory, "url", valkey, raising=False)

    run_state_machine_as_test(
        QueueHistory,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # shrinking a history takes minutes, reading one does not
        ),
    )
