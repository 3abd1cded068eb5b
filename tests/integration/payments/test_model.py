"""Random uses of the payments API against a model of what each answer and each balance must be."""

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.integration.function_process import FunctionProcess, HttpAnswer
from tests.integration.outside.processes import Provider
from tests.integration.payments.conftest import HOOK, SCOPES, SECRET, confirm, signed

PAYMENT = "/v1/payments/{payment_id}"
ROUTES = {"capture": "capture", "cancel": "cancel", "refund": "refunds"}
ANY = st.integers(0, 99)  # chooses among what there is
AMOUNTS = st.sampled_from([None, 400, 600, 1001])
KEYS = st.sampled_from("abc")
_tenants = itertools.count()


@dataclass
class ModelPayment:
    """A payment as the model knows it."""

    id: str
    method: str
    manual: bool
    status: str = "processing"
    captured: int = 0
    refunded: int = 0
    authorized: int = 0
    confirmed: str = ""  # what the customer did at the provider, unheard
    pending: list[tuple[str, int]] = field(default_factory=list)  # operations, by kind and amount
    answers: dict[tuple[str, str], tuple[object, HttpAnswer]] = field(default_factory=dict)

    @property
    def refunding(self) -> int:
        return sum(amount for kind, amount in self.pending if kind == "refund")

    def left(self, kind: str) -> int | None:
        """Return the amount to capture, cancel or refund now; None where it is not allowed."""
        if kind == "refund":
            left = self.captured - self.refunded - self.refunding
            return left or None if self.status == "succeeded" else None
        if kind == "cancel" and self.status == "requires_action":
            return 0
        return self.authorized or None if self.status in ("requires_capture", "succeeded") else None

    def charge(self, outcome: str) -> None:
        """Take over how the charge ended."""
        self.status = outcome
        if outcome == "succeeded":
            self.status = "requires_capture" if self.manual else "succeeded"
            self.authorized, self.captured = (1000, 0) if self.manual else (0, 1000)

    def settle(self) -> None:
        """Do what is asked for, in the order in which it was asked for."""
        if self.status == "processing" and not self.pending:
            first = {"visa": "succeeded", "chargeDeclined": "failed"}
            self.charge(first.get(self.method, "requires_action"))
        for kind, amount in self.pending:
            if kind == "refund":
                self.refunded += amount
            elif kind == "capture":
                self.authorized, self.captured = self.authorized - amount, self.captured + amount
                self.status = "succeeded"
            else:
                self.authorized, self.status = 0, "succeeded" if self.captured else "canceled"
        self.pending.clear()


