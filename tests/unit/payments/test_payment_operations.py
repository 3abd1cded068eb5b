"""Capture, cancel and refund: what each allows, what each leaves in the document and the ledger."""

import json

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from backend.errors import InvalidState
from payments import asks, ledger, life_cycle
from payments.announcements import announcement
from payments.provider import Effect, NextAction, Outcome
from payments.schema import (
    CancelRequest,
    CaptureRequest,
    ConfirmRequest,
    PaymentRequest,
    RefundRequest,
)
from payments.views import as_asked, view
from tests.unit.payments.operated_payments import (
    NOW_MS,
    announced,
    answer,
    ask,
    payment_of,
    refund_of,
)


def test_an_event_is_told_the_same_again_after_the_payment_was_tried_again():
    failed = payment_of("automatic", status="failed")
    events = announced(failed)
    paid = answer(ask(failed, ConfirmRequest(payment_method="pm_card_visa")))

    again = announcement(paid, [failed.events[1]])

    assert json.loads(again.text())["events"] == events
    assert events[0]["data"]["decline_code"] == events[0]["properties"]["decline_code"]
    assert "decline_code" not in announced(paid)[-1]["data"]


def test_each_try_has_a_key_that_follows_from_the_document_alone():
    payment, keys = payment_of("automatic", status="failed"), []
    for number in range(2):
        payment = ask(payment, ConfirmRequest(payment_method="pm_card_visa"), f"k{number}")
        keys += [each.key for each in asks.due(payment)]
        assert asks.due(payment) == asks.due(payment)
        payment = answer(payment, status="failed")

    assert keys == [f"{payment.id}:charge:2", f"{payment.id}:charge:3"]
    assert [each.payment_method for each in payment.attempts] == ["pm_card_visa"] * 2


def amounts(captured, refunded):
    return {"amount_captured": captured, "amount_refunded": refunded}


def _about(kind, operation):
    return {kind: {"id": operation.id, "amount": operation.amount}}


def _outcome_of(due, payment):
    return Outcome(
        id=payment.charge_id,
        reference=payment.id,
        status="succeeded",
        amount=due.order.amount,
        currency=payment.currency,
        captured=True,
    )


def _money(payment):
    return payment.amount_held, payment.amount_captured, payment.amount_refunded


def test_a_capture_takes_what_it_asks_for_and_keeps_the_rest_held():
    requested = ask(payment_of(), CaptureRequest(amount=400))
    captured = answer(requested)

    assert (requested.status, _money(requested)) == ("processing", (1000, 0, 0))
    assert (captured.status, _money(captured)) == ("succeeded", (600, 400, 0))
    assert _money(answer(ask(captured, CaptureRequest(), "k2"))) == (0, 1000, 0)


def test_a_cancel_releases_all_that_is_held():
    canceled = answer(ask(payment_of(), CancelRequest()))

    assert (canceled.status, _money(canceled)) == ("canceled", (0, 0, 0))
    assert [each.state for each in canceled.ledger] == ["pending", "voided"]


def test_a_cancel_after_a_partial_capture_releases_the_rest_and_leaves_it_succeeded():
    captured = answer(ask(payment_of(), CaptureRequest(amount=400)))

    canceled = answer(ask(captured, CancelRequest(), "k2"))

    assert (canceled.status, _money(canceled)) == ("succeeded", (0, 400, 0))
    assert canceled.events[-1].type == "payment.hold_released"


def test_events_tell_the_payment_as_it_was_right_after_each_of_them():
    captured = answer(ask(payment_of(), CaptureRequest(amount=400)))
    released = answer(ask(captured, CancelRequest(), "k2"))
    refunded = answer(ask(released, RefundRequest(amount=100), "k3"))
    capture, cancel, refund = refunded.operations

    events = announced(refunded)

    always = {"id": refunded.id, "amount": 1000, "currency": "EUR", "metadata": {"order": "7"}}
    assert [each["sequence"] for each in events] == [2, 4, 6, 8]
    assert [(each["name"], each["data"]) for each in events] == [
        (name, {**always, "status": status, **amounts(captured, refunded), **operation})
        for name, status, captured, refunded, operation in (
            ("payment.requires_capture", "requires_capture", 0, 0, {}),
            ("payment.succeeded", "succeeded", 400, 0, _about("capture", capture)),
            ("payment.hold_released", "succeeded", 400, 0, _about("cancel", cancel)),
            ("payment.refunded", "succeeded", 400, 100, _about("refund", refund)),
        )
    ]


def test_an_event_that_another_has_overtaken_tells_nothing_of_the_other():
    both = ask(ask(payment_of("automatic"), RefundRequest(amount=300), "k1"), RefundRequest(), "k2")

    events = announced(answer(both))

    assert [each["data"]["amount_refunded"] for each in events] == [0, 300, 1000]


