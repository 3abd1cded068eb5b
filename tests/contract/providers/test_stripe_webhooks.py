"""The webhooks of Stripe alone: secrets, other accounts and modes, open intents."""

import json
import time

import pytest

from backend.errors import Unauthorized
from payments.providers.stripe import Stripe
from tests.contract.providers.places import WAITS, charge, done, reference, then
from tests.contract.providers.stripe_server import KEY


@pytest.mark.parametrize("secrets", [("whsec_1",), ("whsec_2", "whsec_1"), ("whsec_3", "whsec_1")])
def test_a_secret_may_be_changed_twice_while_the_oldest_is_still_in_use(stripe, secrets):
    done(stripe, charge(reference(), method=WAITS))
    event = stripe.last_event("payment_intent.requires_action")
    url = stripe.server.url
    provider = Stripe(url, key=KEY, secrets=secrets, is_live=False, timeout_ms=2_000)

    assert len(stripe.hear(event, "whsec_1", provider)) == 1
    with pytest.raises(Unauthorized):
        stripe.hear(event, "whsec_0", provider)


def test_one_of_several_signatures_is_enough_while_stripe_signs_with_both_secrets(stripe):
    done(stripe, charge(reference(), method=WAITS))
    event = stripe.last_event("payment_intent.requires_action")
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
def test_a_webhook_that_is_about_nothing_of_ours_is_taken_and_ignored(stripe, change):
    done(stripe, charge(reference(), method=WAITS))
    event = stripe.last_event("payment_intent.requires_action")

    assert stripe.hear({**event, **change}) == []
    assert len(stripe.hear(event)) == 1


def test_a_webhook_of_an_intent_that_others_made_is_ignored(stripe):
    done(stripe, charge(reference(), method=WAITS))
    event = json.loads(json.dumps(stripe.last_event("payment_intent.requires_action")))
    event["data"]["object"]["metadata"] = {"order": "7"}

    assert stripe.hear(event) == []


def test_an_intent_whose_confirmation_failed_is_given_up_before_the_payment_fails(stripe):
    ask = charge(reference(), method=WAITS)
    intent_id = done(stripe, ask).id
    stripe.confirm(ask.order.reference, "failed")

    (answer,) = stripe.hear(stripe.last_event("payment_intent.payment_failed"))

    assert answer.outcome.decline_code == "authentication_failed"
    assert stripe.server.intents[intent_id]["status"] == "canceled"
    assert stripe.hear(stripe.last_event("payment_intent.canceled")) == []


def test_a_customer_who_succeeds_after_a_failed_confirmation_has_paid(stripe):
    ask = charge(reference(), method=WAITS)
    intent_id = done(stripe, ask).id
    stripe.confirm(ask.order.reference, "failed")
    event = stripe.last_event("payment_intent.payment_failed")
    stripe.server.intents[intent_id]["status"] = "requires_action"
    stripe.confirm(ask.order.reference)

    (answer,) = stripe.hear(event)

    assert (answer.outcome.status, answer.outcome.captured) == ("succeeded", True)


@pytest.mark.parametrize("type", ["refund.created", "charge.refunded"])
def test_a_refund_is_told_under_the_key_of_its_order(stripe, type):
    payment_id = reference()
    refund = then(done(stripe, charge(payment_id)).id, payment_id, "/refunds", 300)
    outcome = done(stripe, refund)

    (answer,) = stripe.hear(stripe.last_event(type))

    assert (answer.key, answer.outcome) == (refund.key, outcome)


def test_a_hold_that_ends_by_itself_is_told_as_its_lapse(stripe):
    payment_id = reference()
    done(stripe, charge(payment_id, capture=False))
    stripe.server.lapse(payment_id)

    (answer,) = stripe.hear(stripe.last_event("payment_intent.canceled"))

    assert (answer.key, answer.outcome.amount) == (f"{payment_id}:lapse", 1000)
