"""Disputes: what the provider's reports do to a payment, and what a client may answer."""

import json

import pytest
from msgspec.structs import replace

from backend.errors import InvalidState
from payments import asks, disputes, ledger, life_cycle
from payments.announcements import ANNOUNCED, announcement
from payments.dispute_schema import Acceptance, Evidence, EvidenceSubmission
from payments.provider import DisputeOrder, DisputeReport, Effect, Outcome
from payments.schema import CaptureRequest, RefundRequest
from payments.views import DisputeView, answer_view, dispute_view
from tests.unit.payments.operated_payments import (
    NOW_MS,
    announced,
    answer,
    ask,
    mismatches,
    payment_of,
)

EVIDENCE = Evidence(uncategorized_text="It was delivered.")
DUE_MS = NOW_MS + 604_800_000


def report_of(payment, status="needs_response", **changes):
    fields = {
        "id": "dp_1",
        "reference": payment.id,
        "charge": payment.charge_id,
        "amount": 1000,
        "currency": "EUR",
        "fee": 15,
        "reason": "fraudulent",
        "status": status,
        "due_ms": DUE_MS,
    }
    return DisputeReport(**fields | changes)


def report(payment, status="needs_response", **changes):
    """Return `payment` after a report of the provider."""
    reports = [report_of(payment, status, **changes)]
    after = life_cycle.answered(payment, {}, reports, now_ms=NOW_MS)
    assert ledger.violations(after) == []
    assert after.version == payment.version + (after is not payment)
    return after


def again(payment):
    """Return the events that others hear of, told again by what the payment is now."""
    events = [each for each in payment.events if each.type in ANNOUNCED]
    return json.loads(announcement(payment, events).text())["events"]


def evidence_for(payment):
    return EvidenceSubmission(dispute=payment.disputes[-1].id, evidence=EVIDENCE)


def _money(payment):
    return payment.amount_disputing, payment.amount_disputed, payment.amount_fees


def _types(payment):
    return [each.type.removeprefix("payment.") for each in payment.events]


@pytest.fixture
def paid():
    return payment_of("automatic")


def test_a_dispute_holds_its_amount_back_and_costs_its_fee_at_once(paid):
    disputed = report(paid, amount=400)

    entries = [(x.transfer, x.state, x.debit, x.credit, x.amount) for x in disputed.ledger[1:]]
    dispute_id = disputed.disputes[0].id
    assert entries == [
        (dispute_id, "pending", "disputes", "provider_clearing", 400),
        (f"{dispute_id}:fee", "posted", "fees", "provider_clearing", 15),
    ]
    assert disputed.status == "succeeded"
    assert disputes.place(dispute_id) == (paid.id, 1)


@pytest.mark.parametrize(
    ("end", "state", "money", "refundable"),
    [("won", "voided", (0, 0, 15), 1000), ("lost", "posted", (0, 400, 15), 600)],
)
def test_a_won_dispute_gives_the_amount_back_and_a_lost_one_keeps_it(
    paid, *, end, state, money, refundable
):
    closed = report(report(paid, amount=400), end, amount=400)

    assert (closed.ledger[-1].state, closed.ledger[-1].amount) == (state, 400)
    assert _money(closed) == money
    assert ledger.refundable(closed) == refundable
    assert _types(closed)[2:] == ["dispute_created", "dispute_closed"]
    assert closed.dispute_due_ms is None


def test_a_report_that_comes_twice_late_or_overtaken_changes_nothing(paid):
    closed = report(paid, "lost")

    for status in ("needs_response", "under_review", "lost"):
        assert report(closed, status) is closed
    assert _types(closed)[2:] == ["dispute_created", "dispute_closed"]


@pytest.mark.parametrize(
    "wrong",
    [{"charge": "x_2"}, {"currency": "USD"}, {"amount": 1001}, {"amount": 1001, "status": "won"}],
)
def test_a_report_of_other_money_changes_nothing_and_is_a_difference(paid, wrong):
    effect = _effect(report_of(paid, **wrong))

    assert report(paid, **wrong) is paid
    assert "a dispute is of other money than was captured" in mismatches(paid, [effect])


def test_a_dispute_of_a_refunded_payment_is_booked_because_its_money_is_gone(paid):
    refunded = answer(ask(paid, RefundRequest(amount=800)))

    disputed = report(refunded)

    assert ledger.disputable(disputed) == -800
    assert ledger.refundable(disputed) == 0
    with pytest.raises(InvalidState, match="nothing to refund"):
        ask(disputed, RefundRequest(), "k2")


