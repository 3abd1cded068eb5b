"""Webhooks of the provider: who is believed, and that each answer counts once, in any order."""

import base64
import hmac
import json
import time
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

import pytest

from tests.integration.function_process import HandlerError
from tests.integration.payments.conftest import HOOK, VISA, confirm, effects_of, signed
from tests.threaded_server import ThreadedServer

OTHER = "whsec_" + base64.b64encode(b"another of twenty-four by").decode()
PAYMENT = "/v1/payments/{payment_id}"
WAITS = VISA | {"payment_method": "pm_card_authenticationRequired"}


@pytest.fixture
def notify(api, provider):
    """Send the webhook of a line of the provider's record, as often as it is asked for."""

    def tell(effect):
        confirmed = effect["kind"] == "confirmation"
        data = {**effect, "id": effect["charge"] if confirmed else effect["id"]}
        body = json.dumps({"id": "evt_1", "type": f"charge.{effect['status']}", "data": data})
        return api.request("POST", HOOK, body=body, headers=signed(body))

    return tell


@pytest.fixture
def waiting(ask, work):
    """A payment that requires action."""

    def make(**changes):
        payment_id = ask("POST", "/v1/payments", WAITS | changes, "k").body["id"]
        assert work() == []
        return payment_id

    return make


class Record(ThreadedServer):
    """A provider that shows these effects: what is done now is too young to be compared."""

    effects: ClassVar[list[dict[str, Any]]] = []


class _RecordHandler(BaseHTTPRequestHandler):
    server: Record

    def do_GET(self) -> None:
        after = int(self.path.rpartition("=")[2])
        left = [each for each in self.server.effects if each["sequence"] > after]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"effects": left}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def record():
    with Record(_RecordHandler) as record:
        yield record


@pytest.mark.parametrize(
    ("outcome", "capture_method", "status"),
    [
        ("succeeded", "automatic", "succeeded"),
        ("succeeded", "manual", "requires_capture"),
        ("failed", "automatic", "failed"),
    ],
)
def test_a_customer_s_confirmation_drives_the_payment_on(
    ask, work, provider, notify, waiting, *, outcome, capture_method, status
):
    payment_id = waiting(capture_method=capture_method)
    confirmation = confirm(provider, payment_id, outcome)

    answers = [notify(confirmation) for _ in range(3)]
    assert work() == []

    assert {each.status for each in answers} == {202}
    payment = ask("GET", PAYMENT, payment_id=payment_id).body
    assert payment["status"] == status
    assert [each["type"] for each in payment["events"]] == [
        "payment.created",
        "payment.requires_action",
        f"payment.{status}",
    ]
    if status == "failed":
        assert payment["failure"]["code"] == "authentication_failed"


def test_what_comes_late_undoes_nothing_and_what_comes_early_is_not_forgotten(
    ask, worker, messages, provider, notify
):
    payment_id = ask("POST", "/v1/payments", WAITS, "k").body["id"]
    order = {
        "amount": 1000,
        "currency": "EUR",
        "payment_method": WAITS["payment_method"],
        "capture": True,
        "reference": payment_id,
    }
    provider.charge(f"{payment_id}:charge", **order)  # its answer is lost
    early = confirm(provider, payment_id)
    late = effects_of(provider, payment_id)[0]

    unsettled = messages()
    notify(early)
    worker.consume(messages())
    notify(late)
    worker.consume(messages() + unsettled)

    payment = ask("GET", PAYMENT, payment_id=payment_id).body
    assert (payment["status"], payment["amount_captured"]) == ("succeeded", 1000)
    assert len(payment["events"]) == 2


def test_a_customer_who_is_faster_than_the_cancel_has_paid(
    ask, worker, messages, provider, notify, waiting
):
    payment_id = waiting()
    assert ask("POST", f"{PAYMENT}/cancel", key="k", payment_id=payment_id).status == 202
    cancel = messages()

    notify(confirm(provider, payment_id))
    worker.consume(messages() + cancel)

    payment = ask("GET", PAYMENT, payment_id=payment_id).body
    assert (payment["status"], payment["amount_captured"]) == ("succeeded", 1000)
    assert [each["type"] for each in payment["events"]][2:] == [
        "payment.cancel_requested",
        "payment.succeeded",
        "payment.cancel_failed",
    ]


def test_a_dropped_webhook_is_made_good_from_the_provider_s_record(
    ask, payments, provider, waiting, database, record
):
    payment_id = waiting()
    confirmation = confirm(provider, payment_id)
    record.effects = [confirmation | {"created_ms": 1}]
    database["reconciliation"].delete_many({})

    report = payments("reconciler", PROVIDER_URL=record.url).invoke({})

    assert (report["effects"], report["unsettled"], report["mismatches"]) == (1, 1, [])
    assert ask("GET", PAYMENT, payment_id=payment_id).body["status"] == "succeeded"


