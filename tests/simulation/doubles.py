"""The store, the queues and the provider in memory, behind the protocols that the service knows."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import msgspec
from msgspec.structs import replace

from backend.announcer import Announcement
from backend.domain_events import public_id
from backend.errors import CircuitOpen, StoreUnavailable
from payments.events import listed
from payments.provider import (
    Answer,
    Ask,
    ChargeOrder,
    Effect,
    EffectKind,
    MoneyOrder,
    Outcome,
    Path,
)
from payments.schema import Payment, PaymentListQuery
from redis_sqs import Depth, QueueUnavailable
from tests.simulation.world import World

VISIBILITY_MS = 30_000
Status = Literal["succeeded", "failed", "requires_action"]
OUTCOMES: dict[str, Status] = {
    "pm_card_visa": "succeeded",
    "pm_card_chargeDeclined": "failed",
    "pm_card_authenticationRequired": "requires_action",
}
KINDS: Mapping[Path, EffectKind] = {
    "/charges": "charge",
    "/captures": "capture",
    "/voids": "void",
    "/refunds": "refund",
}
TOLD = 0.2  # of what no customer has to act on, there is a webhook too
REFUSED = 0.1  # captures, voids and refunds that the provider refuses for good
AWAY = StoreUnavailable("simulated")
UNSENT = QueueUnavailable("simulated")


class Store:
    """Payments by id; each write is atomic for one document and for no more."""

    def __init__(self, world: World) -> None:
        self.documents: dict[str, Payment] = {}
        self.versions: list[Payment] = []  # every one that was ever stored
        self.reconciled = 0
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

    def send(self, body: str) -> str:
        self.send_batch([body])
        return ""

    def send_batch(
        self,
        bodies: Sequence[str],
        *,
        delay_s: int = 0,
        traces: Sequence[str] = (),
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


class Provider:
    """A provider: each effect happens once a key; an answer that is lost leaves its effect behind.

    A charge that requires action waits until its customer confirms it, or a void gives it up.
    """

    def __init__(self, world: World, tell: Callable[[Answer], None]) -> None:
        self.done: list[tuple[Ask, Outcome]] = []
        self.record: list[Effect] = []
        self.reused: list[str] = []
        self._world = world
        self._tell = tell  # has a webhook sent
        self._by_key: dict[str, tuple[Ask, Outcome]] = {}
        self.held: dict[str, int] = {}
        self._captured: dict[str, int] = {}
        self._unconfirmed: dict[str, tuple[Ask, Outcome]] = {}  # by charge
        self._captures_once = world.dice.random() < 0.5  # and gives up the rest, as Stripe does

    def ask_all(self, asks: Sequence[Ask]) -> dict[str, Outcome]:
        if asks and self._world.strikes("open"):
            raise CircuitOpen("simulated")
        outcomes = {}
        for ask in asks:
            try:
                outcomes[ask.key] = self._world.io(partial(self._answer, ask), UNSENT)
            except QueueUnavailable:
                continue  # no answer: nobody knows whether it was done
        return outcomes

    def _answer(self, ask: Ask) -> Outcome:
        if ask.key not in self._by_key:
            self._by_key[ask.key] = (ask, self._do(ask))
            self._note(*self._by_key[ask.key])
        first, outcome = self._by_key[ask.key]
        if first != ask:
            self.reused.append(f"the key {ask.key} was used for another order")
        return outcome

    def _do(self, ask: Ask) -> Outcome:
        order, identity = ask.order, f"x_{len(self.done) + 1}"
        status: Status = "failed"
        captured, released = False, 0
        if isinstance(order, ChargeOrder):
            status = OUTCOMES[order.payment_method]
            if order.off_session is True and status == "requires_action":
                status = "failed"
            captured = status == "succeeded" and order.capture
            is_held = status == "succeeded" and not order.capture
            self.held[identity] = order.amount if is_held else 0
            self._captured[identity] = order.amount if captured else 0
        elif order.amount == 0:
            status = "succeeded" if self._unconfirmed.pop(order.charge, None) else "failed"
        elif self._move(ask.path, order):
            status = "succeeded"
            if ask.path == "/captures" and self._captures_once:
                released, self.held[order.charge] = self.held[order.charge], 0
        return Outcome(
            id=identity,
            reference=order.reference,
            status=status,
            amount=order.amount,
            currency=order.currency,
            captured=captured,
            released=released,
        )

    def confirm(self) -> None:
        """Have the customer of some charge that waits act on it."""
        if not self._unconfirmed:
            return
        charge = self._world.dice.choice(sorted(self._unconfirmed))
        ask, first = self._unconfirmed.pop(charge)
        assert isinstance(ask.order, ChargeOrder)
        status = self._world.dice.choice(("succeeded", "succeeded", "failed"))
        captured = status == "succeeded" and ask.order.capture
        amounts = self._captured if captured else self.held
        amounts[charge] = ask.order.amount if status == "succeeded" else 0
        self._world.happened["confirmed"] += 1
        self._note(ask, replace(first, status=status, captured=captured), "confirmation")

    def effects(self, after: int) -> list[Effect]:
        return self._world.io(lambda: self.record[after : after + 3], UNSENT)

    def _note(self, ask: Ask, outcome: Outcome, kind: EffectKind | None = None) -> None:
        """Write it down; where a customer has to act, or has, a webhook tells of it."""
        self.done.append((ask, outcome))
        effect = Effect(
            sequence=len(self.record) + 1,
            idempotency_key=ask.key,
            kind=kind or KINDS[ask.path],
            created_ms=self._world.now_ms,
            charge=outcome.id if kind else getattr(ask.order, "charge", None),
            **msgspec.to_builtins(outcome),
        )
        self.record.append(effect)
        if effect.status == "succeeded" and (effect.captured or effect.kind == "capture"):
            self._take_fee(effect)
        if outcome.status == "requires_action":
            self._unconfirmed[outcome.id] = (ask, outcome)
        if kind or outcome.status == "requires_action" or self._world.dice.random() < TOLD:
            self._tell(effect.answer())

    def _take_fee(self, effect: Effect) -> None:
        """Write down the fee of what was captured; every third capture is free."""
        number = len(self.record) + 1
        fee = replace(
            effect,
            sequence=number,
            id=f"fee_{number}",
            idempotency_key=f"fee_{number}",
            kind="fee",
            amount=number % 3,
            captured=False,
        )
        self.record.append(fee)

    def _move(self, path: str, order: MoneyOrder) -> bool:
        left = self._captured if path == "/refunds" else self.held
        if order.amount > left[order.charge] or self._world.dice.random() < REFUSED:
            return False
        left[order.charge] -= order.amount
        if path == "/captures":
            self._captured[order.charge] += order.amount
        return True