def test_what_is_disputed_cannot_be_refunded_until_the_dispute_is_won(paid):
    disputed = report(paid, amount=400)

    with pytest.raises(InvalidState, match="There is 600 left to refund, not 601"):
        ask(disputed, RefundRequest(amount=601))
    won = report(disputed, "won", amount=400)
    assert ask(won, RefundRequest()).amount_refunding == 1000


def test_evidence_is_handed_over_once_and_then_waits_for_the_bank(paid):
    disputed = report(paid)
    submitted = ask(disputed, evidence_for(disputed))
    (due,) = asks.due(submitted)

    with pytest.raises(InvalidState, match="answered already"):
        ask(submitted, Acceptance(dispute=disputed.disputes[0].id), "k2")
    under_review = answer(submitted)

    assert isinstance(due.order, DisputeOrder)
    assert (due.path, due.order.dispute_id) == ("/evidence", "dp_1")
    assert due.order.evidence == {"uncategorized_text": "It was delivered."}
    assert _types(under_review)[2:] == [
        "dispute_created",
        "dispute_evidence_requested",
        "dispute_updated",
    ]
    with pytest.raises(InvalidState, match="under_review takes no answer"):
        ask(under_review, evidence_for(disputed), "k3")


def test_an_accepted_dispute_is_lost(paid):
    disputed = report(paid)

    closed = answer(ask(disputed, Acceptance(dispute=disputed.disputes[0].id)))

    assert (closed.disputes[0].status, _money(closed)) == ("lost", (0, 1000, 15))


def test_evidence_that_is_refused_may_be_handed_over_again(paid):
    disputed = report(paid)

    refused = answer(ask(disputed, evidence_for(disputed)), status="failed")

    assert _types(refused)[-1] == "dispute_evidence_failed"
    assert ask(refused, evidence_for(disputed), "k2").operations[-1].status == "pending"


def test_evidence_is_refused_once_it_was_due(paid):
    disputed = report(paid, due_ms=NOW_MS)

    with pytest.raises(InvalidState, match="was due"):
        ask(disputed, evidence_for(disputed))


def test_a_report_faster_than_the_answer_to_evidence_tells_of_each_change_once(paid):
    disputed = report(paid)
    submitted = ask(disputed, evidence_for(disputed))

    answered = answer(report(submitted, "won"))

    assert _types(answered)[4:] == ["dispute_closed"]
    response = dispute_view(answered, answered.disputes[0]).response
    assert response
    assert response.status == "succeeded"


def test_a_repeat_of_an_answer_shows_the_dispute_as_it_was_then(paid):
    disputed = report(paid)
    submitted = ask(disputed, evidence_for(disputed))
    first = answer_view(submitted, submitted.operations[0])

    later = report(answer(submitted), "won")

    assert answer_view(later, later.operations[0]) == first
    assert isinstance(first, DisputeView)
    assert first.status == "needs_response"
    assert first.response
    assert first.response.status == "pending"


def test_an_event_tells_the_dispute_as_it_was_right_after_it(paid):
    disputed = report(paid)
    lost = report(answer(ask(disputed, evidence_for(disputed)), status="failed"), "lost")

    announcements = [(x["name"], x["data"]["dispute"]["status"]) for x in announced(lost)[1:]]

    assert announcements == [
        ("payment.dispute_created", "needs_response"),
        ("payment.dispute_evidence_failed", "needs_response"),
        ("payment.dispute_closed", "lost"),
    ]


def test_a_lapsed_hold_cancels_the_payment_also_under_a_capture(paid):
    waiting = payment_of()

    lapsed = _lapse(waiting, 1000)
    capturing = _lapse(ask(waiting, CaptureRequest()), 1000)

    assert (lapsed.status, _types(lapsed)[-1], lapsed.amount_held) == ("canceled", "canceled", 0)
    assert capturing.status == "processing"
    assert answer(capturing, status="failed").status == "canceled"


def test_what_lapses_after_a_partial_capture_leaves_the_payment_paid():
    captured = answer(ask(payment_of(), CaptureRequest(amount=400)))

    lapsed = _lapse(captured, 600)

    assert (lapsed.status, lapsed.amount_captured, lapsed.amount_held) == ("succeeded", 400, 0)
    assert _types(lapsed)[-1] == "hold_released"
    assert _lapse(captured, 1000) is captured


