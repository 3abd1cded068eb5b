"""Disputes by HTTP, with the provider's simulator: held back, answered, decided and listed."""

import json

import pytest

from tests.integration.payments.conftest import HOOK, VISA, effects_of, signed

DISPUTES, DISPUTE = "/v1/disputes", "/v1/disputes/{dispute_id}"
WINNING = {"evidence": {"uncategorized_text": "winning_evidence"}}
LOSING = {"evidence": {"uncategorized_text": "losing_evidence", "customer_name": "Ada"}}


@pytest.fixture
def disputed(ask, work, tell_disputes):
    """Make a payment that is disputed; returns the id of the payment and of its dispute."""

    def make(key="k"):
        body = VISA | {"payment_method": "pm_card_createDispute"}
        payment_id = ask("POST", "/v1/payments", body, key).body["id"]
        assert work() == []
        tell_disputes(payment_id)
        payment = ask("GET", "/v1/payments/{payment_id}", payment_id=payment_id).body
        assert payment["disputed"]
        return payment_id, payment["disputes"][0]

    return make


def balances(ask):
    sums = {}
    for each in ask("GET", "/v1/balances").body["data"]:
        sums[each["account"]] = (each["posted"], each["pending"])
    return sums


def control(provider, path, **body):
    status, answer, _ = provider.request("POST", path, json.dumps(body).encode())
    return status, answer


def test_a_report_that_is_faster_than_the_answer_to_its_charge_comes_again(
    ask, api, worker, messages, provider
):
    body = VISA | {"payment_method": "pm_card_createDispute"}
    payment_id = ask("POST", "/v1/payments", body, "k").body["id"]
    messages()
    order = body | {"capture": True, "reference": payment_id}
    provider.charge(f"{payment_id}:charge", **order)  # its answer is lost
    report = effects_of(provider, payment_id)[-1]["dispute"]
    webhook = json.dumps({"id": "e", "type": "dispute.created", "data": report})
    api.request("POST", HOOK, body=webhook, headers=signed(webhook))
    early = messages()

    again = [worker.consume(early) for _ in range(2)]

    assert again == [[each.message_id for each in early], []]
    payment = ask("GET", "/v1/payments/{payment_id}", payment_id=payment_id).body
    assert (payment["status"], payment["disputed"]) == ("succeeded", True)


def test_evidence_wins_a_dispute_and_the_balances_follow(
    ask, work, tell_disputes, disputed, tenant
):
    payment_id, dispute_id = disputed()
    before = balances(ask)

    answers = [ask("POST", DISPUTE, WINNING, "e", dispute_id=dispute_id) for _ in range(2)]
    assert work() == []
    tell_disputes(payment_id)

    assert [each.status for each in answers] == [202, 202]
    assert answers[0].body == answers[1].body
    assert answers[1].headers["idempotent-replayed"] == "true"
    dispute = ask("GET", DISPUTE, dispute_id=dispute_id).body
    assert (dispute["status"], dispute["response"]["status"]) == ("won", "succeeded")
    assert before["disputes"] == (0, 1000)
    assert before["provider_clearing"] == (1000 - 1500, -1000)
    assert "disputes" not in balances(ask)
    assert balances(ask)["fees"] == (1500, 0)
    assert sum(posted + pending for posted, pending in before.values()) == 0


def test_a_lost_dispute_leaves_nothing_to_refund(ask, work, tell_disputes, disputed):
    payment_id, dispute_id = disputed()

    refused = ask("POST", "/v1/payments/{payment_id}/refunds", {}, "r", payment_id=payment_id)
    ask("POST", DISPUTE, LOSING, "e", dispute_id=dispute_id)
    assert work() == []
    tell_disputes(payment_id)

    assert (refused.status, refused.body["code"]) == (409, "invalid_state")
    assert ask("GET", DISPUTE, dispute_id=dispute_id).body["status"] == "lost"
    assert balances(ask)["disputes"] == (1000, 0)
    again = ask("POST", DISPUTE, WINNING, "e2", dispute_id=dispute_id)
    assert (again.status, again.body["code"]) == (409, "invalid_state")


def test_a_dispute_is_closed_without_evidence(ask, work, disputed):
    _, dispute_id = disputed()

    answer = ask("POST", f"{DISPUTE}/close", key="c", dispute_id=dispute_id)
    work()

    assert (answer.status, answer.body["response"]["kind"]) == (202, "acceptance")
    assert ask("GET", DISPUTE, dispute_id=dispute_id).body["status"] == "lost"