class Api(RuleBasedStateMachine):
    """One tenant's clients, its customers and a worker that works when it is told to."""

    app: ClassVar[FunctionProcess]
    worker: ClassVar[FunctionProcess]
    provider: ClassVar[Provider]
    messages: ClassVar[Callable[[], Any]]

    def __init__(self) -> None:
        super().__init__()
        self.tenant = f"model-{next(_tenants)}"
        self.made: list[ModelPayment] = []
        self.keys: dict[str, tuple[object, HttpAnswer]] = {}

    @initialize()
    def some_are_settled(self) -> None:
        """Settle payments of every kind at once, as histories are short."""
        for number, method in enumerate(("visa", "visa", "authenticationRequired")):
            self.create(str(number), method, bool(number % 2))
        self.work()

    @rule(
        key=KEYS,
        method=st.sampled_from(["visa", "visa", "chargeDeclined", "authenticationRequired"]),
        manual=st.booleans(),
    )
    def create(self, key: str, method: str, manual: bool) -> None:
        body = {
            "amount": 1000,
            "currency": "EUR",
            "payment_method": f"pm_card_{method}",
            "capture_method": "manual" if manual else "automatic",
        }
        answer = self._post("/v1/payments", key, body)
        if self._is_new(self.keys, key, body, answer):
            assert (answer.status, answer.body["status"]) == (201, "processing")
            self.made.append(ModelPayment(id=answer.body["id"], method=method, manual=manual))

    @rule(key=KEYS, which=ANY, kind=st.sampled_from(sorted(ROUTES)), amount=AMOUNTS)
    def operate(self, key: str, which: int, kind: str, amount: int | None) -> None:
        if not self.made:
            return
        payment = self.made[which % len(self.made)]
        body = {"amount": amount} if amount and kind != "cancel" else {}
        answer = self._post(f"{PAYMENT}/{ROUTES[kind]}", key, body, payment.id)
        left = payment.left(kind)
        due = left if amount is None or kind == "cancel" else amount
        is_new = (kind, key) not in payment.answers
        if is_new and (left is None or due is None or due > left):
            assert (answer.status, answer.body["code"]) == (409, "invalid_state")
        elif self._is_new(payment.answers, (kind, key), body, answer):
            assert due is not None
            assert answer.status == (201 if kind == "refund" else 202)
            payment.pending.append((kind, due))
            if kind != "refund":
                payment.status = "processing"

    @rule(key=KEYS, amount=AMOUNTS)
    def refund(self, key: str, amount: int | None) -> None:
        """Do as most clients do, to the payment that allows it at once."""
        self.operate(key, 0, "refund", amount)

    @rule()
    def work(self) -> None:
        assert type(self).worker.consume(type(self).messages()) == []
        for payment in self.made:
            payment.settle()

    @rule(which=ANY, outcome=st.sampled_from(["succeeded", "failed"]), times=st.integers(1, 2))
    def customer_acts(self, which: int, outcome: str, times: int) -> None:
        waiting = [each for each in self.made if each.status == "requires_action"]
        if not waiting:
            return
        payment = waiting[which % len(waiting)]
        effect = confirm(self.provider, payment.id, outcome)
        data = {**effect, "id": effect["charge"]}
        body = json.dumps({"id": "evt_1", "type": f"charge.{outcome}", "data": data})
        for _ in range(times):
            assert self.app.request("POST", HOOK, body=body, headers=signed(body)).status == 202
        self.work()
        payment.charge(outcome)

    @invariant()
    def every_payment_is_as_the_model_says(self) -> None:
        shown = self._get("/v1/payments")["data"]

        assert [each["id"] for each in shown] == [each.id for each in self.made[::-1][:20]]
        for each, payment in zip(shown, self.made[::-1], strict=False):
            assert (each["status"], each["amount_captured"], each["amount_refunded"]) == (
                payment.status,
                payment.captured,
                payment.refunded,
            )

    @invariant()
    def balances_are_the_sums_of_all_payments(self) -> None:
        data = self._get("/v1/balances")["data"]
        balances = {each["account"]: (each["posted"], each["pending"]) for each in data}
        captured, refunded, authorized, refunding = (
            sum(getattr(each, name) for each in self.made)
            for name in ("captured", "refunded", "authorized", "refunding")
        )

        if self.made:
            assert balances == {
                "provider_clearing": (captured - refunded, authorized - refunding),
                "receivable": (-captured, -authorized),
                "refunds": (refunded, refunding),
            }

    def _is_new(
        self, answers: dict[Any, tuple[object, HttpAnswer]], key: object, body: object, answer: Any
    ) -> bool:
        """Check the answer under a key that was used; remember the one under a new key."""
        if key not in answers:
            answers[key] = (body, answer)
            return True
        first_body, first = answers[key]
        if body == first_body:
            assert (answer.status, answer.text) == (first.status, first.text)
            assert answer.headers["idempotent-replayed"] == "true"
        else:
            assert (answer.status, answer.body["code"]) == (422, "idempotency_key_reused")
        return False

    def _post(
        self, resource: str, key: str, body: Mapping[str, Any], payment_id: str = ""
    ) -> HttpAnswer:
        return self.app.request(
            "POST",
            resource,
            path={"payment_id": payment_id} if payment_id else None,
            body=body,
            headers={"Idempotency-Key": key},
            tenant=self.tenant,
            scope=SCOPES,
        )

    def _get(self, resource: str) -> Any:
        return self.app.request("GET", resource, tenant=self.tenant, scope=SCOPES).body


def test_the_api_answers_as_the_model_says(started, provider, messages, valkey):
    class Here(Api):
        app = started("app", PROVIDER_WEBHOOK_SECRET=SECRET)
        worker = started("worker")

    Here.provider, Here.messages = provider, staticmethod(messages)
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=30,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # shrinking a history takes minutes, reading one does not
            suppress_health_check=list(HealthCheck),
        ),
    )
