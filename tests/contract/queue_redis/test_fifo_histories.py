"""Random histories of a FIFO queue on Redis against a model of SQS, redrive and purge among them.

Time moves by minutes. A history takes far less, so the time it really takes changes nothing.
"""

import random
from dataclasses import dataclass
from itertools import count

import pytest
import redis

from redis_sqs import Message
from redis_sqs.moves import Moves
from redis_sqs.redis_queue import RedisQueue
from tests.contract.queue_redis.orders import pass_time

NAME, DEAD = "orders.fifo", "orders-dlq.fifo"
VISIBILITY_MINUTES = 2
DEDUPLICATION_MINUTES = 5
RECEIVES_MAX = 2
LIVE_MAX = 12  # more than a batch, and few enough that each has a long history
GROUPS = "abc"
STEPS = 800


@dataclass
class SentMessage:
    """A message as the model knows it; times are in minutes of the model."""

    body: str  # no two have the same
    group: str
    visible_at: int
    id: str = ""  # unknown after a redrive until it is received
    count: int = 0
    handle: str = ""  # the newest

    def is_in_flight(self, now: int) -> bool:
        return self.count > 0 and self.visible_at > now


class FifoHistory:
    def __init__(self, url: str, seed: int) -> None:
        self.choose = random.Random(seed)
        self.url = url
        self.server = redis.Redis.from_url(url, decode_responses=True)
        self.queue = RedisQueue(
            NAME,
            visibility_timeout_s=VISIBILITY_MINUTES * 60,
            max_receive_count=RECEIVES_MAX,
            dead_letter=DEAD,
            redis_url=url,
        )
        self.dead_letters = RedisQueue(DEAD, redis_url=url)
        self.now = 0
        self.live: list[SentMessage] = []  # in the order of the queue
        self.dead: list[SentMessage] = []
        self.bodies = (str(number) for number in count())
        self.remembered: dict[str, tuple[str, str, int]] = {}  # id, number and when it was sent
        self.used_up: list[str] = []  # handles that a newer one or an end has made void

    def step(self) -> None:
        """Do one of the things that can be done now."""
        can = {
            self.send: 3 if len(self.live) < LIVE_MAX else 0,
            self.receive: 4 if self.live else 0,
            self.delete: 2 if self._held() else 0,
            self.release: 4 if self._held() else 0,
            self.use_a_void_handle: 1 if self.used_up else 0,
            self.pass_time: 2,
            self.redrive: 1 if self.dead else 0,
            self.purge: 0.2 if self.live else 0,
        }
        (do,) = self.choose.choices([*can], [*can.values()])
        do()

    def send(self) -> None:
        """Send under a few ids again and again, so that many were sent before."""
        for _ in range(self.choose.randint(1, 3)):
            self._send(self.choose.choice(GROUPS), str(self.choose.randrange(30)))

    def _send(self, group: str, name: str) -> None:
        body = next(self.bodies)
        id_, number = self.queue.send_in_order(body, group=group, deduplication_id=name)
        *earlier, sent_at = self.remembered.get(name, ("", "", -DEDUPLICATION_MINUTES))
        if self.now - sent_at < DEDUPLICATION_MINUTES:
            assert [id_, number] == earlier
            return
        assert all(number > other for _, other, _ in self.remembered.values())
        self.remembered[name] = id_, number, self.now
        self.live.append(SentMessage(body, group, self.now, id_))

    def receive(self) -> None:
        most = self.choose.randint(1, 10)
        locked = {sent.group for sent in self.live if sent.is_in_flight(self.now)}
        received = self.queue.receive(most)
        self._follow_the_dead(locked)
        free = [sent for sent in self.live if sent.group not in locked]
        assert (not received) == all(sent.count == RECEIVES_MAX for sent in free)
        assert len(received) <= most
        for group in GROUPS:
            bodies = [message.body for message in received if self._sent(message).group == group]
            first = [sent.body for sent in free if sent.group == group][: len(bodies)]
            assert bodies == first, "not the first of a group, in their order"
        for message in received:
            self._hold(self._sent(message), message)

    def _hold(self, sent: SentMessage, message: Message) -> None:
        assert message.receive_count == sent.count + 1 <= RECEIVES_MAX
        assert sent.id in ("", message.message_id)
        self._use_up(sent)
        sent.id, sent.handle = message.message_id, message.receipt_handle
        sent.count += 1
        sent.visible_at = self.now + VISIBILITY_MINUTES

    def delete(self) -> None:
        sent = self.choose.choice(self._held())
        expired = self.queue.delete([sent.handle])
        assert expired == ([] if sent.visible_at > self.now else [sent.handle])
        if not expired:
            self.live.remove(sent)
            self._use_up(sent)

    def release(self) -> None:
        sent, after = self.choose.choice(self._held()), self.choose.choice([0, 0, 1, 2, 3])
        released = self.queue.release(sent.handle, after_s=after * 60)
        assert released is (sent.visible_at > self.now)
        if released:
            sent.visible_at = self.now + after

    def use_a_void_handle(self) -> None:
        handle = self.choose.choice(self.used_up)
        self.queue.delete([handle])
        assert not self.queue.release(handle, after_s=0)

    def pass_time(self) -> None:
        minutes = self.choose.randint(1, 2)
        self.now += minutes
        pass_time(self.server, NAME, minutes * 60)

    def redrive(self) -> None:
        task = Moves(DEAD, [NAME], redis_url=self.url).run()
        assert (task.status, task.moved) == ("COMPLETED", len(self.dead))
        self.live += [SentMessage(dead.body, dead.group, self.now) for dead in self.dead]
        self.dead.clear()

    def purge(self) -> None:
        self.server.delete(f"queue:{NAME}:purged")  # as if a minute had passed
        assert self.queue.purge()
        for sent in self.live:
            self._use_up(sent)
        self.live.clear()

    def check_that_no_message_is_lost_or_made(self) -> None:
        depth = self.queue.depth()
        in_flight = sum(sent.is_in_flight(self.now) for sent in self.live)
        assert (depth.visible, depth.in_flight) == (len(self.live) - in_flight, in_flight)
        assert self.dead_letters.depth().visible == len(self.dead)

    def _held(self) -> list[SentMessage]:
        return [sent for sent in self.live if sent.handle]

    def _sent(self, message: Message) -> SentMessage:
        (sent,) = (sent for sent in self.live if sent.body == message.body)
        return sent

    def _use_up(self, sent: SentMessage) -> None:
        if sent.handle:
            self.used_up.append(sent.handle)

    def _follow_the_dead(self, locked: set[str]) -> None:
        """Bury what the server has buried, which is nothing that could have been received."""
        ids = set(self.server.hkeys(f"queue:{DEAD}:progress")) - {sent.id for sent in self.dead}
        buried = [sent for sent in self.live if sent.id in ids]
        assert len(buried) == len(ids)
        for sent in buried:
            assert sent.count == RECEIVES_MAX, "dead before its last receive"
            assert sent.group not in locked, "dead while its group was locked"
            self.live.remove(sent)
            self.dead.append(sent)
            self._use_up(sent)


@pytest.mark.row("3.6", "3.8", "3.10", "3.14", "3.15", "3.21")
@pytest.mark.parametrize("seed", range(4))
def test_no_history_breaks_the_semantics_of_a_fifo_queue(valkey: str, seed: int):
    history = FifoHistory(valkey, seed)
    with history.server:
        for _ in range(STEPS):
            history.step()
            history.check_that_no_message_is_lost_or_made()
