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
from backend.test_clocks import TestClock
from payments import (
    announcements,
    answers,
    asks,
    disputes,
    ledger,
    life_cycle,
    outboxes,
    reconciliation,
    service,
)
from payments.provider import Ask, Effect, Outcome
from payments.schema import Entry, Event, Payment, PaymentRequest, ResponseRequest
from tests.simulation.doubles import CLOCK_MS, Provider, Store

MUTANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {}


def _mutant(make: Callable[[], Iterator[None]]) -> None:
    MUTANTS[make.__name__] = contextmanager(make)


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
def a_refund_of_what_is_disputed() -> Iterator[None]:
    def mutant(payment: Payment) -> int:
        return payment.amount_captured - payment.amount_refunded - payment.amount_refunding

    with patch.object(ledger, "refundable", mutant):
        yield


@_mutant
def a_dispute_that_holds_nothing_back() -> Iterator[None]:
    entered = ledger.entered

    def mutant(payment: Payment, entries: Sequence[Entry]) -> Payment:
        return entered(payment, [each for each in entries if each.debit != "disputes"])

    with patch.object(ledger, "entered", mutant):
        yield


@_mutant
def a_dispute_without_its_fee() -> Iterator[None]:
    with patch.object(ledger, "fee", lambda dispute, event: []):
        yield


@_mutant
def a_won_dispute_that_is_withdrawn() -> Iterator[None]:
    with patch.object(disputes, "RESOLVED", {"won": "posted", "lost": "posted"}):
        yield


@_mutant
def a_lost_dispute_that_is_released() -> Iterator[None]:
    with patch.object(disputes, "RESOLVED", {"won": "voided", "lost": "voided"}):
        yield


@_mutant
def a_report_that_takes_a_dispute_back() -> Iterator[None]:
    ranks = {"needs_response": 1, "under_review": 1, "won": 2, "lost": 2}

    class Ranks(dict[str, int]):
        def __getitem__(self, status: str) -> int:
            self[status] = self.get(status, 0) + 1  # whatever comes last is the furthest
            return super().__getitem__(status)

    with patch.object(disputes, "RANKS", Ranks(ranks)):
        yield


@_mutant
def a_dispute_opened_by_each_report() -> Iterator[None]:
    with patch.object(disputes, "of_provider", lambda payment, provider_id: None):
        yield


@_mutant
def a_dispute_of_whatever_is_told() -> Iterator[None]:
    with patch.object(disputes, "_fits", lambda payment, report: True):
        yield


@_mutant
def a_report_of_another_amount_believed() -> Iterator[None]:
    with patch.object(disputes, "_is_same", lambda dispute, report: True):
        yield


@_mutant
def a_dispute_answered_as_often_as_asked() -> Iterator[None]:
    def mutant(payment: Payment, request: ResponseRequest, *, now_ms: int) -> int:
        dispute = disputes.find(payment, request.dispute)
        assert dispute
        return dispute.amount

    with patch.object(disputes, "answerable", mutant):
        yield


@_mutant
def disputes_that_only_webhooks_tell_of() -> Iterator[None]:
    heard = reconciliation._heard

    def mutant(payment: Payment, effects: Sequence[Effect]) -> object:
        return heard(payment, [each for each in effects if not each.dispute])

    with patch.object(reconciliation, "_heard", mutant):
        yield


@_mutant
def a_hold_that_never_lapses() -> Iterator[None]:
    awaited = asks.awaited

    def mutant(payment: Payment) -> list[Ask]:
        return [each for each in awaited(payment) if not each.key.endswith(asks.LAPSE)]

    with patch.object(asks, "awaited", mutant):
        yield


@_mutant
def a_lapse_forgotten_by_a_refusal() -> Iterator[None]:
    refused = answers._refused

    def mutant(payment: Payment, *arguments: object) -> Payment:
        return refused(replace(payment, ledger=payment.ledger[:0]), *arguments)  # type: ignore[arg-type]

    def kept(payment: Payment, *arguments: object) -> Payment:
        return replace(mutant(payment, *arguments), ledger=payment.ledger)

    with patch.object(answers, "_refused", kept):
        yield


@_mutant
def a_clock_that_is_moved_before_its_payments_have_heard() -> Iterator[None]:
    def mutant(clock: TestClock, *, provider: Provider, **named: Any) -> bool:
        provider.move_clock(clock.id, clock.frozen_ms)
        return True  # webhooks tell the rest

    with patch.object(service, "move_clock", mutant):
        yield


@_mutant
def a_clock_that_goes_back() -> Iterator[None]:
    with patch.object(life_cycle, "at", lambda payment, ms: replace(payment, clock_ms=ms)):
        yield


@_mutant
def an_answer_at_the_time_of_the_one_before() -> Iterator[None]:
    with patch.object(life_cycle, "at", lambda payment, clock_ms: payment):
        yield


@_mutant
def a_request_at_the_time_of_the_payment() -> Iterator[None]:
    with patch.object(Store, "time_of", lambda self, clock_id: CLOCK_MS):
        yield


@_mutant
def a_report_of_a_dispute_without_its_time() -> Iterator[None]:
    with patch.object(disputes, "at", lambda payment, ms: replace(payment, clock_ms=ms and 1)):
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