def test_a_provider_that_shows_nothing_keeps_no_other_from_being_compared(
    ask, payments, provider, waiting, database, record
):
    payment_id = waiting()
    record.effects = [confirm(provider, payment_id) | {"created_ms": 1}]
    database["reconciliation"].delete_many({})
    both = {"TENANT_PROVIDERS": json.dumps({"another": record.url}), "STRIPE_API_KEY": "sk_test_x"}
    reconciler = payments("reconciler", PROVIDER_URL="stripe:http://127.0.0.1:1", **both)

    with pytest.raises(HandlerError, match="does not show what it did"):
        reconciler.invoke({})

    assert ask("GET", PAYMENT, payment_id=payment_id).body["status"] == "succeeded"


@pytest.mark.parametrize(
    "forged",
    [
        {"amount": 1},
        {"currency": "USD"},
        {"id": "ch_000000099999"},
        {"idempotency_key": "pay_other:charge"},
    ],
)
def test_an_answer_that_speaks_of_other_money_changes_nothing(
    ask, work, provider, notify, waiting, forged
):
    payment_id = waiting()
    effect = effects_of(provider, payment_id)[0] | {"status": "succeeded", "captured": True}

    assert notify(effect | forged).status == 202
    work()

    payment = ask("GET", PAYMENT, payment_id=payment_id).body
    assert (payment["status"], payment["amount_captured"]) == ("requires_action", 0)


DISPUTE = {
    "id": "dp_1",
    "reference": "pay_1",
    "charge": "ch_1",
    "amount": 1,
    "currency": "EUR",
    "fee": 0,
    "reason": "fraudulent",
    "status": "lost",
    "due_ms": 0,
}


def _dispute_with(**changes):
    return json.dumps({"id": "evt_1", "type": "dispute.updated", "data": DISPUTE | changes})


BODY = json.dumps(
    {
        "id": "evt_1",
        "type": "charge.succeeded",
        "data": {
            "id": "ch_1",
            "idempotency_key": "pay_1:charge",
            "reference": "pay_1",
            "status": "succeeded",
            "amount": 1,
            "currency": "EUR",
        },
    }
)


@pytest.mark.parametrize(
    "made",  # when the test begins: the time is part of it
    [
        dict,
        lambda: signed(BODY, OTHER),
        lambda: signed(BODY + " "),
        lambda: signed(BODY, late_s=301),
        lambda: signed(BODY, late_s=-330),
        lambda: signed(BODY) | {"webhook-id": "evt_2"},
        lambda: signed(BODY) | {"webhook-timestamp": "soon"},
        lambda: signed(BODY) | {"webhook-timestamp": str(int(time.time()) - 1)},
        lambda: signed(BODY) | {"webhook-signature": "v1,é"},
        lambda: signed(BODY) | {"webhook-signature": "v2," + signed(BODY)["webhook-signature"][3:]},
    ],
)
def test_a_webhook_that_the_provider_did_not_sign_just_now_is_refused(api, messages, made):
    answer = api.request("POST", HOOK, body=BODY, headers=made())

    assert (answer.status, answer.body["code"]) == (401, "webhook_signature_invalid")
    assert answer.headers["content-type"] == "application/problem+json"
    assert messages() == []


def test_one_of_several_signatures_is_enough_while_a_secret_is_changed(api, messages):
    mine, other = signed(BODY), signed(BODY, OTHER)
    both = f"{other['webhook-signature']} {mine['webhook-signature']}"

    answer = api.request("POST", HOOK, body=BODY, headers=mine | {"webhook-signature": both})

    assert answer.status == 202
    assert len(messages()) == 1


def test_without_a_secret_no_webhook_is_taken(payments, messages):
    headers = signed(BODY)
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{BODY}"
    digest = hmac.digest(b"", content.encode(), "sha256")
    by_nothing = {**headers, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}
    api = payments("app")
    statuses = [
        api.request("POST", HOOK, body=BODY, headers=each).status for each in (headers, by_nothing)
    ]

    assert statuses == [401, 401]
    assert messages() == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "malformed_json"),
        ('{"id":"evt_1","type":"charge.succeeded"}', 422, "invalid_request"),
        ('{"id":"evt_1","type":"charge.succeeded","data":{"id":1}}', 422, "invalid_request"),
        ('{"id":"evt_1","type":"dispute.created","data":{}}', 422, "invalid_request"),
        (_dispute_with(status="warning_closed"), 422, "invalid_request"),
        (_dispute_with(due_ms=2**62), 422, "invalid_request"),
        (_dispute_with(fee=2**62), 422, "invalid_request"),
        (_dispute_with(reason="x" * 501), 422, "invalid_request"),
        (BODY.replace('"amount"', '"released": -1, "amount"'), 422, "invalid_request"),
    ],
)
def test_a_signed_webhook_that_makes_no_sense_is_refused(api, messages, body, status, code):
    answer = api.request("POST", HOOK, body=body, headers=signed(body))

    assert (answer.status, answer.body["code"]) == (status, code)
    assert messages() == []


def test_an_event_of_another_kind_is_taken_and_ignored(api, messages):
    body = '{"id":"evt_1","type":"payout.paid","data":{}}'

    answer = api.request("POST", HOOK, body=body, headers=signed(body))

    assert (answer.status, answer.body) == (202, {"status": "ignored"})
    assert messages() == []
