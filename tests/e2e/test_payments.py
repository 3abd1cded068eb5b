"""A payment from the request to what everybody hears of it."""

import uuid

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Client

VISA = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}
SETTLED_WITHIN_S = 15


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def _settled(client, payment_id):
    def get():
        answer = client.call("GET", f"/v1/payments/{payment_id}")
        assert answer.status == 200, answer
        return answer.body if answer.body["status"] != "processing" else None

    return wait_until(get, SETTLED_WITHIN_S)


def test_a_payment_is_accepted_and_succeeds(demo):
    created = demo.call("POST", "/v1/payments", VISA, _key())

    assert (created.status, created.body["status"]) == (201, "processing")
    assert created.headers["location"] == f"/v1/payments/{created.body['id']}"
    settled = _settled(demo, created.body["id"])
    assert (settled["status"], settled["amount_captured"]) == ("succeeded", 1250)
    assert [each["type"] for each in settled["events"]] == [
        "payment.created",
        "payment.succeeded",
    ]


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_insufficientFunds", "insufficient_funds"),
        ("pm_card_expiredCard", "expired_card"),
        ("pm_card_processingError", "processing_error"),
    ],
)
def test_a_declined_card_fails_the_payment_with_its_code(demo, method, code):
    created = demo.call("POST", "/v1/payments", {**VISA, "payment_method": method}, _key())

    settled = _settled(demo, created.body["id"])

    assert (settled["status"], settled["failure"]["code"]) == ("failed", code)
    assert settled["amount_captured"] == 0


def test_a_card_that_asks_for_more_ends_in_requires_action(demo):
    body = {**VISA, "payment_method": "pm_card_authenticationRequired"}

    created = demo.call("POST", "/v1/payments", body, _key())

    assert _settled(demo, created.body["id"])["status"] == "requires_action"


def test_the_same_key_and_body_answer_the_same_again_also_when_all_is_settled(demo):
    key = _key()
    first = demo.call("POST", "/v1/payments", VISA, key)
    _settled(demo, first.body["id"])

    again = demo.call("POST", "/v1/payments", VISA, key)

    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


def test_the_same_key_with_another_body_is_refused_and_changes_nothing(demo):
    key = _key()
    first = demo.call("POST", "/v1/payments", VISA, key)

    refused = demo.call("POST", "/v1/payments", {**VISA, "amount": 9}, key)

    assert (refused.status, refused.body["code"]) == (422, "idempotency_key_reused")
    assert demo.call("GET", f"/v1/payments/{first.body['id']}").body["amount"] == 1250


def test_the_same_key_of_two_tenants_is_two_payments(demo, other):
    key = _key()

    ours = demo.call("POST", "/v1/payments", VISA, key)
    theirs = other.call("POST", "/v1/payments", VISA, key)

    assert (ours.status, theirs.status) == (201, 201)
    assert ours.body["id"] != theirs.body["id"]


def test_another_tenants_payment_is_not_found(demo, other):
    created = demo.call("POST", "/v1/payments", VISA, _key())

    answer = other.call("GET", f"/v1/payments/{created.body['id']}")

    assert (answer.status, answer.body["code"]) == (404, "not_found")


def test_lists_are_paged_newest_first_without_gap_or_repeat(other):
    made = [other.call("POST", "/v1/payments", VISA, _key()).body["id"] for _ in range(5)]

    seen: list[str] = []
    after = ""
    while len(seen) < 5:
        page = other.call("GET", f"/v1/payments?limit=2{after}").body
        seen += [each["id"] for each in page["data"]]
        after = f"&starting_after={seen[-1]}"

    assert seen[:5] == made[::-1]


def test_a_success_reaches_analytics_and_the_customer(demo, system):
    address = f"{uuid.uuid4().hex}@example.com"
    body = {**VISA, "receipt_email": address}

    created = demo.call("POST", "/v1/payments", body, _key())

    mailbox = Client(system.mailbox)

    def receipt():
        mails = mailbox.call("GET", "/messages?limit=1000").body["messages"]
        return [mail for mail in mails if address in mail["to"]]

    assert len(wait_until(receipt, SETTLED_WITHIN_S)) == 1
    assert _settled(demo, created.body["id"])["status"] == "succeeded"
