"""Payments charged by Stripe, from the request to the balances, through their functions."""

import json

import pytest
import redis

from tests.contract.providers.places import STRIPE_SECRETS
from tests.contract.providers.stripe_server import KEY, StripeServer
from tests.integration.payments.conftest import SECRET, effects_of, signed

OTHER = "by_the_simulator"  # a tenant
HOOK = "/v1/provider/webhooks"
PAYMENT = "/v1/payments/{payment_id}"
ORDER = {"amount": 1000, "currency": "EUR", "payment_method": "pm_card_visa"}


@pytest.fixture(scope="module")
def server():
    with StripeServer() as server:
        yield server


@pytest.fixture(scope="module")
def handlers(started, server, provider):
    """The handlers of a stack on Stripe, with a tenant that has the simulator."""

    def start_one(name):
        return started(
            name,
            PROVIDER_URL=f"stripe:{server.url}",
            STRIPE_API_KEY=KEY,
            STRIPE_WEBHOOK_SECRETS=",".join(STRIPE_SECRETS),
            TENANT_PROVIDERS=json.dumps({OTHER: f"http://127.0.0.1:{provider.http_port}"}),
            PROVIDER_WEBHOOK_SECRET=SECRET,
        )

    return {name: start_one(name) for name in ("app", "worker", "reconciler")}


@pytest.fixture
def ask(handlers, asking, valkey):
    """Ask the API as this test's tenant."""
    return asking(handlers["app"])


@pytest.fixture
def work(handlers, messages):
    """Have the worker handle what is on the queue; returns what is to come again."""
    return lambda: handlers["worker"].consume(messages())


@pytest.fixture
def made(ask, work):
    """Make a payment and have it settled."""

    def make(key="k", **changes):
        payment_id = ask("POST", key=key, body=ORDER | changes).body["id"]
        assert work() == []
        return payment_id

    return make


@pytest.fixture
def notify(handlers, server):
    """Post the last event of a type about a payment, as Stripe does."""

    def post(payment_id, type):
        event = next(
            each
            for each in reversed(server.events)
            if each["type"] == type
            and each["data"]["object"]["metadata"].get("payment_id") == payment_id
        )
        body, signature = server.sent(event, STRIPE_SECRETS[1])
        headers = {"Stripe-Signature": signature}
        return handlers["app"].request("POST", HOOK, body=body.decode(), headers=headers)

    return post


@pytest.fixture
def shown(ask):
    return lambda payment_id: ask("GET", PAYMENT, payment_id=payment_id).body


def types(payment):
    return [each["type"].removeprefix("payment.") for each in payment["events"]]


def test_a_payment_is_held_captured_in_part_and_refunded_at_stripe(ask, work, made, shown, server):
    payment_id = made(capture_method="manual")
    assert shown(payment_id)["status"] == "requires_capture"

    ask("POST", f"{PAYMENT}/capture", {"amount": 400}, "c", payment_id=payment_id)
    assert work() == []
    refused = ask("POST", f"{PAYMENT}/cancel", key="x", payment_id=payment_id)
    ask("POST", f"{PAYMENT}/refunds", {"amount": 150}, "r", payment_id=payment_id)
    assert work() == []

    payment = shown(payment_id)
    assert (payment["status"], payment["amount_captured"]) == ("succeeded", 400)
    assert payment["amount_refunded"] == 150
    assert (refused.status, refused.body["code"]) == (409, "invalid_state")
    assert types(payment)[3:5] == ["succeeded", "hold_released"]
    (intent,) = [e for e in server.intents.values() if e["metadata"]["payment_id"] == payment_id]
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 400)


def test_a_customer_confirms_by_the_step_that_the_payment_shows(made, shown, work, server, notify):
    payment_id = made(payment_method="pm_card_authenticationRequired")
    waits = shown(payment_id)
    server.confirm(payment_id)

    answers = [notify(payment_id, "payment_intent.succeeded").status for _ in range(2)]
    late = notify(payment_id, "payment_intent.requires_action")
    assert work() == []

    paid = shown(payment_id)
    assert waits["status"] == "requires_action"
    assert waits["next_action"]["type"] == "use_stripe_sdk"
    assert waits["next_action"]["client_secret"].startswith("pi_")
    assert (answers, late.status) == ([202, 202], 202)
    assert types(paid) == ["created", "requires_action", "succeeded"]
    assert "next_action" not in paid


