"""The store and the queues in memory, behind the protocols that the service knows."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from backend.announcer import Announcement
from backend.domain_events import public_id
from backend.errors import StoreUnavailable
from backend.test_clocks import TestClock
from payments.events import listed
from payments.schema import Payment, PaymentListQuery
from redis_sqs import Depth, QueueUnavailable
from tests.simulation.world import World

VISIBILITY_MS = 30_000
CLOCK_MS = 500_000_000  # the time of the one test clock, at first
AWAY = StoreUnavailable("simulated")
UNSENT = QueueUnavailable("simulated")


class Store:
    """Payments by id; each write is atomic for one document and for no more."""

    def __init__(self, world: World) -> None:
        self.documents: dict[str, Payment] = {}
        self.versions: list[Payment] = []  # every one that was ever stored
        self.reconciled = 0
        self.clock_ms = CLOCK_MS
        self._world = world

    def insert(self, payment: Payment) -> Payment | None:
        def effect() -> Payment | None:
            existing = self.documents.get(payment.id)
            if existing is None:
                self._put(payment)
            return existing

        return self._world.io(effect, AWAY)

    def find(self, tenant: str, payment_id: str) -> Payment | None:
        payment = self.find_many([payment_id]).get(payment_id)
        return payment if payment and payment.tenant == tenant else None

    def tie(self, tenant: str, clock_id: str) -> TestClock:
        clock = TestClock(id=clock_id, tenant=tenant, created_ms=0, frozen_ms=self.clock_ms)
        return self._world.io(lambda: clock, AWAY)

    def time_of(self, clock_id: str) -> int | None:
        return self._world.io(lambda: self.clock_ms, AWAY)

    def find_many(self, payment_ids: Collection[str]) -> dict[str, Payment]:
        return self._world.io(
            lambda: {
                each: self.documents[each] for each in sorted(payment_ids) if each in self.documents
            },
            AWAY,
        )

    def replace_all(self, changed: Sequence[Payment], *, now_ms: int) -> set[str]:
        stored = set()
        for each in changed:
            if self._world.io(partial(self._replace, each), AWAY):
                stored.add(each.id)
        return stored

    def store_outboxes(self, payments: Sequence[Payment]) -> None:
        for each in payments:
            if not self._world.strikes("lost"):  # nobody waits for an answer
                self._world.io(partial(self._store_outbox, each), AWAY)

    def promised_before(self, time_ms: int, *, limit: int) -> list[Payment]:
        def effect() -> list[Payment]:
            return [
                each
                for each in self.documents.values()
                if each.promised_ms is not None and each.promised_ms < time_ms
            ][:limit]

        return self._world.io(effect, AWAY)

    def page(self, tenant: str, query: PaymentListQuery, **_: object) -> list[Payment]:
        raise NotImplementedError

    def all_after(self, payment_id: str, *, limit: int) -> list[Payment]:
        raise NotImplementedError

    def reconciled_up_to(self, provider: str) -> int:
        return self._world.io(lambda: self.reconciled, AWAY)

    def set_reconciled_up_to(self, provider: str, sequence: int) -> None:
        def effect() -> None:
            self.reconciled = sequence

        self._world.io(effect, AWAY)

    def guarded(self, payment: Payment) -> bool:
        """Return whether the version that this one was made of is still the stored one."""
        return self.documents[payment.id].version == payment.version - 1

    def _replace(self, payment: Payment) -> bool:
        if self.guarded(payment):
            self._put(payment)
        return self.documents[payment.id] == payment

    def _store_outbox(self, payment: Payment) -> None:
        if self.documents[payment.id].version == payment.version:
            self._put(payment)

    def _put(self, payment: Payment) -> None:
        self.documents[payment.id] = payment
        self.versions.append(payment)


@dataclass
class HeldMessage:
    """A message on a queue."""

    body: str
    sent_ms: int
    visible_ms: int
    receives: int = 0


Receipt = tuple[int, int]  # number of the message, of the receive


class Queue:
    """A queue: at least once, in no order, and a message that is not deleted comes back."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.sent: list[str] = []
        self._world = world
        self._messages: dict[int, HeldMessage] = {}
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._messages)

    def send(self, body: str, *, group: str = "") -> str:
        self.send_batch([body])
        return ""

    def send_batch(
        self,
        bodies: Sequence[str],
        *,
        delay_s: int = 0,
        traces: Sequence[str] = (),
        group: str = "",
        groups: Sequence[str] = (),
        is_promised: bool = False,
    ) -> list[str]:
        def effect() -> list[str]:
            if is_promised and self._world.strikes("lost"):
                return []  # nobody waits for an answer
            for body in bodies:
                for _ in range(2 if self._world.strikes("duplicated") else 1):
                    self._numbers += 1
                    now_ms = self._world.now_ms
                    self._messages[self._numbers] = HeldMessage(body, now_ms, now_ms)
                self.sent.append(body)
            return []

        return self._world.io(effect, UNSENT)

    def receive(self) -> dict[Receipt, str]:
        """Up to ten bodies by receipt."""
        if self._world.strikes("wiped"):
            self._messages.clear()
        now_ms = self._world.now_ms
        visible = [n for n, each in self._messages.items() if each.visible_ms <= now_ms]
        self._world.dice.shuffle(visible)
        bodies = {}
        for number in visible[:10]:
            message = self._messages[number]
            message.visible_ms = now_ms + VISIBILITY_MS
            message.receives += 1
            self._world.happened["redelivered"] += message.receives > 1
            bodies[number, message.receives] = message.body
        return bodies

    def delete(self, receipt: Receipt) -> None:
        if self._is_newest(receipt):
            del self._messages[receipt[0]]

    def release(self, receipt: Receipt) -> None:
        if self._is_newest(receipt):
            self._messages[receipt[0]].visible_ms = self._world.now_ms + 1_000

    def _is_newest(self, receipt: Receipt) -> bool:
        number, receives = receipt
        return number in self._messages and self._messages[number].receives == receives

    def depth(self) -> Depth:
        oldest_ms = min(
            (each.sent_ms for each in self._messages.values()), default=self._world.now_ms
        )
        age_s = (self._world.now_ms - oldest_ms) / 1000
        visible = sum(e.visible_ms <= self._world.now_ms for e in self._messages.values())
        return Depth(visible=visible, delayed=0, in_flight=0, oldest_age_s=age_s)


class WebhookQueue(Queue):
    """The queue of those who hear of events; each event must be listed before."""

    def __init__(self, world: World, listed: Mapping[str, str]) -> None:
        super().__init__(world, "webhooks")
        self.unlisted: list[str] = []
        self._listed = listed

    def send_batch(self, bodies: Sequence[str], **options: object) -> list[str]:
        for event in (each for body in bodies for each in json.loads(body)["events"]):
            if public_id(event["event_id"]) not in self._listed:
                self.unlisted.append(event["event_id"])
        return super().send_batch(bodies, **options)  # type: ignore[arg-type]


class Listed(dict[str, str]):
    """The bodies of listed events by id."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def keep(self, announcements: Sequence[Announcement]) -> None:
        def effect() -> None:
            for each in listed(announcements):
                self.setdefault(each.id, each.body)

        self._world.io(effect, AWAY)
