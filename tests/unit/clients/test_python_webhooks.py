"""The Python client accepts webhooks that Spillway signed, and no others."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from notifications.webhooks import signing
from spillway_client import InvalidWebhook, verify_webhook

NOW_S = 1_790_000_000
SECRET, OTHER = signing.new_secret(), signing.new_secret()
BODY = json.dumps(
    {
        "type": "payment.succeeded",
        "timestamp": "2026-09-21T14:13:20.000Z",
        "sequence": 2,
        "data": {"payment_id": "pay_1"},
    }
).encode()


def signed(*secrets: str, body: bytes = BODY, at_s: int = NOW_S) -> dict[str, str]:
    return dict(signing.headers("ntf_1", body, keys=secrets, at_s=at_s))


def test_a_signed_webhook_is_its_event():
    event = verify_webhook(BODY, signed(SECRET), SECRET, now_s=NOW_S)

    assert (event.id, event.type, event.sequence) == ("ntf_1", "payment.succeeded", 2)
    assert event.timestamp.isoformat() == "2026-09-21T14:13:20+00:00"
    assert event.data == {"payment_id": "pay_1"}


def test_names_of_headers_are_read_in_any_case():
    headers = {name.title(): value for name, value in signed(SECRET).items()}

    assert verify_webhook(BODY, headers, SECRET, now_s=NOW_S).id == "ntf_1"


def test_what_the_standard_s_own_library_signs_is_accepted():
    headers = signed()
    headers["webhook-signature"] = Webhook(SECRET).sign(
        "ntf_1", datetime.fromtimestamp(NOW_S, UTC), BODY.decode()
    )

    assert verify_webhook(BODY, headers, SECRET, now_s=NOW_S).id == "ntf_1"


@pytest.mark.parametrize("secrets", [(SECRET,), (OTHER,), (OTHER, SECRET), (SECRET, OTHER)])
def test_one_of_both_secrets_is_enough_while_they_are_changed(secrets: tuple[str, ...]):
    both = signed(SECRET, OTHER)

    assert verify_webhook(BODY, both, secrets, now_s=NOW_S).id == "ntf_1"


def test_a_receiver_that_has_both_accepts_what_one_signed():
    assert verify_webhook(BODY, signed(OTHER), [SECRET, OTHER], now_s=NOW_S).id == "ntf_1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": "ntf_2"}, "no signature fits"),
        ({"webhook-timestamp": str(NOW_S + 1)}, "no signature fits"),
        ({"webhook-signature": ""}, "no signature fits"),
        ({"webhook-signature": "v1,"}, "no signature fits"),
        ({"webhook-signature": "v1a,é"}, "no signature fits"),
        ({"webhook-signature": None}, "'webhook-signature' is missing"),
        ({"webhook-id": None}, "'webhook-id' is missing"),
        ({"webhook-timestamp": "soon"}, "no number of seconds"),
        ({"webhook-timestamp": "-1"}, "no number of seconds"),
        ({"webhook-timestamp": "9" * 5000}, "no number of seconds"),
    ],
)
def test_another_head_is_refused(change: dict[str, str | None], reason: str):
    members = {**signed(SECRET), **change}
    headers = {name: value for name, value in members.items() if value is not None}

    with pytest.raises(InvalidWebhook, match=reason):
        verify_webhook(BODY, headers, SECRET, now_s=NOW_S)


def test_another_body_or_secret_is_refused():
    with pytest.raises(InvalidWebhook, match="no signature fits"):
        verify_webhook(BODY + b" ", signed(SECRET), SECRET, now_s=NOW_S)
    with pytest.raises(InvalidWebhook, match="no signature fits"):
        verify_webhook(BODY, signed(SECRET), OTHER, now_s=NOW_S)


@pytest.mark.parametrize("off_s", [-301, 301])
def test_what_was_signed_too_long_ago_or_ahead_of_time_is_refused(off_s: int):
    headers = signed(SECRET, at_s=NOW_S + off_s)

    with pytest.raises(InvalidWebhook, match="more than 300 s ago"):
        verify_webhook(BODY, headers, SECRET, now_s=NOW_S)
    assert verify_webhook(BODY, headers, SECRET, now_s=NOW_S, tolerance_s=400).id == "ntf_1"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"type":"a","timestamp":7}', b"\xff"])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes):
    with pytest.raises(InvalidWebhook, match="is no event"):
        verify_webhook(body, signed(SECRET, body=body), SECRET, now_s=NOW_S)


@pytest.mark.parametrize("secrets", ["", "whsec_", "whsec_%%%", "whsec_a", []])
def test_a_secret_that_is_none_is_the_receiver_s_own_mistake(secrets: str | list[str]):
    with pytest.raises(ValueError, match="secret"):
        verify_webhook(BODY, signed(SECRET), secrets, now_s=NOW_S)