def test_a_customer_who_pays_while_a_cancel_is_under_way_is_told_with_the_state_of_that_moment():
    waiting = ask(payment_of(status="requires_action"), CancelRequest())
    charge = asks.awaited(waiting)[-1]
    paid = life_cycle.answered(waiting, {charge.key: _outcome_of(charge, waiting)}, now_ms=NOW_MS)

    refused = announced(answer(paid, status="failed"))

    assert [(each["name"], each["data"]["status"]) for each in refused] == [
        ("payment.requires_action", "requires_action"),
        ("payment.succeeded", "processing"),
        ("payment.cancel_failed", "succeeded"),
    ]


def test_a_payment_that_requires_action_can_be_canceled():
    canceled = answer(ask(payment_of(status="requires_action"), CancelRequest()))

    assert (canceled.status, canceled.ledger) == ("canceled", ())


def test_refunds_reserve_their_amount_from_the_moment_they_are_asked_for():
    one = ask(payment_of("automatic"), RefundRequest(amount=700), "k1")

    with pytest.raises(InvalidState, match="There is 300 left"):
        ask(one, RefundRequest(amount=301), "k2")
    both = answer(ask(one, RefundRequest(), "k2"))
    assert (both.status, _money(both)) == ("succeeded", (0, 1000, 1000))
    assert [each.amount for each in both.operations] == [700, 300]


def test_a_refund_that_the_provider_refuses_gives_its_amount_free_again():
    refused = answer(ask(payment_of("automatic"), RefundRequest()), status="failed")

    assert (_money(refused), refused.amount_refunding) == ((0, 1000, 0), 0)
    assert refused.events[-1].type == "payment.refund_failed"
    assert ask(refused, RefundRequest(), "k2").amount_refunding == 1000


@pytest.mark.parametrize(
    ("payment", "request_", "status"),
    [
        (payment_of(), CaptureRequest(), "requires_capture"),
        (payment_of(), CancelRequest(), "requires_capture"),
        (payment_of(status="requires_action"), CancelRequest(), "requires_action"),
        (answer(ask(payment_of(), CaptureRequest(amount=1))), CancelRequest(), "succeeded"),
    ],
)
def test_what_the_provider_refuses_leaves_the_payment_as_it_was(payment, request_, status):
    refused = answer(ask(payment, request_, "k2"), status="failed")

    assert (refused.status, _money(refused)) == (status, _money(payment))


@pytest.mark.parametrize(
    ("payment", "request_"),
    [
        (payment_of("automatic"), CaptureRequest()),
        (payment_of("automatic"), CancelRequest()),
        (payment_of("automatic"), RefundRequest(amount=1001)),
        (payment_of(), CaptureRequest(amount=1001)),
        (payment_of(), RefundRequest()),
        (payment_of(status="failed"), CaptureRequest()),
        (payment_of(status="failed"), CancelRequest()),
        (payment_of(status="failed"), RefundRequest()),
        (payment_of(status="requires_action"), CaptureRequest()),
        (ask(payment_of(), CaptureRequest(amount=1)), CaptureRequest(amount=1)),
        (ask(payment_of(), CaptureRequest(amount=1)), CancelRequest()),
        (answer(ask(payment_of(), CancelRequest())), CaptureRequest()),
        (answer(ask(payment_of(), CancelRequest())), CancelRequest()),
    ],
)
def test_what_the_state_does_not_allow_is_refused(payment, request_):
    with pytest.raises(InvalidState):
        ask(payment, request_, "another")


def test_a_payment_takes_a_bounded_number_of_operations():
    payment = payment_of("automatic")
    for number in range(life_cycle.OPERATIONS_MAX):
        payment = ask(payment, RefundRequest(amount=1), f"k{number}")

    with pytest.raises(InvalidState, match="operations at most"):
        ask(payment, RefundRequest(amount=1), "one more")


def test_an_answer_to_nothing_that_is_due_changes_nothing():
    payment = payment_of()

    assert life_cycle.answered(payment, {}, now_ms=NOW_MS) is payment


def test_a_settlement_stays_promised_until_nothing_is_due():
    payment = ask(ask(payment_of("automatic"), RefundRequest(amount=1)), RefundRequest(), "k2")
    first, second = asks.due(payment)
    outcome = Outcome(id="rf_1", reference=payment.id, status="succeeded", amount=1, currency="EUR")

    half = life_cycle.answered(payment, {first.key: outcome}, now_ms=NOW_MS)

    assert [ask.key for ask in asks.due(half)] == [second.key]
    assert "payments" in {each.queue for each in half.outbox}
    assert "payments" not in {each.queue for each in answer(half).outbox}


def test_what_was_promised_to_others_survives_the_next_change():
    succeeded = payment_of("automatic")
    assert [each.queue for each in succeeded.outbox] == ["analytics"]

    refunded = answer(ask(succeeded, RefundRequest()))

    names = [event["name"] for each in refunded.outbox for event in json.loads(each.body)["events"]]
    assert names == ["payment.succeeded", "payment.refunded"]


