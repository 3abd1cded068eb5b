"""A failed payment tried again: each try under its own key, and one of them charged at most."""

import json

import pytest

from local.spillway.story import documents
from tests.integration.payments.conftest import VISA

DECLINED = VISA | {"payment_method": "pm_card_chargeDeclined"}
PAYMENT, CONFIRM = "/v1/payments/{payment_id}", "/v1/payments/{payment_id}/confirm"
REFUNDS = "/v1/payments/{payment_id}/refunds"


@pytest.fixture
def settle(worker, messages, ask):
    """Have the worker do what waits; returns a payment as it then is."""

    def now(payment_id):
        assert worker.consume(messages()) == []
        return ask("GET", PAYMENT, payment_id=payment_id).body

    return now


@pytest.fixture
def failed(ask, settle):
    payment = settle(ask("POST", "/v1/payments", DECLINED, "k").body["id"])
    assert payment["status"] == "failed"
    return payment["id"]


def _confirm(ask, payment_id, key, method="pm_card_visa"):
    return ask("POST", CONFIRM, {"payment_method": method}, key, payment_id=payment_id)


def _charges(provider, payment_id):
    effects = provider.get("/effects")[1]["effects"]
    mine = (each for each in effects if each["reference"] == payment_id)
    return [(each["idempotency_key"], each["status"]) for each in mine]


def test_another_method_pays_what_failed_and_each_try_has_a_key_of_its_own(
    ask, failed, settle, provider
):
    confirmed = _confirm(ask, failed, "c1", "pm_card_expiredCard")
    assert (confirmed.status, confirmed.body["status"]) == (202, "processing")
    assert confirmed.body["payment_method"] == "pm_card_expiredCard"
    assert settle(failed)["failure"]["code"] == "expired_card"
    _confirm(ask, failed, "c2")
    paid = settle(failed)

    assert (paid["status"], paid["amount_captured"]) == ("succeeded", 1000)
    assert "failure" not in paid
    assert [each["type"] for each in paid["events"]] == [
        "payment.created",
        "payment.failed",
        "payment.confirm_requested",
        "payment.failed",
        "payment.confirm_requested",
        "payment.succeeded",
    ]
    assert _charges(provider, failed) == [
        (f"{failed}:charge", "failed"),
        (f"{failed}:charge:2", "failed"),
        (f"{failed}:charge:3", "succeeded"),
    ]


def test_a_confirm_is_done_once_a_key_and_answered_the_same_ever_after(ask, failed, settle):
    first = _confirm(ask, failed, "c1")
    settle(failed)
    again = _confirm(ask, failed, "c1")
    other = _confirm(ask, failed, "c1", "pm_card_expiredCard")
    created = ask("POST", "/v1/payments", DECLINED, "k")

    assert (again.status, again.text) == (202, first.text)
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    assert created.body["payment_method"] == "pm_card_chargeDeclined"
    assert created.body["status"] == "processing"


def test_only_what_failed_is_tried_again(ask, settle, failed):
    paid = settle(ask("POST", "/v1/payments", VISA, "paid").body["id"])["id"]
    waiting = VISA | {"payment_method": "pm_card_authenticationRequired"}
    waits = settle(ask("POST", "/v1/payments", waiting, "waits").body["id"])["id"]
    _confirm(ask, failed, "first")

    answers = [_confirm(ask, each, "c") for each in (paid, waits, failed)]

    assert [(each.status, each.body["code"]) for each in answers] == [(409, "invalid_state")] * 3
    assert ask("POST", CONFIRM, {}, "c", payment_id=failed).body["param"] == "payment_method"
    assert _confirm(ask, "pay_nobody", "c").status == 404


def test_a_late_answer_to_an_earlier_try_changes_nothing(ask, failed, settle, queue, provider):
    effects = provider.get("/effects")[1]["effects"]
    late = next(each for each in effects if each["reference"] == failed)
    _confirm(ask, failed, "c1")
    names = ("id", "reference", "status", "amount", "currency", "captured", "decline_code")
    answer = {"key": late["idempotency_key"], "outcome": {name: late[name] for name in names}}
    queue("payments").send(json.dumps({"payment_id": failed, "answer": answer}))

    assert settle(failed)["status"] == "succeeded"


def test_the_reconciler_finds_no_difference_in_tries_that_failed(
    ask, failed, settle, started, database
):
    _confirm(ask, failed, "c1")
    settle(failed)

    report = started("reconciler").invoke({"all": True})

    assert [each for each in report["mismatches"] if each["payment_id"] == failed] == []


def test_the_story_of_a_try_names_its_own_charge_as_the_cause(
    ask, failed, settle, documents_port, tenant
):
    _confirm(ask, failed, "c1")
    settle(failed)

    url = f"mongodb://127.0.0.1:{documents_port}"
    moments = documents.read(url, "spillway", failed, tenants=[tenant]).moments
    causes = {each.text.partition(" ")[0]: each.after for each in moments}
    assert f"{failed}:charge failed" in causes["payment.failed"]
    assert f"{failed}:charge:2 succeeded" in causes["payment.succeeded"]


def test_refunds_are_listed_and_shown_each_by_itself(ask, settle, api, tenant):
    payment_id = settle(ask("POST", "/v1/payments", VISA, "k").body["id"])["id"]
    made = [
        ask("POST", REFUNDS, {"amount": n}, f"r{n}", payment_id=payment_id).body["id"]
        for n in range(1, 4)
    ]
    payment = settle(payment_id)

    def get(resource=REFUNDS, query=None, tenant=tenant, **path):
        path = {"payment_id": payment_id, **path}
        return api.request(
            "GET", resource, path=path, query=query, tenant=tenant, scope="payments:read"
        )

    everything = get()
    assert everything.body == {"data": payment["refunds"][::-1], "has_more": False}
    assert [each["id"] for each in everything.body["data"]] == made[::-1]
    older = get(query={"limit": "1", "starting_after": made[2]})
    newer = get(query={"limit": "1", "ending_before": made[0]})
    assert [each["id"] for each in (*older.body["data"], *newer.body["data"])] == [made[1]] * 2
    assert (older.body["has_more"], newer.body["has_more"]) == (True, True)
    one = get(REFUNDS + "/{refund_id}", refund_id=made[0])
    assert one.body == payment["refunds"][0]
    assert one.body["status"] == "succeeded"
    assert get(REFUNDS + "/{refund_id}", refund_id="re_nobody").status == 404
    assert get(tenant="stranger").status == 404
    assert get(query={"starting_after": "re_nobody"}).status == 422


def test_what_can_be_captured_is_told_while_it_can(ask, settle):
    payment_id = ask("POST", "/v1/payments", VISA | {"capture_method": "manual"}, "k").body["id"]
    amounts = [settle(payment_id)["amount_capturable"]]
    capture = ask("POST", f"{PAYMENT}/capture", {"amount": 400}, "c", payment_id=payment_id)
    amounts += [capture.body["amount_capturable"], settle(payment_id)["amount_capturable"]]
    ask("POST", f"{PAYMENT}/cancel", key="x", payment_id=payment_id)
    amounts.append(settle(payment_id)["amount_capturable"])

    assert amounts == [1000, 0, 600, 0]


def test_a_method_that_the_payment_s_provider_cannot_know_is_refused_also_after_the_tenant_moved(
    started, asking, failed, tenant
):
    both = {"TENANT_PROVIDERS": json.dumps({tenant: "stripe:"}), "STRIPE_API_KEY": "sk_test_1"}

    refused = _confirm(asking(started("app", **both)), failed, "c1", "pm_1abc")

    assert (refused.status, refused.body["param"]) == (422, "payment_method")
