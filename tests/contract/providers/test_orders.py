"""Orders: what each does, what it answers, and that one key has one effect."""

import pytest

from tests.contract.providers.places import charge, done, reference, then

double = pytest.mark.usefixtures("double")


@pytest.fixture
def charged(place):
    """Charge a payment; returns its id and its charge's."""

    def make(**order):
        payment_id = reference()
        outcome = done(place, charge(payment_id, **order))
        assert outcome.status == "succeeded"
        return payment_id, outcome.id

    return make


@pytest.mark.parametrize("capture", [True, False])
def test_a_card_that_is_good_is_charged_or_held(place, capture):
    payment_id = reference()

    outcome = done(place, charge(payment_id, capture=capture))

    assert (outcome.status, outcome.captured, outcome.decline_code) == ("succeeded", capture, None)
    assert (outcome.reference, outcome.amount, outcome.currency) == (payment_id, 1000, "EUR")
    assert place.effects(payment_id) == ["charge"]


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_insufficientFunds", "insufficient_funds"),
        ("pm_card_expiredCard", "expired_card"),
        ("pm_card_processingError", "processing_error"),
    ],
)
def test_a_card_that_is_declined_fails_with_our_code(place, method, code):
    payment_id = reference()

    outcome = done(place, charge(payment_id, method=method))

    assert (outcome.status, outcome.decline_code, outcome.captured) == ("failed", code, False)
    assert outcome.reference == payment_id
    assert place.effects(payment_id) == []


@pytest.mark.parametrize("method", ["pm_card_visa", "pm_card_insufficientFunds"])
def test_an_order_given_twice_has_one_effect_and_one_answer(place, method):
    payment_id = reference()
    ask = charge(payment_id, method=method)

    answers = [done(place, ask), done(place, ask)]

    assert answers[0] == answers[1]
    assert len(place.effects(payment_id)) == (method == "pm_card_visa")


def test_ten_orders_at_once_are_each_answered_under_their_key(place):
    asks = [charge(reference()) for _ in range(10)]

    outcomes = place.provider.ask_all(asks)

    assert {key: each.reference for key, each in outcomes.items()} == {
        ask.key: ask.order.reference for ask in asks
    }


@double
@pytest.mark.parametrize(("fault", "effects"), [("lost", 1), ("limited", 0), ("failed", 0)])
def test_without_a_definitive_answer_nothing_is_known_and_the_same_key_is_safe(
    place, fault, effects
):
    payment_id = reference()
    ask = charge(payment_id)

    place.befall(fault)
    unknown = done(place, ask)
    before = place.effects(payment_id)
    known = done(place, ask)

    assert (unknown, len(before)) == (None, effects)
    assert known.status == "succeeded"
    assert place.effects(payment_id) == ["charge"]


@double
def test_a_refund_whose_answer_is_lost_is_made_once(place, charged):
    payment_id, charge_id = charged()
    refund = then(charge_id, payment_id, "/refunds", 300)

    place.befall("lost")
    outcomes = [done(place, refund), done(place, refund)]

    assert [each and each.status for each in outcomes] == [None, "succeeded"]
    assert place.effects(payment_id) == ["charge", "refund"]


@pytest.mark.parametrize("amount", [1000, 400])
def test_what_is_held_is_captured_whole_or_in_part(place, charged, amount):
    payment_id, charge_id = charged(capture=False)
    capture = then(charge_id, payment_id, "/captures", amount)

    outcomes = [done(place, capture), done(place, capture)]

    assert [(each.status, each.amount) for each in outcomes] == [("succeeded", amount)] * 2
    assert outcomes[0].released in (0, 1000 - amount)
    assert place.effects(payment_id) == ["charge", "capture"]


def test_more_than_is_held_is_refused_for_good(place, charged):
    payment_id, charge_id = charged(capture=False)

    outcome = done(place, then(charge_id, payment_id, "/captures", 1001))

    assert (outcome.status, outcome.amount) == ("failed", 1001)
    assert place.effects(payment_id) == ["charge"]


def test_a_hold_is_released_and_then_nothing_can_be_captured(place, charged):
    payment_id, charge_id = charged(capture=False)

    void = done(place, then(charge_id, payment_id, "/voids", 1000))
    capture = done(place, then(charge_id, payment_id, "/captures", 1000))

    assert (void.status, void.amount) == ("succeeded", 1000)
    assert (capture.status, capture.amount) == ("failed", 1000)


def test_what_is_captured_cannot_be_released(place, charged):
    payment_id, charge_id = charged()

    outcome = done(place, then(charge_id, payment_id, "/voids", 1000))

    assert outcome.status == "failed"
    assert place.effects(payment_id) == ["charge"]


def test_a_charge_is_refunded_in_parts_up_to_what_was_captured(place, charged):
    payment_id, charge_id = charged()
    amounts = (300, 700, 1)

    outcomes = [done(place, then(charge_id, payment_id, "/refunds", each)) for each in amounts]

    assert [each.status for each in outcomes] == ["succeeded", "succeeded", "failed"]
    assert [each.amount for each in outcomes] == list(amounts)
    assert place.effects(payment_id) == ["charge", "refund", "refund"]


def test_a_refund_of_more_than_is_left_is_refused_for_good(place, charged):
    payment_id, charge_id = charged()

    outcome = done(place, then(charge_id, payment_id, "/refunds", 1001))

    assert outcome.status == "failed"
    assert place.effects(payment_id) == ["charge"]


def test_a_card_that_wants_its_customer_waits_and_may_be_given_up(place):
    payment_id = reference()

    waits = done(place, charge(payment_id, method="pm_card_authenticationRequired"))
    void = done(place, then(waits.id, payment_id, "/voids", 0))

    assert (waits.status, waits.captured) == ("requires_action", False)
    assert (void.status, void.amount) == ("succeeded", 0)
