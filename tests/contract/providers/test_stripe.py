"""The ways of Stripe alone: refusals, keys that expire, and its record."""

import time
from itertools import pairwise

import pytest
from msgspec.structs import replace

from backend.errors import CircuitOpen
from payments import answers
from payments.provider import ChargeOrder
from payments.providers.stripe import VERSION, Stripe
from payments.providers.stripe_objects import Failure
from tests.contract.providers.places import WAITS, charge, done, reference, then
from tests.contract.providers.stripe_server import KEY

TWO_DAYS_MS = 2 * 86_400_000


@pytest.mark.parametrize(
    "fault", ["locked", "in use", "retry", "odd", "replayed", "live", "no json", "no status"]
)
def test_what_stripe_does_not_say_for_certain_changes_nothing_and_is_asked_again(stripe, fault):
    ask = charge(reference())
    stripe.befall(fault)

    answers = [done(stripe, ask), done(stripe, ask)]

    assert [each and each.status for each in answers] == [None, "succeeded"]
    assert stripe.effects(ask.order.reference) == ["charge"]


@pytest.mark.parametrize("fault", ["new status", "other amount"])
def test_an_answer_that_makes_no_sense_is_looked_up(stripe, fault):
    ask = charge(reference())
    stripe.befall(fault)

    outcome = done(stripe, ask)

    assert (outcome.status, outcome.amount) == ("succeeded", 1000)
    assert "/search?" in stripe.server.requests[-1][0]


def test_a_key_that_had_other_parameters_is_answered_by_what_was_done_under_it(stripe):
    ask = charge(reference())
    stripe.befall("lost")
    assert done(stripe, ask) is None

    outcome = done(stripe, replace(ask, tenant="of another version"))

    assert outcome.status == "succeeded"
    assert stripe.effects(ask.order.reference) == ["charge"]


@pytest.mark.parametrize("path", ["/charges", "/refunds", "/captures", "/voids"])
def test_an_order_whose_key_stripe_may_have_forgotten_is_looked_up_before_it_is_given(stripe, path):
    payment_id = reference()
    ask = charge(payment_id, capture=path in ("/charges", "/refunds"))
    if path != "/charges":
        ask = then(done(stripe, ask).id, payment_id, path, 1000)
    stripe.befall("lost")
    done(stripe, ask)
    effects = stripe.effects(payment_id)
    stripe.server.saved.clear()

    long_ago = time.time() * 1000 - TWO_DAYS_MS
    outcome = done(stripe, replace(ask, since_ms=int(long_ago)))

    assert (outcome.status, outcome.amount) == ("succeeded", 1000)
    assert stripe.effects(payment_id) == effects


@pytest.mark.parametrize("path", ["/charges", "/refunds"])
def test_an_old_order_that_cannot_be_looked_up_is_not_given(stripe, path):
    payment_id = reference()
    ask = charge(payment_id)
    if path == "/refunds":
        ask = then(done(stripe, ask).id, payment_id, path, 100)
    stripe.befall("lost")
    done(stripe, ask)
    effects = stripe.effects(payment_id)
    stripe.server.saved.clear()

    stripe.server.is_blind = True
    outcome = done(stripe, replace(ask, since_ms=1))
    stripe.server.is_blind = False

    assert outcome is None
    assert stripe.effects(payment_id) == effects


def test_an_old_order_that_stripe_never_got_is_given(stripe):
    ask = replace(charge(reference()), since_ms=1)

    assert done(stripe, ask).status == "succeeded"


def test_an_error_that_stripe_keeps_under_a_key_is_answered_by_what_was_done(stripe):
    ask = charge(reference())
    stripe.befall("lost")
    done(stripe, ask)
    stripe.befall("replayed")

    assert done(stripe, ask).status == "succeeded"


def test_a_refund_that_is_pending_is_looked_up(stripe):
    payment_id = reference()
    charge_id = done(stripe, charge(payment_id)).id
    refund = then(charge_id, payment_id, "/refunds", 100)
    stripe.befall("pending")

    assert done(stripe, refund).status == "succeeded"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"payment_method": "pm_gone"}, "payment_method_unknown"),
        ({"amount": 49}, "amount_not_possible"),
        ({"payment_method": "pm_card_visa_chargeDeclinedLostCard"}, "generic_decline"),
        ({"payment_method": "pm_card_chargeDeclinedIncorrectCvc"}, "incorrect_cvc"),
    ],
)
def test_what_stripe_will_never_charge_fails(stripe, order, code):
    ask = charge(reference())
    ask = replace(ask, order=replace(ask.order, **order))

    outcome = done(stripe, ask)

    assert (outcome.status, outcome.decline_code) == ("failed", code)
    assert outcome.amount == ask.order.amount


# Stripe's published codes, by ours: https://docs.stripe.com/declines/codes
DECLINES = {
    "insufficient_funds": """card_velocity_exceeded insufficient_funds
        withdrawal_count_limit_exceeded""",
    "expired_card": "expired_card",
    "processing_error": "issuer_not_available processing_error reenter_transaction try_again_later",
    "incorrect_cvc": "incorrect_cvc invalid_cvc",
    "authentication_required": "authentication_required mobile_device_authentication_required",
    "amount_not_possible": "invalid_amount",
    "generic_decline": """approve_with_id call_issuer card_not_supported currency_not_supported
        do_not_honor do_not_try_again duplicate_transaction fraudulent generic_decline
        incorrect_address incorrect_number incorrect_pin incorrect_zip invalid_account
        invalid_expiry_month invalid_expiry_year invalid_number invalid_pin lost_card
        merchant_blacklist new_account_information_available no_action_taken not_permitted
        offline_pin_required online_or_offline_pin_required pickup_card pin_try_exceeded
        restricted_card revocation_of_all_authorizations revocation_of_authorization
        security_violation service_not_allowed stolen_card stop_payment_order testmode_decline
        transaction_not_allowed a_code_of_next_year""",
}


