"""One history: clients, workers, a relay, banks and a clock on the real service."""

from collections import Counter
from functools import partial

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from backend.announcer import Announcer, Sender
from backend.clock import DAY_MS
from backend.errors import BackendError, InvalidRequest, Unavailable
from backend.test_clocks import TestClock
from payments import asks, disputes, outboxes, service
from payments.dispute_schema import Acceptance, Evidence, EvidenceSubmission
from payments.provider import SIMULATOR, Answer, News, Outcome, Word
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
from payments.views import answer_view, as_asked, view
from redis_sqs import QueueUnavailable
from tests.simulation.doubles import (
    Listed,
    Queue,
    Store,
    WebhookQueue,
)
from tests.simulation.provider import OUTCOMES, Provider
from tests.simulation.rules import Journal, Rules
from tests.simulation.world import Crash, Faults, World

CLIENTS = 4
WORKERS = 3
IDLE_MS = 1_000  # a worker looks again; more often costs seeds
PATIENCE = 8  # times a client tries the same key before it gives up
LIVE_MS = 1_800_000  # a clock is moved four times, and every try may freeze a few times
QUIET_MS = 3_600_000  # without faults: longer than the relay's reminder
TENANT = "t"
OTHER = "stripe"  # a provider that charges none of these payments
CLOCK = "clock_1"


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
        self._busy = CLIENTS + 2  # the bank and the clock

    def run(self) -> list[str]:
        """Live with faults, then without, until nothing is left to do; returns the violations."""
        for number in range(CLIENTS):
            self.world.start(partial(self._client, number))
        for _ in range(WORKERS):
            self.world.start(self._worker)
        self.world.start(self._relay)
        self.world.start(self._reconcile)
        self.world.start(self._customer)
        self.world.start(self._bank)
        self.world.start(self._clock)
        finished = self.world.run(lambda: self._busy == 0, at_most_ms=LIVE_MS)
        self.world.faults = Faults()
        quiet = finished and self.world.run(self._is_quiet, at_most_ms=QUIET_MS)
        self.world.end()
        return self._rules().violations() + ([] if quiet else ["something is left to do for ever"])

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
                test_clock=dice.choice((UNSET, UNSET, CLOCK)),
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
        stored = self.store.documents.get(payment_id)
        for dispute in stored.disputes if stored else ():
            evidence = Evidence(uncategorized_text="It was delivered.")
            requests += 2 * [EvidenceSubmission(dispute=dispute.id, evidence=evidence)]
            requests.append(Acceptance(dispute=dispute.id))
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
        begun_ms = self.store.clock_ms
        payment, operation, is_replay = service.operate(
            request,
            payment_id=payment_id,
            key=key,
            tenant=TENANT,
            **doubles,  # type: ignore[arg-type]
        )
        at_ms = payment.events[operation.event - 1].clock_ms
        if payment.test_clock and not is_replay and (at_ms or 0) < begun_ms:
            self.journal.contradictions.append(f"{operation.id} was asked for before its time")
        return payment, msgspec.json.encode(answer_view(payment, operation))

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
                self._settle(ids, [news for each in orders.values() for news in each.news])
            except Crash:
                self.world.sleep(500)  # the next process; what was in hand comes back by itself
            except (BackendError, QueueUnavailable):
                for receipt in ids:
                    queue.release(receipt)

    def _settle(self, ids: dict[tuple[int, int], str], news: list[News]) -> None:
        queue = self.settlements
        missed = service.hear(news, **self._doubles())  # type: ignore[arg-type]
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
                outboxes.relay(payments=self.store, queues=self.queues, now_ms=self.world.now_ms)
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

    def _bank(self) -> None:
        """Dispute, decide, send back and hold no longer, now and then."""
        bank = self.provider
        acts = (bank.dispute, bank.rule, bank.lapse, bank.send_back)
        for _ in range(self.world.dice.choice((0, 0, 4, 12))):
            self.world.sleep(self.world.dice.choice((1_000, 5_000, 30_000)))
            self.world.dice.choice(acts)()
            self._forge()
        self._busy -= 1

    def _clock(self) -> None:
        """Move the test clock on, now and then, each time until all have heard of it."""
        for _ in range(self.world.dice.choice((0, 2, 4))):
            self.world.sleep(self.world.dice.choice((1_000, 20_000, 60_000)))
            self.store.clock_ms += self.world.dice.choice((1_000, 3 * DAY_MS, 8 * DAY_MS))
            self.world.happened["moved"] += 1
            for _ in range(PATIENCE):
                if self._is_moved():
                    break
                self.world.sleep(2_000)
        self._busy -= 1

    def _is_moved(self) -> bool:
        clock = TestClock(id=CLOCK, tenant=TENANT, created_ms=0, frozen_ms=self.store.clock_ms)
        try:
            is_moved = service.move_clock(clock, provider=self.provider, **self._doubles())  # type: ignore[arg-type]
        except (Crash, BackendError, QueueUnavailable):
            return False
        for effect in self.provider.by_time if is_moved else ():
            payment = self.store.documents[effect.reference]
            if service.heard(payment, effect.answer(), now_ms=0) is not payment:
                self.journal.contradictions.append(f"{payment.id} is behind its clock")
        return is_moved

    def _forge(self) -> None:
        """Tell wrong of a dispute that is known, and of a payment as another provider."""
        reference = self.world.dice.choice(sorted(self.store.documents) or ["pay_0"])
        if payment := self.store.documents.get(reference):
            for ask in asks.awaited(payment):
                order = ask.order
                lie = Outcome(
                    id=payment.charge_id or "x_0",
                    reference=order.reference,
                    status="succeeded",
                    amount=order.amount,
                    currency=order.currency,
                    captured=True,
                )
                self.world.start(partial(self._deliver, Answer(key=ask.key, outcome=lie), OTHER))
        known = [report for each in self.provider.record if (report := each.dispute)]
        report = known[-1] if known else None
        payment = self.store.documents.get(report.reference) if report else None
        if report and payment and disputes.of_provider(payment, report.id):
            self._send_webhook(replace(report, amount=report.amount + 1, status="won"))

    def _send_webhook(self, answer: Word) -> None:
        """Have the API's function pass it on, again and again until it has; or lose it."""
        if self.world.strikes("unsent"):
            return
        for _ in range(2 if self.world.strikes("resent") else 1):
            self.world.start(partial(self._deliver, answer))

    def _deliver(self, answer: Word, provider: str = SIMULATOR) -> None:
        if self.world.strikes("late"):
            self.world.sleep(self.world.dice.choice((1_000, 90_000)))
        for _ in range(PATIENCE):
            try:
                service.pass_on(answer, provider=provider, queues=self.queues)
            except (Crash, BackendError, QueueUnavailable):
                self.world.sleep(5_000)
            else:
                return

    def _rules(self) -> Rules:
        return Rules(self.store, self.provider, self.journal, self.webhooks, self.listed)

    def _doubles(self) -> dict[str, object]:
        return {"payments": self.store, "queues": self.queues, "now_ms": self.world.now_ms}