def test_the_answer_to_a_request_can_be_given_again_after_everything_else():
    payment = payment_of()
    captured = ask(payment, CaptureRequest(amount=400), "k1")
    first_answer = view(as_asked(captured, captured.operations[0]))
    paid = answer(captured)
    refund = ask(paid, RefundRequest(amount=100), "k2")
    second_answer = view(as_asked(refund, refund.operations[1]))

    later = answer(ask(answer(refund), CancelRequest(), "k3"))

    assert view(as_asked(later, later.operations[0])) == first_answer == view(captured)
    assert view(as_asked(later, later.operations[1])) == second_answer == view(refund)
    assert view(as_asked(later, None)).status == "processing"


@pytest.mark.parametrize(
    "change",
    [
        {"amount_captured": 999},
        {"amount_refunded": 1},
        {"amount_held": 1},
        {"amount_refunding": 1},
        {"status": "requires_capture"},
        {"status": "canceled"},
        {"events": payment_of("automatic").events[1:]},
        {"ledger": ()},
        {"amount": 1},
    ],
)
def test_a_document_that_contradicts_itself_is_found_out(change):
    payment = replace(payment_of("automatic"), **change)

    assert ledger.violations(payment)


def test_a_capture_of_a_part_gives_up_the_rest_where_the_provider_does():
    payment = ask(payment_of(), CaptureRequest(amount=400))
    (due,) = asks.due(payment)
    outcome = Outcome(
        id=payment.charge_id,
        reference=payment.id,
        status="succeeded",
        amount=400,
        currency="EUR",
        released=600,
    )

    after = life_cycle.answered(payment, {due.key: outcome}, now_ms=NOW_MS)

    assert ledger.violations(after) == []
    assert (after.status, _money(after)) == ("succeeded", (0, 400, 0))
    assert [(each.type, each.amount) for each in after.events[-2:]] == [
        ("payment.succeeded", 400),
        ("payment.hold_released", 600),
    ]
    assert [each["name"] for each in announced(after)][-1] == "payment.hold_released"
    with pytest.raises(InvalidState, match="has nothing to cancel"):
        ask(after, CancelRequest())


def test_a_fee_of_the_provider_is_booked_once_however_often_it_is_told():
    payment = answer(payment_of("automatic"))
    fee = Effect(
        sequence=1,
        id="txn_1",
        idempotency_key="txn_1",
        reference=payment.id,
        kind="fee",
        status="succeeded",
        amount=55,
        currency="EUR",
        created_ms=0,
        settled=1000,
    )
    after = life_cycle.with_fees(payment, [fee, fee], now_ms=NOW_MS)

    assert ledger.violations(after) == []
    assert (after.amount_fees, after.version) == (55, payment.version + 1)
    assert (after.ledger[-1].debit, after.ledger[-1].credit) == ("fees", "provider_clearing")
    assert life_cycle.with_fees(after, [fee], now_ms=NOW_MS) is after
    others = [replace(fee, id="txn_2", amount=0), replace(fee, id="txn_3", currency="USD")]
    assert life_cycle.with_fees(after, others, now_ms=NOW_MS) is after


def test_the_step_of_a_customer_is_shown_while_the_payment_waits_for_it():
    step = NextAction(type="use_stripe_sdk", client_secret="pi_1_secret")
    request = PaymentRequest(amount=1000, currency="EUR", payment_method="pm_card_visa")
    payment = life_cycle.create(request, key="key", tenant="demo", now_ms=NOW_MS)
    outcome = Outcome(
        id="pi_1",
        reference=payment.id,
        status="requires_action",
        amount=1000,
        currency="EUR",
        next_action=step,
    )
    key = f"{payment.id}:charge"
    waits = life_cycle.answered(payment, {key: outcome}, now_ms=NOW_MS)
    paid = replace(outcome, status="succeeded", captured=True, next_action=None)
    after = life_cycle.answered(waits, {key: paid}, now_ms=NOW_MS)

    assert view(waits).next_action == step
    assert view(ask(waits, CancelRequest())).next_action is UNSET
    assert (after.status, view(after).next_action) == ("succeeded", UNSET)


@pytest.mark.parametrize(
    "statuses", [["succeeded", "failed", "succeeded"], ["failed", "succeeded"]]
)
def test_a_refund_that_its_bank_sends_back_has_failed_however_that_is_told(statuses):
    payment = ask(payment_of("automatic"), RefundRequest(amount=300))
    first = view(as_asked(payment, payment.operations[0]))

    for status in statuses:
        payment = refund_of(payment, status)

    shown = view(payment)
    assert (shown.amount_refunded, shown.refunds[0].status) == (0, "failed")
    assert ledger.refundable(payment) == 1000
    assert announced(payment)[-1]["name"] == "payment.refund_failed"
    assert announced(payment)[-1]["data"]["amount_refunded"] == 0
    assert view(as_asked(payment, payment.operations[0])) == first
    again = ask(payment, RefundRequest(), "k2")
    assert view(as_asked(again, again.operations[1])).refunds[0].status == "failed"
    assert view(as_asked(again, again.operations[1])).amount_refunded == 0