def test_what_lapses_while_a_refund_is_under_way_leaves_the_payment_paid():
    captured = answer(ask(payment_of(), CaptureRequest(amount=400)))

    lapsed = _lapse(ask(captured, RefundRequest(amount=100), "k2"), 600)

    assert (lapsed.status, lapsed.amount_refunding) == ("succeeded", 100)
    assert announced(lapsed)[-1]["data"]["status"] == "succeeded"


@pytest.mark.parametrize(
    "text", ["", "dp_", "dp_x", "pay_x", "dp_x_0", "dp_x_01", "dp_x_100", "dp_x_-1", "dp_x_\u0661"]
)
def test_what_is_no_id_of_a_dispute_has_no_place(text):
    assert disputes.place(text) is None


def _lapse(payment, amount):
    key = f"{payment.id}:lapse"
    outcome = Outcome(
        id="lp_1", reference=payment.id, status="succeeded", amount=amount, currency="EUR"
    )
    after = life_cycle.answered(payment, {key: outcome}, now_ms=NOW_MS)
    assert ledger.violations(after) == []
    return after


def _effect(dispute):
    return Effect(
        sequence=1,
        id=dispute.id,
        idempotency_key=f"{dispute.id}:{dispute.status}",
        reference=dispute.reference,
        kind="dispute",
        status="succeeded",
        amount=dispute.amount,
        currency=dispute.currency,
        created_ms=0,
        dispute=dispute,
    )


def test_a_dispute_that_ended_otherwise_at_the_provider_is_a_difference(paid):
    won = report(paid, "won")

    effects = [_effect(report_of(paid, status)) for status in ("needs_response", "won", "lost")]

    assert mismatches(won, effects) == ["the dispute ended otherwise"]
    assert mismatches(won, [effects[0], effects[2], effects[1]]) == []
    assert mismatches(paid, effects[:2]) == []
    assert mismatches(won, [replace(effects[0], dispute=report_of(paid, amount=999))]) == [
        "the dispute is of another amount"
    ]


@pytest.mark.parametrize("way", [["lost", "won"], ["won", "lost"], ["won"]])
def test_a_lost_dispute_that_is_won_after_all_gives_the_amount_back_however_it_is_told(paid, way):
    payment = report(paid, amount=400)

    for status in way:
        payment = report(payment, status, amount=400)

    assert _money(payment) == (0, 0, 15)
    assert ledger.refundable(payment) == 1000
    assert payment.disputes[0].status == "won"
    assert payment.amount_captured == 1000


def test_each_end_of_a_dispute_that_was_reversed_is_told_as_it_was_then(paid):
    lost = report(report(paid, amount=400), "lost", amount=400)
    won = report(lost, "won", amount=400)

    ends = [each["data"]["dispute"]["status"] for each in announced(won)[1:]]

    assert ends == ["needs_response", "lost", "won"]
    assert again(won) == announced(won)
    back = won.ledger[-1]
    assert (back.state, back.debit, back.credit, back.amount) == (
        "posted",
        "provider_clearing",
        "disputes",
        400,
    )
    assert ask(won, RefundRequest()).amount_refunding == 1000


@pytest.mark.parametrize(
    ("reports", "fees"),
    [
        ([("needs_response", 0), ("needs_response", 15)], 15),
        ([("needs_response", 15), ("needs_response", 0)], 15),
        ([("needs_response", 15), ("under_review", 30), ("needs_response", 0)], 30),
        ([("under_review", 30), ("won", 30), ("won", 0), ("won", 30)], 0),
        ([("under_review", 30), ("won", 15), ("lost", 30)], 15),
        ([("lost", 30), ("won", 0)], 0),
    ],
)
def test_the_fee_of_a_dispute_is_what_the_provider_has_by_then(paid, reports, fees):
    payment = paid
    for status, fee in reports:
        payment = report(payment, status, fee=fee)

    assert (payment.amount_fees, payment.disputes[0].fee) == (fees, fees)
    assert again(payment) == announced(payment)


def test_a_dispute_of_another_currency_or_charge_never_moves_one_that_is_known(paid):
    disputed = report(paid)

    assert report(disputed, "lost", currency="USD") is disputed
    assert report(disputed, "lost", charge="x_2") is disputed
