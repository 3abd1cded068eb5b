"""The ways of Stripe alone: refusals, keys that expire, modes, accounts and open intents."""

import json
import time
from itertools import pairwise

import pytest
from msgspec.structs import replace

from backend.errors import CircuitOpen, Unauthorized
from payments.provider import Ask, ChargeOrder, DisputeOrder
from payments.providers.stripe import VERSION, Stripe
from tests.contract.providers.places import OnStripe, charge, reference, then
from tests.contract.providers.stripe_server import KEY
from tests.contract.providers.test_orders import done

TWO_DAYS_MS = 2 * 86_400_000
WAITS = "pm_card_authenticationRequired"


@pytest.fixture
def stripe(stripe_server):
    stripe = OnStripe(stripe_server)
    yield stripe
    for connection in stripe.provider._connections._idle:  # type: ignore[attr-defined]
        connection.close()


@pytest.fixture
def heard(stripe):
    """Hear an event, signed with a secret."""

    def hear(event, secret="whsec_new", provider=None):
        body, signature = stripe.server.sent(event, secret)
        headers = {"stripe-signature": signature}
        return (provider or stripe.provider).hear(body, headers, now_s=time.time())

    return hear


def last_event(stripe, type):
    return next(each for each in reversed(stripe.server.events) if each["type"] == type)


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


@pytest.mark.parametrize("secrets", [("whsec_1",), ("whsec_2", "whsec_1"), ("whsec_3", "whsec_1")])
def test_a_secret_may_be_changed_twice_while_the_oldest_is_still_in_use(stripe, heard, secrets):
    done(stripe, charge(reference(), method=WAITS))
    event = last_event(stripe, "payment_intent.requires_action")
    url = stripe.server.url
    provider = Stripe(url, key=KEY, secrets=secrets, is_live=False, timeout_ms=2_000)

    assert len(heard(event, "whsec_1", provider)) == 1
    with pytest.raises(Unauthorized):
        heard(event, "whsec_0", provider)


def test_one_of_several_signatures_is_enough_while_stripe_signs_with_both_secrets(stripe):
    done(stripe, charge(reference(), method=WAITS))
    event = last_event(stripe, "payment_intent.requires_action")
    body, other = stripe.server.sent(event, "whsec_unknown")
    mine = stripe.server.sent(event, "whsec_old")[1].rpartition("v1=")[2]

    answers = stripe.provider.hear(
        body, {"stripe-signature": f"{other},v1={mine}"}, now_s=time.time()
    )

    assert len(answers) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"account": "acct_other"},
        {"livemode": True},
        {"type": "payment_intent.created"},
        {"type": "customer.created"},
        {"data": {"object": {"id": "pi_1", "object": "payment_intent"}}},
        {"data": {"object": {"metadata": "none"}}},
    ],
)
def test_a_webhook_that_is_about_nothing_of_ours_is_taken_and_ignored(stripe, heard, change):
    done(stripe, charge(reference(), method=WAITS))
    event = last_event(stripe, "payment_intent.requires_action")

    assert heard({**event, **change}) == []
    assert len(heard(event)) == 1


def test_a_webhook_of_an_intent_that_others_made_is_ignored(stripe, heard):
    done(stripe, charge(reference(), method=WAITS))
    event = json.loads(json.dumps(last_event(stripe, "payment_intent.requires_action")))
    event["data"]["object"]["metadata"] = {"order": "7"}

    assert heard(event) == []


def test_an_intent_whose_confirmation_failed_is_given_up_before_the_payment_fails(stripe, heard):
    ask = charge(reference(), method=WAITS)
    intent_id = done(stripe, ask).id
    stripe.confirm(ask.order.reference, "failed")

    (answer,) = heard(last_event(stripe, "payment_intent.payment_failed"))

    assert answer.outcome.decline_code == "authentication_failed"
    assert stripe.server.intents[intent_id]["status"] == "canceled"
    assert heard(last_event(stripe, "payment_intent.canceled")) == []