def test_a_webhook_that_is_faster_than_the_answer_is_taken(
    handlers, ask, messages, work, server, notify, shown
):
    payment_id = ask("POST", key="k", body=ORDER | {"capture_method": "manual"}).body["id"]
    server.faults = ["lost"]
    unsettled = messages()
    assert handlers["worker"].consume(unsettled) != []

    notify(payment_id, "payment_intent.amount_capturable_updated")
    assert work() == []
    assert handlers["worker"].consume(unsettled) == []

    assert types(shown(payment_id)) == ["created", "requires_capture"]


@pytest.mark.parametrize("whose", [{}, {"tenant": OTHER}])
def test_a_provider_moves_no_payment_of_another_provider(
    handlers, ask, work, server, provider, database, whose
):
    order = ORDER | {"payment_method": "pm_card_authenticationRequired"}
    payment_id = ask("POST", body=order, key="k-other", **whose).body["id"]
    assert work() == []
    charge_id = database["payments"].find_one({"_id": payment_id})["charge_id"]
    fields = {"id": charge_id, "amount": 1000, "status": "succeeded"}
    if whose:
        marks = {"payment_id": payment_id, "operation": f"{payment_id}:charge"}
        intent = {"currency": "eur", "livemode": False, "metadata": marks, **fields}
        event = server.tell("payment_intent.succeeded", intent, None)
        body, signature = server.sent(event, STRIPE_SECRETS[0])
        text, headers = body.decode(), {"Stripe-Signature": signature}
    else:
        mine = {"idempotency_key": f"{payment_id}:charge", "reference": payment_id}
        data = {"currency": "EUR", "captured": True, **mine, **fields}
        text = json.dumps({"id": "evt_1", "type": "charge.succeeded", "data": data})
        headers = signed(text)

    answer = handlers["app"].request("POST", HOOK, body=text, headers=headers)
    assert (answer.status, work()) == (202, [])

    payment = ask("GET", PAYMENT, payment_id=payment_id, **whose).body
    assert (payment["status"], payment["amount_captured"]) == ("requires_action", 0)
    assert bool(effects_of(provider, payment_id)) is bool(whose)


def test_a_repeat_finds_its_payment_though_another_provider_charges_its_tenant_by_now(
    ask, asking, payments, valkey
):
    order = ORDER | {"payment_method": "pm_only_at_stripe"}
    first = ask("POST", body=order, key="k-moved")
    redis.Redis.from_url(valkey).flushall()
    moved = asking(payments("app", TENANT_PROVIDERS='{"another": "stripe:"}', STRIPE_API_KEY=KEY))

    repeat = moved("POST", body=order, key="k-moved")
    others = [moved("POST", body=order | {"amount": 7}, key=key) for key in ("k-moved", "k-new")]

    assert (first.status, repeat.status, repeat.body) == (201, 201, first.body)
    assert [(each.status, each.body["code"]) for each in others] == [
        (422, "idempotency_key_reused"),
        (422, "invalid_request"),
    ]


def test_a_dispute_of_a_payment_of_another_stack_is_taken_and_never_comes_again(
    made, work, server, handlers, database
):
    payment_id = made()
    database["payments"].delete_one({"_id": payment_id})
    body, signature = server.sent(server.dispute(payment_id), STRIPE_SECRETS[0])

    headers = {"Stripe-Signature": signature}
    assert handlers["app"].request("POST", HOOK, body=body.decode(), headers=headers).status == 202
    assert work() == []


def test_a_webhook_about_a_payment_of_another_stack_is_taken_and_never_comes_again(
    made, work, notify, database, server
):
    payment_id = made(payment_method="pm_card_authenticationRequired")
    database["payments"].delete_one({"_id": payment_id})

    assert notify(payment_id, "payment_intent.requires_action").status == 202
    assert work() == []


