"""The rules for what banks and test clocks do, each broken on purpose, as in `mutants`."""

from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from backend.test_clocks import TestClock
from payments import answers, asks, disputes, ledger, life_cycle, reconciliation, service
from payments.dispute_schema import Dispute
from payments.provider import Ask, DisputeReport, DisputeStatus, Effect
from payments.schema import Entry, Operation, Payment, ResponseRequest
from tests.simulation.doubles import CLOCK_MS, Store
from tests.simulation.mutants import Mutants, mutant_of
from tests.simulation.provider import Provider

MUTANTS: Mutants = {}
_mutant = mutant_of(MUTANTS)


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
    with patch.object(ledger, "fee", lambda dispute, amount, event: []):
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
    ranks = {"needs_response": 1, "under_review": 1, "lost": 2, "won": 3}

    class Ranks(dict[str, int]):
        def __getitem__(self, status: str) -> int:
            self[status] = self.get(status, 0) + 1  # whatever comes last is the furthest
            return super().__getitem__(status)

    with patch.object(disputes, "RANKS", Ranks(ranks)):
        yield


@_mutant
def a_refund_that_is_made_for_good() -> Iterator[None]:
    with patch.object(asks, "answerable", asks.awaited):
        yield


@_mutant
def a_refund_sent_back_that_brings_nothing_back() -> Iterator[None]:
    def mutant(operation: Operation, event: int) -> Entry:
        return ledger.refund("voided", operation, event)

    with patch.object(ledger, "refund_back", mutant):
        yield


@_mutant
def a_lost_dispute_that_is_lost_for_good() -> Iterator[None]:
    ranks = {"needs_response": 0, "under_review": 1, "won": 2, "lost": 2}
    with patch.object(disputes, "RANKS", ranks):
        yield


@_mutant
def a_dispute_won_after_it_was_lost_that_brings_nothing_back() -> Iterator[None]:
    def mutant(lost: Dispute, event: int) -> Entry:
        return ledger.dispute("voided", lost, event)

    with patch.object(ledger, "reversal", mutant):
        yield


@_mutant
def a_fee_of_a_dispute_that_stays_what_it_was_at_first() -> Iterator[None]:
    moved = disputes._moved

    def mutant(
        payment: Payment, dispute: Dispute, status: DisputeStatus, fee: int, now_ms: int
    ) -> Payment:
        return moved(payment, dispute, status, dispute.fee, now_ms)

    with patch.object(disputes, "_moved", mutant):
        yield


@_mutant
def a_fee_of_a_dispute_that_whoever_comes_last_decides() -> Iterator[None]:
    is_further = disputes._is_further

    def mutant(dispute: Dispute, report: DisputeReport) -> bool:
        same_status = report.status == dispute.status
        return report.fee != dispute.fee if same_status else is_further(dispute, report)

    with patch.object(disputes, "_is_further", mutant):
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
    with patch.object(disputes, "_is_same", lambda payment, dispute, report: True):
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