def test_every_code_with_which_stripe_declines_is_one_of_ours():
    for ours, codes in DECLINES.items():
        for code in codes.split():
            assert (code, Failure(code="card_declined", decline_code=code).ours()) == (code, ours)
        assert ours in answers.DECLINES


def test_stripe_is_asked_once_in_a_pinned_version_under_our_key(stripe, caplog):
    ask = charge(reference(), capture=False)
    before = len(stripe.server.requests)
    done(stripe, ask)
    stripe.befall("odd")
    done(stripe, charge(reference()))

    path, key, fields, headers = stripe.server.requests[before]
    assert len(stripe.server.requests) == before + 2
    assert (path, key, headers["Stripe-Version"]) == ("/v1/payment_intents", ask.key, VERSION)
    assert fields == {
        "amount": "1000",
        "currency": "eur",
        "payment_method": "pm_card_visa",
        "payment_method_types[0]": "card",
        "capture_method": "manual",
        "confirm": "true",
        "metadata[payment_id]": ask.order.reference,
        "metadata[tenant]": "demo",
        "metadata[operation]": ask.key,
    }
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("method", "customer", "status", "code"),
    [
        ("pm_saved", "cus_ada", "succeeded", None),
        ("pm_card_visa", None, "succeeded", None),
        (WAITS, None, "failed", "authentication_required"),
    ],
)
def test_a_customer_who_is_not_there_is_charged_by_a_saved_method(
    stripe, method, customer, status, code
):
    ask = charge(reference(), method=method)
    outcome = done(stripe, replace(ask, order=replace(ask.order, off_session=True)))

    fields = stripe.server.requests[-1][2]
    assert (outcome.status, outcome.decline_code) == (status, code)
    assert (fields["off_session"], fields.get("customer")) == ("true", customer)


def test_a_customer_who_is_there_may_pay_with_a_saved_method(stripe):
    ask = replace(charge(reference(), method="pm_saved"), of_customer=True)

    assert done(stripe, ask).status == "succeeded"
    fields = stripe.server.requests[-1][2]
    assert (fields["customer"], fields.get("off_session")) == ("cus_ada", None)


def test_a_step_of_the_customer_s_is_handed_on_with_its_secret(stripe):
    step = done(stripe, charge(reference(), method=WAITS)).next_action

    assert step.type == "use_stripe_sdk"
    assert step.client_secret.startswith("pi_")


def test_a_key_that_stripe_refuses_has_it_left_alone_and_nothing_fails(stripe):
    provider = Stripe(
        stripe.server.url, key="sk_test_wrong", secrets=(), is_live=False, timeout_ms=2_000
    )
    stripe.provider = provider
    asks = [charge(reference()) for _ in range(5)]

    assert provider.ask_all(asks) == {}
    with pytest.raises(CircuitOpen):
        provider.ask_all(asks)


def test_the_record_has_the_fee_in_the_payment_s_currency_and_what_was_settled(stripe):
    in_euros, in_dollars = reference(), reference()
    done(stripe, charge(in_euros))
    stripe.server.settlement, stripe.server.fee = "usd", 110
    done(stripe, charge(in_dollars))
    stripe.server.fee = 55

    lines = [each for each in stripe.provider.effects(0) if each.kind == "fee"]
    fees = {each.reference: (each.amount, each.currency, each.settled) for each in lines}

    assert fees[in_euros] == fees[in_dollars] == (55, "EUR", 1000)


def test_a_refund_that_was_made_at_stripe_s_own_page_is_in_the_record(stripe):
    payment_id = reference()
    charge_id = done(stripe, charge(payment_id)).id
    fields = {"payment_intent": charge_id, "amount": "10"}
    with stripe.server.lock:
        stripe.server.post("/v1/refunds", fields, f"their {payment_id}")

    (line,) = [each for each in stripe.provider.effects(0) if each.amount == 10]

    assert (line.kind, line.reference, line.status) == ("refund", payment_id, "succeeded")


def test_a_record_of_more_than_a_page_is_read_whole_and_once(stripe):
    ask = charge(reference())
    done(stripe, ask)
    event = stripe.server.events[-1]
    stripe.server.events[:] = [
        {**event, "id": f"evt_{n}", "created": event["created"] - 4_000 + n} for n in range(900)
    ]

    lines = stripe.provider.effects(0)
    while page := stripe.provider.effects(lines[-1].sequence):
        lines += page

    assert sum(each.kind != "fee" for each in lines) >= 900
    assert all(one.sequence < other.sequence for one, other in pairwise(lines))
    stripe.server.events.clear()


def test_an_order_says_nothing_of_a_customer_s_card_but_its_token():
    assert set(ChargeOrder.__struct_fields__) == {
        *("amount", "currency", "payment_method", "capture", "reference", "off_session"),
        *("test_clock", "clock_ms"),
    }
