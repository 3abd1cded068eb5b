"""Signatures hold before the standard's own library, also while a secret is being changed."""

import json
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from notifications.webhooks import signing

BODY = json.dumps({"type": "payment.succeeded", "data": {"payment_id": "pay_1", "name": "Zoë"}})


def signed(*secrets, at_s=None):
    at_s = int(time.time()) if at_s is None else at_s
    return signing.headers("ntf_1", BODY.encode(), keys=secrets, at_s=at_s)


def test_a_signature_holds_before_the_standard_s_library():
    secret = signing.new_secret()

    assert Webhook(secret).verify(BODY, signed(secret)) == json.loads(BODY)


def test_either_secret_is_enough_while_it_is_changed():
    old, new = signing.new_secret(), signing.new_secret()
    headers = signed(new, old)

    assert Webhook(old).verify(BODY, headers) == Webhook(new).verify(BODY, headers)
    assert headers["webhook-signature"].count("v1,") == 2


@pytest.mark.parametrize("changed", ["body", "webhook-id", "webhook-timestamp"])
def test_nothing_that_is_signed_can_be_changed(changed):
    secret = signing.new_secret()
    now_s = int(time.time())
    others = {"webhook-id": "ntf_2", "webhook-timestamp": str(now_s - 1)}
    headers = signed(secret, at_s=now_s)
    body = BODY.replace("pay_1", "pay_2") if changed == "body" else BODY
    if changed in others:
        headers |= {changed: others[changed]}

    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(secret).verify(body, headers)


def test_an_old_webhook_cannot_be_repeated_later():
    secret = signing.new_secret()

    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(secret).verify(BODY, signed(secret, at_s=int(time.time()) - 600))


def test_secrets_have_the_standard_s_form_and_are_never_the_same():
    made = {signing.new_secret() for _ in range(100)}

    assert len(made) == 100
    assert all(each.startswith("whsec_") and len(each) == len("whsec_") + 44 for each in made)
