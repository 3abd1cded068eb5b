"""The rules that keep money right, each broken on purpose; the simulation must notice every one.

One is not noticed, `a_message_deleted_before_its_payment_is_settled`: the settlement stays promised
in the document until it is done, so the relay sends another message.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

import msgspec
from msgspec.structs import replace

from backend.announcer import Announcement, Announcer
from payments import (
    announcements,
    answers,
    asks,
    ledger,
    life_cycle,
    outboxes,
    reconciliation,
    service,
)
from payments.provider import Ask, Effect, News, Outcome
from payments.schema import Event, Payment, PaymentRequest
from tests.simulation.doubles import Store
from tests.simulation.provider import Provider

Make = Callable[[], Iterator[None]]
Mutants = dict[str, Callable[[], AbstractContextManager[None]]]


def mutant_of(mutants: Mutants) -> Callable[[Make], None]:
    """Return a decorator that adds to these mutants."""

    def add(make: Make) -> None:
        mutants[make.__name__] = contextmanager(make)

    return add


MUTANTS: Mutants = {}
_mutant = mutant_of(MUTANTS)


@_mutant
def a_new_provider_key_for_each_attempt() -> Iterator[None]:
    ask_all, numbers = Provider.ask_all, itertools.count()

    def mutant(self: Provider, asks: Sequence[Ask]) -> dict[str, Outcome]:
        fresh = {f"{ask.key}:{next(numbers)}": ask for ask in asks}
        outcomes = ask_all(self, [replace(ask, key=key) for key, ask in fresh.items()])
        return {fresh[key].key: outcome for key, outcome in outcomes.items()}

    with patch.object(Provider, "ask_all", mutant):
        yield


@_mutant
def no_answer_means_failed() -> Iterator[None]:
    ask_all = Provider.ask_all

    def mutant(self: Provider, asks: Sequence[Ask]) -> dict[str, Outcome]:
        unknown = {ask.key: _failed(ask) for ask in asks}
        return unknown | ask_all(self, asks)

    with patch.object(Provider, "ask_all", mutant):
        yield


@_mutant
def a_write_over_whatever_is_there() -> Iterator[None]:
    with patch.object(Store, "guarded", lambda self, payment: True):
        yield


@contextmanager
def a_message_deleted_before_its_payment_is_settled() -> Iterator[None]:
    settle = service.settle

    def mutant(payment_ids: set[str], **arguments: object) -> set[str]:
        settle(payment_ids, **arguments)  # type: ignore[arg-type]
        return payment_ids

    with patch.object(service, "settle", mutant):
        yield


@_mutant
def a_new_payment_for_each_attempt() -> Iterator[None]:
    numbers = itertools.count()
    with patch.object(life_cycle, "payment_id", lambda tenant, key: f"pay_{next(numbers)}"):
        yield


@_mutant
def a_lease_instead_of_a_document_by_its_key() -> Iterator[None]:
    """Remember the key with its answer, as a cache does: after the work, and not for ever."""
    accept, numbers = service.accept, itertools.count()
    done: dict[str, tuple[Payment, bool]] = {}

    def mutant(request: PaymentRequest, *, key: str, **arguments: object) -> object:
        if key in done:
            return done[key]
        done[key] = accept(request, key=f"{key}-{next(numbers)}", **arguments)  # type: ignore[arg-type]
        return done[key]

    with patch.object(service, "accept", mutant):
        yield


@_mutant
def a_new_operation_for_each_attempt() -> Iterator[None]:
    numbers = itertools.count()
    with patch.object(life_cycle, "operation_id", lambda *_: f"re_{next(numbers)}"):
        yield


@_mutant
def a_key_taken_with_any_body() -> Iterator[None]:
    with patch.object(service, "_check_fingerprint", lambda stored, request: None):
        yield


@_mutant
def no_relay() -> Iterator[None]:
    with patch.object(outboxes, "relay", lambda **_: 0):
        yield


@_mutant
def a_settlement_forgotten_once_it_is_sent() -> Iterator[None]:
    def mutant(payment: Payment, unsent: object = (), *, now_ms: int) -> Payment:
        return replace(payment, outbox=(), promised_ms=None)

    with patch.object(life_cycle, "sent", mutant):
        yield


@_mutant
def an_outbox_cleared_before_it_is_sent() -> Iterator[None]:
    def mutant(promised: Sequence[Payment], payments: Store, queues: object, now_ms: int) -> None:
        payments.store_outboxes([life_cycle.sent(each, now_ms=now_ms) for each in promised])
        outboxes._send_outboxes(promised, queues)  # type: ignore[arg-type]

    with patch.object(outboxes, "keep_promises", mutant):
        yield


@_mutant
def a_change_that_drops_earlier_promises() -> Iterator[None]:
    answered = life_cycle.answered

    def mutant(payment: Payment, *news: Any, now_ms: int) -> Payment:
        settlement = tuple(each for each in payment.outbox if each.queue == "payments")
        bare = replace(payment, outbox=settlement)
        changed = answered(bare, *news, now_ms=now_ms)
        return payment if changed is bare else changed

    with patch.object(life_cycle, "answered", mutant):
        yield


@_mutant
def a_refund_that_reserves_nothing() -> Iterator[None]:
    def mutant(payment: Payment) -> int:
        return payment.amount_captured - payment.amount_refunded

    with patch.object(ledger, "refundable", mutant):
        yield


@_mutant
def a_refusal_that_moves_money() -> Iterator[None]:
    with patch.object(answers, "_operated", _always_done(answers._operated)):
        yield


@_mutant
def a_capture_that_leaves_the_payment_open_to_another() -> Iterator[None]:
    requested = life_cycle.requested

    def mutant(payment: Payment, *arguments: object, **named: object) -> Payment:
        changed = requested(payment, *arguments, **named)  # type: ignore[arg-type]
        return replace(changed, status=payment.status)

    with patch.object(life_cycle, "requested", mutant):
        yield


@_mutant
def an_answer_heard_again_when_it_is_known() -> Iterator[None]:
    awaited = asks.awaited

    def mutant(payment: Payment) -> list[Ask]:
        return awaited(replace(payment, ledger=(), failure=None, status="requires_action"))

    with patch.object(asks, "awaited", mutant):
        yield


@_mutant
def a_webhook_that_is_the_only_way_to_hear() -> Iterator[None]:
    with patch.object(reconciliation, "_heard", lambda payment, effects: (payment, [])):
        yield


@_mutant
def a_refused_cancel_that_forgets_what_the_customer_did() -> Iterator[None]:
    refused = answers._refused

    def mutant(payment: Payment, *arguments: object) -> Payment:
        before = "requires_capture" if payment.amount_held else "requires_action"
        return replace(refused(payment, *arguments), status=before)  # type: ignore[arg-type]

    with patch.object(answers, "_refused", mutant):
        yield


@_mutant
def a_payment_that_stays_paid_told_as_canceled() -> Iterator[None]:
    happened = answers.happened  # type: ignore[attr-defined]  # it comes from elsewhere

    def mutant(payment: Payment, type: str, *arguments: object, **named: object) -> Payment:
        name = type.replace("hold_released", "canceled")
        return happened(payment, name, *arguments, **named)  # type: ignore[arg-type]

    with patch.object(answers, "happened", mutant):
        yield


@_mutant
def an_event_told_with_what_the_payment_is_by_then() -> Iterator[None]:
    data = announcements._data

    def mutant(payment: Payment, event: Event) -> dict[str, object]:
        return data(payment, replace(payment.events[-1], type=event.type))

    with patch.object(announcements, "_data", mutant):
        yield


@_mutant
def a_rest_that_is_held_after_the_provider_gave_it_up() -> Iterator[None]:
    with patch.object(answers, "_released", lambda payment, amount, now_ms: payment):
        yield


@_mutant
def another_try_beside_one_that_may_still_succeed() -> Iterator[None]:
    left_to = life_cycle._left_to

    def mutant(kind: str, payment: Payment) -> int:
        waits = kind == "confirm" and payment.status == "requires_action"
        return payment.amount if waits else left_to(kind, payment)  # type: ignore[arg-type]

    with patch.object(life_cycle, "_left_to", mutant):
        yield


@_mutant
def another_provider_that_is_believed() -> Iterator[None]:
    hear = service.hear

    def mutant(news: Sequence[News], **named: Any) -> set[str]:
        return hear([(None, word) for _, word in news], **named)

    with patch.object(service, "hear", mutant):
        yield


@_mutant
def a_fee_booked_each_time_it_is_told() -> Iterator[None]:
    with_fees = life_cycle.with_fees

    def mutant(payment: Payment, fees: Sequence[Effect], *, now_ms: int) -> Payment:
        forgotten = with_fees(replace(payment, ledger=()), fees, now_ms=now_ms)
        if not forgotten.ledger:
            return payment
        return replace(forgotten, ledger=(*payment.ledger, *forgotten.ledger))

    with patch.object(life_cycle, "with_fees", mutant):
        yield


@_mutant
def a_payment_that_is_paid_tried_again() -> Iterator[None]:
    left_to = life_cycle._left_to

    def mutant(kind: str, payment: Payment) -> int:
        is_paid = kind == "confirm" and payment.status == "succeeded"
        return payment.amount if is_paid else left_to(kind, payment)  # type: ignore[arg-type]

    with patch.object(life_cycle, "_left_to", mutant):
        yield


@_mutant
def another_try_under_the_key_of_the_first() -> Iterator[None]:
    with patch.object(asks, "charge_key", lambda payment_id, attempts=0: f"{payment_id}:charge"):
        yield


@_mutant
def an_off_session_payment_charged_as_if_its_customer_were_there() -> Iterator[None]:
    of_charge = asks.of_charge

    def mutant(payment: Payment) -> Ask:
        return of_charge(replace(payment, off_session=False))

    with patch.object(asks, "of_charge", mutant):
        yield


@_mutant
def an_event_told_before_it_is_listed() -> Iterator[None]:
    send_batch = Announcer.send_batch

    def mutant(self: Announcer, bodies: Sequence[str], **options: object) -> list[str]:
        keep, self._keep = self._keep, lambda announcements: None
        try:
            ids = send_batch(self, bodies, **options)  # type: ignore[arg-type]
        finally:
            self._keep = keep
        keep([msgspec.json.decode(each, type=Announcement) for each in bodies])
        return ids

    with patch.object(Announcer, "send_batch", mutant):
        yield


def _failed(ask: Ask) -> Outcome:
    order = ask.order
    return Outcome(
        id="x_0",
        reference=order.reference,
        status="failed",
        amount=order.amount,
        currency=order.currency,
    )


def _always_done(operated: Callable[..., Payment]) -> Callable[..., Payment]:
    def mutant(payment: Payment, key: str, outcome: Outcome, now_ms: int) -> Payment:
        return operated(payment, key, replace(outcome, status="succeeded"), now_ms)

    return mutant