def test_a_lost_answer_and_its_lost_webhook_are_made_good_from_the_record_with_the_fee(
    handlers, ask, messages, shown, server, database
):
    database["reconciliation"].delete_many({})
    payment_id = ask("POST", key="k", body=ORDER).body["id"]
    server.faults, server.age_s = ["lost"], 100
    unsettled = handlers["worker"].consume(messages())

    reports = [handlers["reconciler"].invoke({}) for _ in range(2)]

    payment = shown(payment_id)
    ledger = ask("GET", f"{PAYMENT}/ledger", payment_id=payment_id).body["data"]
    balances = ask("GET", "/v1/balances").body["data"]
    server.age_s = 0
    assert len(unsettled) == 1
    assert [each["mismatches"] for each in reports] == [[], []]
    assert (payment["status"], types(payment)) == (
        "succeeded",
        ["created", "succeeded", "provider_fee"],
    )
    assert [(each["debit"], each["amount"]) for each in ledger] == [
        ("provider_clearing", 1000),
        ("fees", 55),
    ]
    assert {each["account"]: each["posted"] for each in balances} == {
        "provider_clearing": 945,
        "receivable": -1000,
        "refunds": 0,
        "fees": 55,
    }


def test_what_was_captured_at_stripe_s_own_page_is_a_difference(handlers, made, server, database):
    database["reconciliation"].delete_many({})
    payment_id = made(capture_method="manual")
    with server.lock:
        server.age_s = 100
        (intent,) = [
            e for e in server.intents.values() if e["metadata"]["payment_id"] == payment_id
        ]
        server._settle(intent, 1000, key=None)
        server.age_s = 0

    report = handlers["reconciler"].invoke({})

    assert {"payment_id": payment_id, "kind": "the provider captured another amount"} in report[
        "mismatches"
    ]


def test_a_dispute_at_stripe_is_held_back_and_its_fee_booked(
    handlers, ask, made, work, server, shown
):
    payment_id = made()
    event = server.dispute(payment_id)
    body, signature = server.sent(event, STRIPE_SECRETS[0])
    headers = {"Stripe-Signature": signature}
    for _ in range(2):
        answer = handlers["app"].request("POST", HOOK, body=body.decode(), headers=headers)
        assert (answer.status, answer.body["status"]) == (202, "accepted")
    assert work() == []

    (dispute_id,) = shown(payment_id)["disputes"]
    dispute = ask("GET", "/v1/disputes").body["data"][0]
    ledger = ask("GET", f"{PAYMENT}/ledger", payment_id=payment_id).body["data"]
    assert (dispute["id"], dispute["status"], dispute["amount"], dispute["fee"]) == (
        dispute_id,
        "needs_response",
        1000,
        1500,
    )
    assert [(each["debit"], each["amount"]) for each in ledger][1:] == [
        ("disputes", 1000),
        ("fees", 1500),
    ]


def test_a_refund_that_its_bank_sends_back_is_taken_back_in_the_ledger(
    handlers, ask, made, work, server, shown
):
    payment_id = made()
    ask("POST", f"{PAYMENT}/refunds", {"amount": 300}, "r", payment_id=payment_id)
    assert work() == []
    made_refund = shown(payment_id)["amount_refunded"]
    intent = next(
        e["id"] for e in server.intents.values() if e["metadata"]["payment_id"] == payment_id
    )
    refund = next(e for e in server.refunds.values() if e["payment_intent"] == intent)
    event = server.tell("refund.failed", refund | {"status": "failed"}, None)
    body, signature = server.sent(event, STRIPE_SECRETS[0])

    headers = {"Stripe-Signature": signature}
    handlers["app"].request("POST", HOOK, body=body.decode(), headers=headers)
    assert work() == []

    payment = shown(payment_id)
    ledger = ask("GET", f"{PAYMENT}/ledger", payment_id=payment_id).body["data"]
    assert (made_refund, payment["amount_refunded"]) == (300, 0)
    assert payment["refunds"][0]["status"] == "failed"
    refund_id = payment["refunds"][0]["id"]
    assert [(e["transfer"], e["debit"], e["credit"]) for e in ledger[-2:]] == [
        (refund_id, "refunds", "provider_clearing"),
        (f"{refund_id}:reversal", "provider_clearing", "refunds"),
    ]


def test_a_payment_at_stripe_goes_by_no_test_clock(ask):
    answer = ask("POST", key="k", body=ORDER | {"test_clock": "clock_1"})

    assert (answer.status, answer.body["param"]) == (422, "test_clock")


def test_a_number_of_a_card_is_no_payment_method(ask):
    answer = ask("POST", key="k", body=ORDER | {"payment_method": "4242424242424242"})

    assert (answer.status, answer.body["param"]) == (422, "payment_method")
    assert "made at Stripe" in answer.body["detail"]
