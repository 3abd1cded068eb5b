"""One history: clients, workers and a relay on the real service, and what must hold at its end."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from backend import domain_events
from backend.announcer import Announcer, Sender
from backend.domain_events import body, public_id
from backend.errors import BackendError, InvalidRequest, Unavailable
from payments import ledger, life_cycle, service
from payments.provider import Answer, Effect, Outcome
from payments.reconciliation import reconcile_new
from payments.schema import (
    CancelRequest,
    CaptureRequest,
    ConfirmRequest,
    OperationRequest,
    Payment,
    PaymentRequest,
    RefundRequest,
    SettlePayment,
)
from payments.views import as_asked, view
from redis_sqs import QueueUnavailable
from tests.simulation.doubles import OUTCOMES, Listed, Provider, Queue, Store, WebhookQueue
from tests.simulation.world import Crash, Faults, World

CLIENTS = 4
WORKERS = 3
IDLE_MS = 1_000  # a worker looks again; more often costs seeds
PATIENCE = 8  # times a client tries the same key before it gives up
LIVE_MS = 600_000
QUIET_MS = 3_600_000  # without faults: longer than the relay's reminder
TENANT = "t"


@dataclass
class Journal:
    """The answers that clients got, by key; nothing of it may ever be contradicted."""

    requests: dict[str, PaymentRequest | OperationRequest] = field(default_factory=dict)
    answers: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    contradictions: list[str] = field(default_factory=list)


class History:
    """The system of one seed; `violations` says what is wrong with it after `run`."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.store = Store(self.world)
        self.provider = Provider(self.world, self._send_webhook)
        self.listed = Listed(self.world)
        self.webhooks = WebhookQueue(self.world, self.listed)
        self.settlements = Queue(self.world, "payments")
        self.queues: dict[str, Sender] = {
            "payments": self.settlements,
            "analytics": Announcer(
                Queue(self.world, "analytics"),
                self.webhooks,
                listens=lambda tenant: True,
                keep=self.listed.keep,
            ),
            "notifications": Queue(self.world, "notifications"),
        }
        self.journal = Journal()
        self._busy = CLIENTS

    def run(self) -> list[str]:
        """Live with faults, then without, until nothing is left to do; returns the violations."""
        for number in range(CLIENTS):
            self.world.start(partial(self._client, number))
        for _ in range(WORKERS):
            self.world.start(self._worker)
        self.world.start(self._relay)
        self.world.start(self._reconcile)
        self.world.start(self._customer)
        finished = self.world.run(lambda: self._busy == 0, at_most_ms=LIVE_MS)
        self.world.faults = Faults()
        quiet = finished and self.world.run(self._is_quiet, at_most_ms=QUIET_MS)
        self.world.end()
        return self._violations() + ([] if quiet else ["something is left to do for ever"])

    @property
    def happened(self) -> Counter[str]:
        """The make-up of the history: faults, payments and effects of the provider."""
        documents = self.store.documents.values()
        made = {
            "payments": len(documents),
            "effects": len(self.provider.record),
            "tried again": sum(len(each.attempts) for each in documents),
            "off session": sum(each.off_session for each in documents),
        }
        return self.world.happened + Counter(made)

    def _is_quiet(self) -> bool:
        documents = self.store.documents.values()
        return (
            not len(self.settlements)
            and not any(each.outbox for each in documents)
            and self.store.reconciled == len(self.provider.record)
        )

    # Who acts.

    def _client(self, number: int) -> None:
        dice = self.world.dice
        for turn in range(dice.randrange(1, 3)):
            key = f"{number}-{turn}"
            request = PaymentRequest(
                amount=dice.randrange(1, 1000),
                currency="EUR",
                payment_method=dice.choice(["pm_card_visa"] * 4 + list(OUTCOMES)),
                capture_method=dice.choice(["automatic", "manual"]),
                receipt_email="a@example.com",
            )
            if dice.random() < 0.3:
                request = msgspec.structs.replace(request, customer="cus_1", off_session=True)
            self._create_twice(key, request)
            payment_id = self._until_answered(key, request)
            if payment_id is not None:
                for step in range(dice.randrange(4)):
                    self.world.sleep(dice.choice((0, 200, 5_000, 40_000)))
                    self._operate(f"{key}-{step}", payment_id, request)
        self._busy -= 1

    def _create_twice(self, key: str, request: PaymentRequest) -> None:
        """Create twice: sometimes at once, and sometimes with another body."""
        other = msgspec.structs.replace(request, amount=request.amount + 1)
        for each in (request, other):
            if self.world.dice.random() < 0.3:
                self._beside(key, each)

    def _beside(
        self, key: str, request: PaymentRequest | OperationRequest, payment_id: str = ""
    ) -> None:
        """Make a request while the client goes on."""

        def rival() -> None:
            self._until_answered(key, request, payment_id)
            self._busy -= 1

        self._busy += 1
        self.world.start(rival)

    def _operate(self, key: str, payment_id: str, created: PaymentRequest) -> None:
        dice = self.world.dice
        amount = dice.choice((None, dice.randrange(1, created.amount + 1)))
        requests: list[OperationRequest] = [
            CaptureRequest(amount=amount),
            RefundRequest(amount=amount),
            CancelRequest(),
        ]
        retries = 1 if created.payment_method == "pm_card_visa" else 4
        for _ in range(retries):
            method = dice.choice(list(OUTCOMES))
            requests.append(ConfirmRequest(payment_method=method))
        request = dice.choice(requests)
        if dice.random() < 0.3:
            self._beside(dice.choice((key, f"{key}-rival")), request, payment_id)
        self._until_answered(key, request, payment_id)

    def _until_answered(
        self, key: str, request: PaymentRequest | OperationRequest, payment_id: str = ""
    ) -> str | None:
        """Repeat the request under the same key until there is an answer, or patience ends."""
        for _ in range(PATIENCE):
            try:
                payment, body = self._ask(key, request, payment_id)
            except (Unavailable, QueueUnavailable, Crash):
                self.world.sleep(self.world.dice.choice((10, 1_000, 40_000)))
                continue
            except InvalidRequest:
                return None
            except BackendError:
                continue
            if self.journal.requests.setdefault(key, request) != request:
                self.journal.contradictions.append(f"{key} was taken with two bodies")
            self.journal.answers[key].append(body)
            return payment.id
        return None

    def _ask(
        self, key: str, request: PaymentRequest | OperationRequest, payment_id: str
    ) -> tuple[Payment, bytes]:
        doubles = self._doubles()
        if isinstance(request, PaymentRequest):
            payment, _ = service.accept(request, key=key, tenant=TENANT, **doubles)  # type: ignore[arg-type]
            return payment, msgspec.json.encode(view(as_asked(payment, None)))
        payment, operation, _ = service.operate(
            request,
            payment_id=payment_id,
            key=key,
            tenant=TENANT,
            **doubles,  # type: ignore[arg-type]
        )
        return payment, msgspec.json.encode(view(as_asked(payment, operation)))

    def _worker(self) -> None:
        queue = self.settlements
        while True:
            messages = queue.receive()
            if not messages:
                self.world.sleep(IDLE_MS)
                continue
            orders = {
                receipt: msgspec.json.decode(body, type=SettlePayment)
                for receipt, body in messages.items()
            }
            ids = {receipt: each.payment_id for receipt, each in orders.items()}
            try:
                self._settle(ids, [each.answer for each in orders.values() if each.answer])
            except Crash:
                self.world.sleep(500)  # the next process; what was in hand comes back by itself
            except (BackendError, QueueUnavailable):
                for receipt in ids:
                    queue.release(receipt)

    def _settle(self, ids: dict[tuple[int, int], str], answers: list[Answer]) -> None:
        queue = self.settlements
        missed = service.hear(answers, **self._doubles())  # type: ignore[arg-type]
        settled = service.settle(
            set(ids.values()),
            payments=self.store,
            provider=self.provider,
            queues=self.queues,
            now_ms=self.world.now_ms,
        )
        self.world.io(lambda: None, Unavailable("simulated"))
        for receipt, payment_id in ids.items():
            if payment_id in settled - missed:
                queue.delete(receipt)
            else:
                queue.release(receipt)

    def _relay(self) -> None:
        while True:
            self.world.sleep(2_000)
            try:
                service.relay(payments=self.store, queues=self.queues, now_ms=self.world.now_ms)
            except (Crash, BackendError, QueueUnavailable):
                continue

    def _reconcile(self) -> None:
        while True:
            self.world.sleep(30_000)
            try:
                report = reconcile_new(provider=self.provider, **self._doubles())  # type: ignore[arg-type]
            except (Crash, BackendError, QueueUnavailable):
                continue
            self.journal.contradictions += [
                f"{each.payment_id}: {each.kind}" for each in report.mismatches
            ]

    def _customer(self) -> None:
        """Act on what waits, now and then, at last on everything."""
        while True:
            self.world.sleep(self.world.dice.choice((1_000, 20_000, 60_000)))
            self.provider.confirm()

    def _send_webhook(self, answer: Answer) -> None:
        """Have the API's function pass it on, again and again until it has; or lose it."""
        if self.world.strikes("unsent"):
            return
        for _ in range(2 if self.world.strikes("resent") else 1):
            self.world.start(partial(self._deliver, answer))

    def _deliver(self, answer: Answer) -> None:
        if self.world.strikes("late"):
            self.world.sleep(self.world.dice.choice((1_000, 90_000)))
        for _ in range(PATIENCE):
            try:
                service.pass_on(answer, queues=self.queues)
            except (Crash, BackendError, QueueUnavailable):
                self.world.sleep(5_000)
            else:
                return

    def _doubles(self) -> dict[str, object]:
        return {"payments": self.store, "queues": self.queues, "now_ms": self.world.now_ms}

    # What must hold.

    def _violations(self) -> list[str]:
        return [
            *self.journal.contradictions,
            *self.provider.reused,
            *self._answers_contradicted(),
            *self._documents_broken(),
            *self._money_wrong(),
            *self._announcements_missing(),
            *self._announcements_wrong(),
            *self._listed_wrong(),
        ]

    def _answers_contradicted(self) -> list[str]:
        """Return contradictions: one key has one answer, and what was answered exists."""
        wrong = [
            f"{key} was answered in {len(set(bodies))} ways"
            for key, bodies in self.journal.answers.items()
            if len(set(bodies)) > 1
        ]
        created = [
            json.loads(bodies[0])["id"]
            for key, bodies in self.journal.answers.items()
            if isinstance(self.journal.requests[key], PaymentRequest)
        ]
        wrong += [f"{each} is lost" for each in created if each not in self.store.documents]
        wrong += [f"{len(created) - len(set(created))} keys share a payment"] * (
            len(created) != len(set(created))
        )
        return wrong

    def _documents_broken(self) -> list[str]:
        return (
            [
                f"{each.id} version {each.version}: it does not hold that {violation}"
                for each in self.store.versions
                for violation in ledger.violations(each)
            ]
            + [
                f"{each.id} is left {each.status}"
                for each in self.store.documents.values()
                if life_cycle.due(each)
            ]
            + [
                f"{each.id} waits for a customer who is not there"
                for each in self.store.versions
                if each.off_session and not each.attempts and each.status == "requires_action"
            ]
            + [
                f"{effect.reference} has not heard of its {effect.kind}"
                for effect in self.provider.record
                if (payment := self.store.documents.get(effect.reference))
                and life_cycle.answered(payment, _outcome(effect), now_ms=0) is not payment
            ]
        )

    def _money_wrong(self) -> list[str]:
        """Return wrong money: the provider moved exactly what the documents say, once."""
        moved: dict[str, Counter[str]] = defaultdict(Counter)
        charges: Counter[str] = Counter()
        for effect in self.provider.record:
            is_charge = effect.kind in ("charge", "confirmation")
            charges[effect.reference] += is_charge and effect.status == "succeeded"
            if effect.status == "succeeded":
                kind = "capture" if effect.captured else effect.kind
                moved[effect.reference][kind] += effect.amount
        wrong = [f"{each} is charged {count} times" for each, count in charges.items() if count > 1]
        wrong += [f"{each} has no payment" for each in charges if each not in self.store.documents]
        for payment in self.store.documents.values():
            ours = (payment.amount_captured, payment.amount_refunded, payment.amount_fees)
            theirs = tuple(moved[payment.id][each] for each in ("capture", "refund", "fee"))
            if ours != theirs:
                wrong.append(f"{payment.id}: captured, refunded, fees {ours}, provider {theirs}")
            if payment.amount_held != self.provider.held.get(payment.charge_id or "", 0):
                wrong.append(f"{payment.id} holds what the provider does not hold, or the reverse")
            if payment.status == "failed" and moved[payment.id]:
                wrong.append(f"{payment.id} failed, but the provider moved money")
        return wrong

    def _announcements_missing(self) -> list[str]:
        """Return what is missing: every event that others must hear of was sent, at least once."""
        heard = {event["event_id"] for event in self._announced()}
        return [
            f"nobody heard of {payment.id} {event.type}"
            for payment in self.store.documents.values()
            for event in payment.events
            if not event.type.endswith(("created", "requested", "provider_fee"))
            and f"{payment.id}.{event.n}" not in heard
        ]

    def _announcements_wrong(self) -> list[str]:
        """Return what is wrong: whatever was told of an event is its payment at that sequence."""
        states = {
            (payment.id, number): state
            for payment in self.store.documents.values()
            for number, state in enumerate(states_of(payment), start=1)
        }
        return [
            f"{event['event_id']} {event['name']} tells {_told(event)}, it was {state}"
            for event in self._announced()
            if (state := states.get((event["data"]["id"], event["sequence"]))) != _told(event)
        ]

    def _listed_wrong(self) -> list[str]:
        """Return what is wrong: an event is listed before anybody hears of it, as it was told."""
        return [f"{each} was told before it was listed" for each in self.webhooks.unlisted] + [
            f"{each['event_id']} is listed otherwise than it was told"
            for each in self._announced()
            if self.listed.get(public_id(each["event_id"]))
            != body(msgspec.convert(each, domain_events.Event))
        ]

    def _announced(self) -> list[dict[str, Any]]:
        return [event for body in self.webhooks.sent for event in json.loads(body)["events"]]


def states_of(payment: Payment) -> list[tuple[str, str, int, int]]:
    """Return type, status, captured and refunded after each event, from types and amounts alone."""
    states: list[tuple[str, str, int, int]] = []
    settled = "processing"  # what it is while no capture or cancel is under way
    under_way = False
    captured = refunded = 0
    for event in payment.events:
        name = event.type.removeprefix("payment.")
        captured += event.amount if name == "succeeded" else 0
        refunded += event.amount if name == "refunded" else 0
        if name in ("capture_requested", "cancel_requested"):
            under_way = True
        elif name == "confirm_requested":
            settled = "processing"
        elif event.operation and not name.startswith("refund"):
            under_way = False
        if name in ("requires_capture", "requires_action", "failed", "succeeded", "canceled"):
            settled = name
        status = "processing" if under_way else settled
        states.append((event.type, status, captured, refunded))
    return states


def _told(event: dict[str, Any]) -> tuple[str, str, int, int]:
    data = event["data"]
    return event["name"], data["status"], data["amount_captured"], data["amount_refunded"]


def _outcome(effect: Effect) -> dict[str, Outcome]:
    return {effect.idempotency_key: effect.answer().outcome}