def test_a_customer_who_succeeds_after_a_failed_confirmation_has_paid(stripe, heard):
    ask = charge(reference(), method=WAITS)
    intent_id = done(stripe, ask).id
    stripe.confirm(ask.order.reference, "failed")
    event = last_event(stripe, "payment_intent.payment_failed")
    stripe.server.intents[intent_id]["status"] = "requires_action"
    stripe.confirm(ask.order.reference)

    (answer,) = heard(event)

    assert (answer.outcome.status, answer.outcome.captured) == ("succeeded", True)


@pytest.mark.parametrize("type", ["refund.created", "charge.refunded"])
def test_a_refund_is_told_under_the_key_of_its_order(stripe, heard, type):
    payment_id = reference()
    refund = then(done(stripe, charge(payment_id)).id, payment_id, "/refunds", 300)
    outcome = done(stripe, refund)

    (answer,) = heard(last_event(stripe, type))

    assert (answer.key, answer.outcome) == (refund.key, outcome)


def test_a_hold_that_ends_by_itself_is_told_as_its_lapse(stripe, heard):
    payment_id = reference()
    done(stripe, charge(payment_id, capture=False))
    stripe.server.lapse(payment_id)

    (answer,) = heard(last_event(stripe, "payment_intent.canceled"))

    assert (answer.key, answer.outcome.amount) == (f"{payment_id}:lapse", 1000)


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


@pytest.fixture
def disputed(stripe, heard):
    """Charge a payment and have it disputed; returns what is told of it, and its charge."""
    payment_id = reference()
    charge_id = done(stripe, charge(payment_id)).id
    (report,) = heard(stripe.server.dispute(payment_id))
    return report, charge_id


def response(report, path, key, **evidence):
    order = DisputeOrder(
        dispute_id=report.id,
        charge=report.charge,
        amount=report.amount,
        currency=report.currency,
        reference=report.reference,
        evidence=evidence,
    )
    return Ask(key=key, path=path, order=order)


def test_a_dispute_is_told_with_the_payment_that_it_is_of(disputed):
    report, charge_id = disputed

    assert (report.charge, report.amount, report.currency) == (charge_id, 1000, "EUR")
    assert (report.status, report.fee, report.reason) == ("needs_response", 1500, "fraudulent")
    assert report.reference.startswith("pay_")
    assert report.due_ms % 1_000 == 0 != report.due_ms


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [("/evidence", "ev_", "under_review"), ("/acceptances", "acc_", "lost")],
)
def test_a_dispute_is_answered_once_and_the_record_has_both(stripe, disputed, path, key, status):
    report, _ = disputed
    key = f"{key}{report.id}"
    ask = response(report, path, key, uncategorized_text="It was there.")

    outcomes = [done(stripe, ask), done(stripe, ask)]
    again = done(stripe, response(report, path, f"{key}2", uncategorized_text="More."))

    assert [each.status for each in outcomes] == ["succeeded", "succeeded"]
    assert again.status == "failed"
    lines = [e for e in stripe.provider.effects(0) if e.reference == report.reference]
    told = [
        (each.kind, each.idempotency_key) for each in lines if each.kind not in ("fee", "charge")
    ]
    assert told == [
        ("dispute", f"{report.id}:needs_response"),
        (path.strip("/").removesuffix("s"), key),
        ("dispute", f"{report.id}:{status}"),
    ]


def test_an_inquiry_is_told_once_it_is_a_dispute(stripe, heard):
    payment_id = reference()
    done(stripe, charge(payment_id))

    assert heard(stripe.server.dispute(payment_id, "warning_needs_response")) == []


def test_an_order_says_nothing_of_a_customer_s_card_but_its_token():
    assert set(ChargeOrder.__struct_fields__) == {
        *("amount", "currency", "payment_method", "capture", "reference", "off_session"),
        *("test_clock", "clock_ms"),
    }