def test_a_bank_that_thinks_again_gives_a_lost_dispute_s_amount_back(
    ask, work, tell_disputes, provider, disputed
):
    payment_id, dispute_id = disputed()
    ask("POST", f"{DISPUTE}/close", key="c", dispute_id=dispute_id)
    assert work() == []
    lost = balances(ask)
    theirs = effects_of(provider, payment_id)[-1]["dispute"]["id"]

    rulings = [control(provider, "/rulings", dispute=theirs, outcome="won")[0] for _ in range(2)]
    tell_disputes(payment_id)

    assert rulings == [200, 404]
    assert lost["disputes"] == (1000, 0)
    assert "disputes" not in balances(ask)
    assert balances(ask)["provider_clearing"] == (1000 - 1500, 0)
    assert ask("GET", DISPUTE, dispute_id=dispute_id).body["status"] == "won"
    refund = ask("POST", "/v1/payments/{payment_id}/refunds", {}, "r", payment_id=payment_id)
    assert (refund.status, refund.body["amount"]) == (201, 1000)


def test_a_later_try_of_a_payment_can_be_disputed(ask, work, tell_disputes, provider):
    body = VISA | {"payment_method": "pm_card_chargeDeclined"}
    payment_id = ask("POST", "/v1/payments", body, "k").body["id"]
    work()
    path = "/v1/payments/{payment_id}/confirm"
    for number, method in enumerate(("pm_card_chargeDeclined", "pm_card_visa")):
        ask("POST", path, {"payment_method": method}, f"c{number}", payment_id=payment_id)
        work()

    status, _ = control(provider, "/disputes", reference=payment_id)
    tell_disputes(payment_id)

    assert status == 200
    (dispute,) = ask("GET", DISPUTES, query={"payment_id": payment_id}).body["data"]
    assert (dispute["status"], dispute["amount"]) == ("needs_response", 1000)


def test_a_list_has_each_dispute_once_page_by_page_and_by_status_and_payment(ask, work, disputed):
    pairs = [disputed(f"k{number}") for number in range(3)]
    ask("POST", f"{DISPUTE}/close", key="c", dispute_id=pairs[0][1])
    work()

    def listed(**query):
        body = ask("GET", DISPUTES, query={"limit": "2", **query}).body
        return [each["id"] for each in body["data"]], body["has_more"]

    newest = [dispute_id for _, dispute_id in reversed(pairs)]
    assert listed() == (newest[:2], True)
    assert listed(starting_after=newest[1]) == (newest[2:], False)
    assert listed(status="lost") == ([pairs[0][1]], False)
    assert listed(payment_id=pairs[1][0]) == ([pairs[1][1]], False)
    assert listed(payment_id="pay_x") == ([], False)
    wrong = ask("GET", DISPUTES, query={"starting_after": "dp_x_1"})
    assert (wrong.status, wrong.body["param"]) == (422, "starting_after")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "evidence"),
        ({"evidence": {}}, "evidence"),
        ({"evidence": {"uncategorized_text": None}}, "evidence"),
        ({"evidence": {"receipt": "x"}}, "evidence.receipt"),
        ({"evidence": {"uncategorized_text": "x" * 5001}}, "evidence.uncategorized_text"),
    ],
)
def test_evidence_that_says_nothing_or_what_nobody_reads_is_refused(ask, body, param):
    answer = ask("POST", DISPUTE, body, "e", dispute_id="dp_x_1")

    assert (answer.status, answer.body["param"]) == (422, param)


def test_a_dispute_of_another_tenant_does_not_exist(api, ask, disputed):
    _, dispute_id = disputed()

    for resource, method in ((DISPUTE, "GET"), (f"{DISPUTE}/close", "POST")):
        answer = api.request(
            method,
            resource,
            path={"dispute_id": dispute_id},
            headers={"Idempotency-Key": "k"},
            tenant="another",
            scope="payments:read payments:write",
        )
        assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert ask("GET", DISPUTE, dispute_id=f"{dispute_id}1").status == 404


def test_the_provider_disputes_no_more_than_is_captured_and_left(ask, work, provider, disputed):
    payment_id = ask("POST", "/v1/payments", VISA, "p").body["id"]
    work()
    body = {"amount": 300}
    ask("POST", "/v1/payments/{payment_id}/refunds", body, "r", payment_id=payment_id)
    work()

    statuses = [
        control(provider, "/disputes", reference=payment_id, **changes)[0]
        for changes in ({"amount": 701}, {"amount": 600}, {}, {})
    ]

    assert statuses == [409, 200, 200, 409]
    assert control(provider, "/disputes", reference="pay_unknown")[0] == 404
    assert control(provider, "/rulings", dispute="dp_x", outcome="won")[0] == 404


def test_the_reconciler_counts_disputes_that_are_due_soon_and_misses_none(
    ask, work, payments, provider, tell_disputes, database
):
    database["payments"].delete_many({})
    payment_id = ask("POST", "/v1/payments", VISA, "p").body["id"]
    work()
    control(provider, "/disputes", reference=payment_id, due_s=3600)
    tell_disputes(payment_id)

    report = payments("reconciler").invoke({"all": True})

    assert [each for each in report["mismatches"] if each["payment_id"] == payment_id] == []
    assert report["disputes_due_soon"] == 1
