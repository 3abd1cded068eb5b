"""Capture, cancel, refund, ledger and balances over HTTP, settled by the workers."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Client

SETTLED_WITHIN_S = 15
VISA = {"amount": 1000, "currency": "EUR", "payment_method": "pm_card_visa"}


def _key():
    return {"Idempotency-Key": uuid.uuid4().hex}


def _until(client, payment_id, **members):
    """Return the payment, once it has these `members`."""

    def get():
        body = client.call("GET", f"/v1/payments/{payment_id}").body
        return body if members.items() <= body.items() else None

    return wait_until(get, SETTLED_WITHIN_S)


def _made(client, status, **changes):
    created = client.call("POST", "/v1/payments", VISA | changes, _key())
    assert created.status == 201, created
    return _until(client, created.body["id"], status=status)["id"]


def _post(client, payment_id, what, body=None, headers=None):
    return client.call("POST", f"/v1/payments/{payment_id}/{what}", body, headers or _key())


def _balances(client, currency):
    data = client.call("GET", "/v1/balances").body["data"]
    return {
        each["account"]: (each["posted"], each["pending"])
        for each in data
        if each["currency"] == currency
    }


def test_a_manual_payment_is_captured_in_parts_and_its_rest_released(demo):
    payment = _made(demo, "requires_capture", capture_method="manual")

    capture = _post(demo, payment, "capture", {"amount": 400})

    assert (capture.status, capture.body["id"], capture.body["status"]) == (
        202,
        payment,
        "processing",
    )
    _until(demo, payment, status="succeeded", amount_captured=400)
    assert _post(demo, payment, "cancel").status == 202
    done = wait_until(
        lambda: (
            (body := demo.call("GET", f"/v1/payments/{payment}").body)
            and body["events"][-1]["type"] == "payment.hold_released"
            and body
        ),
        SETTLED_WITHIN_S,
    )
    assert (done["status"], done["amount_captured"]) == ("succeeded", 400)
    ledger = demo.call("GET", f"/v1/payments/{payment}/ledger").body
    assert [(each["state"], each["amount"]) for each in ledger["data"]] == [
        ("pending", 1000),
        ("posted", 400),
        ("voided", 600),
    ]


def test_a_held_payment_is_canceled(demo):
    payment = _made(demo, "requires_capture", capture_method="manual")

    assert _post(demo, payment, "cancel", {"reason": "duplicate"}).status == 202

    assert _until(demo, payment, status="canceled")["amount_captured"] == 0
    refused = _post(demo, payment, "capture")
    assert (refused.status, refused.body["code"], refused.body["retryable"]) == (
        409,
        "invalid_state",
        False,
    )


def test_a_payment_is_refunded_in_parts_up_to_what_was_captured(demo):
    payment = _made(demo, "succeeded")

    first = _post(demo, payment, "refunds", {"amount": 300, "reason": "duplicate"})
    second = _post(demo, payment, "refunds")
    third = _post(demo, payment, "refunds", {"amount": 1})

    assert (first.status, first.body["status"], first.body["amount"]) == (201, "pending", 300)
    assert first.body["id"].startswith("re_")
    assert (second.status, second.body["amount"]) == (201, 700)
    assert (third.status, third.body["code"]) == (409, "invalid_state")
    done = _until(demo, payment, amount_refunded=1000)
    assert [(each["status"], each["amount"]) for each in done["refunds"]] == [
        ("succeeded", 300),
        ("succeeded", 700),
    ]


@pytest.mark.parametrize(
    ("what", "body", "changes", "status"),
    [
        ("capture", {"amount": 400}, {"capture_method": "manual"}, "requires_capture"),
        ("cancel", {}, {"capture_method": "manual"}, "requires_capture"),
        ("refunds", {"amount": 400}, {}, "succeeded"),
    ],
)
def test_an_operation_s_key_answers_the_same_again_and_does_nothing_twice(
    demo, what, body, changes, status
):
    payment, key = _made(demo, status, **changes), _key()

    first = _post(demo, payment, what, body, key)
    settled = wait_until(
        lambda: (
            (now := demo.call("GET", f"/v1/payments/{payment}").body)
            and now["status"] != "processing"
            and all(each["status"] != "pending" for each in now["refunds"])
            and now
        ),
        SETTLED_WITHIN_S,
    )
    again = _post(demo, payment, what, body, key)
    other = _post(
        demo, payment, what, {"amount": 1} if what != "cancel" else {"reason": "duplicate"}, key
    )

    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    assert demo.call("GET", f"/v1/payments/{payment}").body == settled


def test_of_concurrent_refunds_no_more_is_refunded_than_was_captured(demo):
    payment = _made(demo, "succeeded")

    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: _post(demo, payment, "refunds", {"amount": 400}), range(4))
        )

    codes = sorted((each.status, each.body.get("code")) for each in answers)
    assert [status for status, _ in codes[:2]] == [201, 201]
    assert {code for status, code in codes[2:]} <= {"invalid_state", "conflict"}
    assert _until(demo, payment, amount_refunded=800)["status"] == "succeeded"


def test_of_concurrent_captures_one_wins(demo):
    payment = _made(demo, "requires_capture", capture_method="manual")

    with ThreadPoolExecutor(5) as pool:
        answers = list(
            pool.map(lambda _: _post(demo, payment, "capture", {"amount": 600}), range(5))
        )

    assert sorted(each.status for each in answers) == [202, 409, 409, 409, 409]
    assert _until(demo, payment, status="succeeded")["amount_captured"] == 600


def test_another_tenants_payment_cannot_be_operated_on(demo, other):
    payment = _made(demo, "succeeded")

    for what in ("capture", "cancel", "refunds"):
        answer = _post(other, payment, what)
        assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert other.call("GET", f"/v1/payments/{payment}/ledger").status == 404


@pytest.mark.parametrize(
    ("what", "body", "status", "code"),
    [
        ("capture", b"{", 400, "malformed_json"),
        ("capture", {"amount": 0}, 422, "invalid_request"),
        ("capture", {"amount": True}, 422, "invalid_request"),
        ("capture", {"amount": {"$gt": 0}}, 422, "invalid_request"),
        ("capture", {"amount": 1001}, 409, "invalid_state"),
        ("cancel", {"reason": "because"}, 422, "invalid_request"),
        ("cancel", {"amount": 1}, 422, "invalid_request"),
        ("refunds", {"amount": 1}, 409, "invalid_state"),
    ],
)
def test_a_bad_operation_is_refused_and_changes_nothing(demo, what, body, status, code):
    payment = _made(demo, "requires_capture", capture_method="manual")

    answer = _post(demo, payment, what, body)

    assert (answer.status, answer.body["code"]) == (status, code)
    assert demo.call("GET", f"/v1/payments/{payment}").body["status"] == "requires_capture"


def test_an_operation_needs_an_idempotency_key(demo):
    payment = _made(demo, "succeeded")

    answer = demo.call("POST", f"/v1/payments/{payment}/refunds", {})

    assert (answer.status, answer.body["code"]) == (400, "idempotency_key_required")


def test_balances_move_with_the_money_and_add_up_to_nothing(demo):
    payment = _made(demo, "requires_capture", capture_method="manual", currency="NZD")
    assert _balances(demo, "NZD") == {
        "provider_clearing": (0, 1000),
        "receivable": (0, -1000),
        "refunds": (0, 0),
    }

    _post(demo, payment, "capture", {"amount": 900})
    _until(demo, payment, amount_captured=900)
    _post(demo, payment, "refunds", {"amount": 200})
    _until(demo, payment, amount_refunded=200)

    assert _balances(demo, "NZD") == {
        "provider_clearing": (700, 100),
        "receivable": (-900, -100),
        "refunds": (200, 0),
    }


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_what_the_customer_did_at_the_provider_comes_by_webhook(demo, system, outcome):
    payment = _made(demo, "requires_action", payment_method="pm_card_authenticationRequired")

    confirmed = Client(system.provider).call(
        "POST", "/confirmations", {"reference": payment, "outcome": outcome}
    )

    assert (confirmed.status, confirmed.body["status"]) == (200, outcome)
    assert _until(demo, payment, status=outcome)["id"] == payment


def test_everything_agrees_with_the_provider_s_own_record(demo, system):
    _made(demo, "succeeded")

    done = system.local("reconcile")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 differences" in done.stdout
    assert "too young to be compared in full" in done.stdout
