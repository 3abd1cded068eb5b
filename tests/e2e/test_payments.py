"""A payment from the request to what everybody hears of it."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import assert_problem, key

VISA = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}
SETTLED_WITHIN_S = 15


def _settled(client, payment_id):
    def get():
        answer = client.call("GET", f"/v1/payments/{payment_id}")
        assert answer.status == 200, answer
        return answer.body if answer.body["status"] != "processing" else None

    return wait_until(get, SETTLED_WITHIN_S)


def test_a_payment_is_accepted_and_succeeds(demo):
    created = demo.call("POST", "/v1/payments", VISA, key())

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
    created = demo.call("POST", "/v1/payments", {**VISA, "payment_method": method}, key())

    settled = _settled(demo, created.body["id"])

    assert (settled["status"], settled["failure"]["code"]) == ("failed", code)
    assert settled["amount_captured"] == 0


def test_a_card_that_asks_for_more_ends_in_requires_action(demo):
    body = {**VISA, "payment_method": "pm_card_authenticationRequired"}

    created = demo.call("POST", "/v1/payments", body, key())

    assert _settled(demo, created.body["id"])["status"] == "requires_action"


def test_the_same_key_and_body_answer_the_same_again_also_when_all_is_settled(demo):
    same = key()
    first = demo.call("POST", "/v1/payments", VISA, same)
    _settled(demo, first.body["id"])

    again = demo.call("POST", "/v1/payments", VISA, same)

    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


def test_the_same_key_with_another_body_is_refused_and_changes_nothing(demo):
    same = key()
    first = demo.call("POST", "/v1/payments", VISA, same)

    refused = demo.call("POST", "/v1/payments", {**VISA, "amount": 9}, same)

    assert (refused.status, refused.body["code"]) == (422, "idempotency_key_reused")
    assert demo.call("GET", f"/v1/payments/{first.body['id']}").body["amount"] == 1250


def test_the_same_key_of_two_tenants_is_two_payments(demo, other):
    same = key()

    ours = demo.call("POST", "/v1/payments", VISA, same)
    theirs = other.call("POST", "/v1/payments", VISA, same)

    assert (ours.status, theirs.status) == (201, 201)
    assert ours.body["id"] != theirs.body["id"]


def test_another_tenants_payment_is_not_found(demo, other):
    created = demo.call("POST", "/v1/payments", VISA, key())

    answer = other.call("GET", f"/v1/payments/{created.body['id']}")

    assert_problem(answer, 404, "not_found")


def test_lists_are_paged_newest_first_without_gap_or_repeat(other):
    made = [other.call("POST", "/v1/payments", VISA, key()).body["id"] for _ in range(5)]

    ids: list[str] = []
    after = ""
    while len(ids) < 5:
        page = other.call("GET", f"/v1/payments?limit=2{after}").body
        ids += [each["id"] for each in page["data"]]
        after = f"&starting_after={ids[-1]}"

    assert ids[:5] == made[::-1]


def test_a_receipt_reaches_the_customer(demo, mailbox):
    address = f"{uuid.uuid4().hex}@example.com"
    body = {**VISA, "receipt_email": address}

    created = demo.call("POST", "/v1/payments", body, key())

    def receipt():
        mails = mailbox.call("GET", "/messages?limit=1000").body["messages"]
        return [mail for mail in mails if address in mail["to"]]

    assert len(wait_until(receipt, SETTLED_WITHIN_S)) == 1
    assert _settled(demo, created.body["id"])["status"] == "succeeded"


def test_a_success_is_counted_for_the_tenant(demo):
    start = datetime.now(UTC) - timedelta(minutes=1)
    period = {"from": start, "to": start + timedelta(hours=1)}
    query = "&".join(f"{name}={at:%Y-%m-%dT%H:%M:%SZ}" for name, at in period.items())

    def successes():
        answer = demo.call("GET", f"/v1/analytics/metrics?name=payment.succeeded&{query}")
        assert answer.status == 200, answer
        return sum(point["count"] for point in answer.body["points"])

    before = successes()
    demo.call("POST", "/v1/payments", VISA, key())

    wait_until(lambda: successes() > before, SETTLED_WITHIN_S)


def test_a_list_holds_what_its_filter_asks_for(demo):
    declined = {**VISA, "payment_method": "pm_card_chargeDeclined"}
    created = demo.call("POST", "/v1/payments", declined, key())
    _settled(demo, created.body["id"])

    page = demo.call("GET", "/v1/payments?status=failed&limit=5").body

    assert {each["status"] for each in page["data"]} == {"failed"}
    assert created.body["id"] in {each["id"] for each in page["data"]}


def test_what_the_client_added_is_kept_with_the_payment(demo):
    extra = {"description": "Größe 42 ☂", "metadata": {"order": "1"}, "capture_method": "automatic"}

    created = demo.call("POST", "/v1/payments", {**VISA, **extra}, key())

    shown = demo.call("GET", f"/v1/payments/{created.body['id']}").body
    assert (shown["description"], shown["metadata"]) == ("Größe 42 ☂", {"order": "1"})
