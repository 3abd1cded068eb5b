"""The provider in memory, with the customers and banks behind it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import msgspec
from msgspec.structs import replace

from backend.errors import CircuitOpen, ProviderUnavailable
from payments.provider import (
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
    Word,
)
from redis_sqs import QueueUnavailable
from tests.simulation.doubles import CLOCK_MS, UNSENT
from tests.simulation.world import World

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
LATE_FEE = 0.5  # disputes whose fee is taken later than they are told, or given back at last
FORGED = 0.2  # disputes that are followed by a report of other money
TOLD = 0.2  # of what no customer has to act on, there is a webhook too
REFUSED = 0.1  # captures, voids and refunds that the provider refuses for good


class Provider:
    """A provider: each effect happens once a key; an answer that is lost leaves its effect behind.

    A charge that requires action waits until its customer confirms it, or a void gives it up.
    """

    def __init__(self, world: World, tell: Callable[[Word], None]) -> None:
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
        self._disputes: dict[str, DisputeReport] = {}  # those that are not won
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
        if not report.fee and dice.random() < LATE_FEE:
            self._report(replace(report, fee=FEE))
        if dice.random() < FORGED:
            self._tell(self._forged(report))

    def rule(self) -> None:
        """Have some bank decide an open dispute, answered or not, or one that was lost anew."""
        if self._disputes:
            report = self._disputes[self._world.dice.choice(sorted(self._disputes))]
            is_lost = report.status == "lost"
            self._world.happened["reversed"] += is_lost
            self._decide(report, "won" if is_lost else self._world.dice.choice(("won", "lost")))

    def send_back(self) -> None:
        """Have some bank send back a refund that was made."""
        last = {each.idempotency_key: each for each in self.record if each.kind == "refund"}
        made = [each for each in last.values() if each.status == "succeeded"]
        if made:
            refund = self._world.dice.choice(made)
            assert refund.charge
            self._captured[refund.charge] += refund.amount
            self._world.happened["sent back"] += 1
            outcome = self._by_key[refund.idempotency_key][1]
            back = replace(outcome, status="failed", clock_ms=self._time_of(refund.charge))
            self._write("refund", refund.idempotency_key, back, refund.charge)

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
        fee = report.fee + self._world.dice.choice((0, FEE))
        self._report(replace(report, status="under_review", fee=fee))
        if self._world.dice.random() < 0.5:
            self._decide(self._disputes[report.id], self._world.dice.choice(("won", "lost")))

    def _decide(self, report: DisputeReport, status: DisputeStatus) -> None:
        if status == "won":
            self._captured[report.charge] += report.amount
        self._report(replace(report, status=status))
        if status == "won" and report.fee and self._world.dice.random() < LATE_FEE:
            self._report(replace(report, status=status, fee=report.fee - FEE))

    def _report(self, report: DisputeReport) -> None:
        report = replace(report, clock_ms=self._time_of(report.charge))
        self._disputes[report.id] = report
        if report.status == "won":
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
        if order.amount > left.get(order.charge, 0) or self._world.dice.random() < REFUSED:
            return False
        left[order.charge] -= order.amount
        if path == "/captures":
            self._captured[order.charge] += order.amount
        return True
