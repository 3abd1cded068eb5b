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
from backend.errors import CircuitOpen, ProviderUnavailable, StoreUnavailable
from backend.test_clocks import TestClock
from payments.events import listed
from payments.provider import (
    Answer,
    Ask,
    ChargeOrder,
    DisputeOrder,
    DisputeReport,
    DisputeStatus,
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
    "/evidence": "evidence",
    "/acceptances": "acceptance",
}
UNASKED = ("confirmation", "dispute", "lapse")
FEE = 15
HOLD_MS = 7 * 86_400_000
CLOCK_MS = 500_000_000  # the time of the one test clock, at first
FORGED = 0.2  # disputes that are followed by a report of other money
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


class Provider:
    """A provider: each effect happens once a key; an answer that is lost leaves its effect behind.

    A charge that requires action waits until its customer confirms it, or a void gives it up.
    """

    def __init__(self, world: World, tell: Callable[[Answer | DisputeReport], None]) -> None:
        self.record: list[Effect] = []
        self.reused: list[str] = []
        self._world = world
        self._tell = tell  # has a webhook sent
        self._by_key: dict[str, tuple[Ask, Outcome]] = {}
        self.held: dict[str, int] = {}
        self._captured: dict[str, int] = {}
        self._unconfirmed: dict[str, tuple[Ask, Outcome]] = {}  # by charge
        self._captures_once = world.dice.random() < 0.5  # and gives up the rest, as Stripe does
        self._charges: dict[str, Outcome] = {}
        self._disputes: dict[str, DisputeReport] = {}  # those that are open
        self._clocked: dict[str, int] = {}  # charges of the test clock, and when each lapses
        self._clock_ms = CLOCK_MS
        self.by_time: list[Effect] = []  # what happened because the clock was moved

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
            if isinstance(ask.order, DisputeOrder):
                self._take_answer(ask, ask.order, self._by_key[ask.key][1])
        first, outcome = self._by_key[ask.key]
        if first != ask:
            self.reused.append(f"the key {ask.key} was used for another order")
        return outcome

    def _do(self, ask: Ask) -> Outcome:
        order, identity = ask.order, f"x_{len(self.record) + 1}"
        status: Status = "failed"
        captured, released = False, 0
        if isinstance(order, ChargeOrder):
            if order.clock_ms is not None:
                self._clocked[identity] = order.clock_ms + HOLD_MS
            status = OUTCOMES[order.payment_method]
            if order.off_session is True and status == "requires_action":
                status = "failed"
            captured = status == "succeeded" and order.capture
            is_held = status == "succeeded" and not order.capture
            self.held[identity] = order.amount if is_held else 0
            self._captured[identity] = order.amount if captured else 0
        elif isinstance(order, DisputeOrder):
            status = "succeeded" if self._takes(order) else "failed"
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
            clock_ms=(
                order.clock_ms if isinstance(order, ChargeOrder) else self._time_of(order.charge)
            ),
            released=released,
        )

    def move_clock(self, clock_id: str, now_ms: int) -> list[Effect]:
        """Have all lapse that is due by then, the first due first, and return all that ever has."""

        def effect() -> list[Effect]:
            for charge, at_ms in sorted(self._clocked.items(), key=lambda each: each[1]):
                if at_ms <= now_ms and self.held[charge]:
                    self._clock_ms = max(self._clock_ms, at_ms)
                    self._lapse(charge, at_ms)
                    self.by_time.append(self.record[-1])
            self._clock_ms = max(self._clock_ms, now_ms)
            return list(self.by_time)

        return self._world.io(effect, ProviderUnavailable("simulated"))

    def _time_of(self, charge: str) -> int | None:
        return self._clock_ms if charge in self._clocked else None

    def confirm(self) -> None:
        """Have the customer of some charge that waits act on it."""
        if not self._unconfirmed:
            return
        charge = self._world.dice.choice(sorted(self._unconfirmed))
        ask, first = self._unconfirmed.pop(charge)
        assert isinstance(ask.order, ChargeOrder)
        status = self._world.dice.choice(("succeeded", "succeeded", "failed"))
        first = replace(first, clock_ms=self._time_of(charge))
        if charge in self._clocked:
            self._clocked[charge] = self._clock_ms + HOLD_MS
        captured = status == "succeeded" and ask.order.capture
        amounts = self._captured if captured else self.held
        amounts[charge] = ask.order.amount if status == "succeeded" else 0
        self._world.happened["confirmed"] += 1
        self._note(ask, replace(first, status=status, captured=captured), "confirmation")

    def dispute(self) -> None:
        """Have some customer's bank dispute a charge, or a part of what is left of it."""
        charges = sorted(each for each, left in self._captured.items() if left > 0)
        if not charges:
            return
        dice = self._world.dice
        charge = dice.choice(charges)
        left = self._captured[charge]
        report = DisputeReport(
            id=f"dp_{len(self.record) + 1}",
            reference=self._charges[charge].reference,
            charge=charge,
            amount=dice.choice((left, dice.randrange(1, left + 1))),
            currency="EUR",
            fee=dice.choice((FEE, 0)),
            reason="fraudulent",
            status="needs_response",
            due_ms=self._world.now_ms + dice.choice((100_000, 10_000_000)),
        )
        self._captured[charge] -= report.amount
        self._world.happened["disputed"] += 1
        self._report(report)
        if dice.random() < FORGED:
            self._tell(self._forged(report))

    def rule(self) -> None:
        """Have some bank decide an open dispute, answered or not."""
        if self._disputes:
            report = self._disputes[self._world.dice.choice(sorted(self._disputes))]
            self._decide(report, self._world.dice.choice(("won", "lost")))

    def lapse(self) -> None:
        """Have some bank hold no longer what it has held."""
        charges = sorted(x for x, amount in self.held.items() if amount and x not in self._clocked)
        if charges:
            self._lapse(self._world.dice.choice(charges), None)

    def _lapse(self, charge: str, clock_ms: int | None) -> None:
        first = self._charges[charge]
        outcome = replace(first, id=f"lp_{len(self.record) + 1}", status="succeeded")
        outcome = replace(outcome, amount=self.held[charge], captured=False, clock_ms=clock_ms)
        self.held[charge] = 0
        self._world.happened["lapsed"] += 1
        self._write("lapse", f"{first.reference}:lapse", outcome, charge)

    def effects(self, after: int) -> list[Effect]:
        return self._world.io(lambda: self.record[after : after + 3], UNSENT)

    def _note(self, ask: Ask, outcome: Outcome, kind: EffectKind | None = None) -> None:
        """Write it down; where a customer has to act, or has, a webhook tells of it."""
        if isinstance(ask.order, ChargeOrder):
            self._charges.setdefault(outcome.id, outcome)
        charge = outcome.id if kind else getattr(ask.order, "charge", None)
        self._write(kind or KINDS[ask.path], ask.key, outcome, charge)
        if outcome.status == "requires_action":
            self._unconfirmed[outcome.id] = (ask, outcome)

    def _write(
        self,
        kind: EffectKind,
        key: str,
        outcome: Outcome,
        charge: str | None,
        report: DisputeReport | None = None,
    ) -> None:
        effect = Effect(
            sequence=len(self.record) + 1,
            idempotency_key=key,
            kind=kind,
            created_ms=self._world.now_ms,
            charge=charge,
            dispute=report,
            **msgspec.to_builtins(outcome),
        )
        self.record.append(effect)
        if effect.status == "succeeded" and (effect.captured or effect.kind == "capture"):
            self._take_fee(effect)
        is_news = kind in UNASKED or outcome.status == "requires_action"
        if is_news or self._world.dice.random() < TOLD:
            self._tell(effect.answer())

    def _takes(self, order: DisputeOrder) -> bool:
        report = self._disputes.get(order.dispute_id)
        is_open = report is not None and report.status == "needs_response"
        return is_open and self._world.dice.random() >= REFUSED

    def _take_answer(self, ask: Ask, order: DisputeOrder, outcome: Outcome) -> None:
        if outcome.status != "succeeded":
            return
        report = self._disputes[order.dispute_id]
        if ask.path == "/acceptances":
            self._decide(report, "lost")
            return
        self._report(replace(report, status="under_review"))
        if self._world.dice.random() < 0.5:
            self._decide(self._disputes[report.id], self._world.dice.choice(("won", "lost")))

    def _decide(self, report: DisputeReport, status: DisputeStatus) -> None:
        if status == "won":
            self._captured[report.charge] += report.amount
        self._report(replace(report, status=status))

    def _report(self, report: DisputeReport) -> None:
        report = replace(report, clock_ms=self._time_of(report.charge))
        self._disputes[report.id] = report
        if report.status in ("won", "lost"):
            del self._disputes[report.id]
        outcome = replace(self._charges[report.charge], id=report.id, status="succeeded")
        outcome = replace(outcome, amount=report.amount, captured=False, clock_ms=report.clock_ms)
        self._write("dispute", f"{report.id}:{report.status}", outcome, report.charge, report)

    def _forged(self, report: DisputeReport) -> DisputeReport:
        """Return a report of another dispute that is wrong about the money."""
        amount = self._charges[report.charge].amount + 1
        changes: list[dict[str, object]] = [
            {"charge": "x_0"},
            {"currency": "USD"},
            {"amount": amount},
            {"amount": amount, "status": "won"},
        ]
        return replace(report, id="dp_0", **self._world.dice.choice(changes))

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
