"""Documents and messages of an older version are understood, and driven on."""

import pytest

OLDER = {  # as the first version stored a payment: bodies as documents, no times of promises
    "tenant": "demo",
    "fingerprint": "f" * 64,
    "created_ms": 1_000,
    "amount": 1000,
    "currency": "EUR",
    "payment_method": "pm_card_visa",
    "capture_method": "automatic",
    "description": None,
    "metadata": {},
    "receipt_email": "a@example.com",
    "version": 1,
    "amount_captured": 0,
    "amount_refunded": 0,
    "charge_id": None,
    "failure": None,
    "status": "processing",
    "events": [{"n": 1, "type": "payment.created", "at_ms": 1_000}],
}
PAYMENT = "/v1/payments/{payment_id}"


@pytest.fixture
def older(database, tenant, queue):
    """Store such a payment, and send the message that it promised."""

    def store(payment_id, **changes):
        promised = {"queue": "payments", "body": {"payment_id": payment_id}}
        document = {**OLDER, "_id": payment_id, "tenant": tenant, "outbox": [promised], **changes}
        database["payments"].insert_one(document)
        queue("payments").send(f'{{"payment_id":"{payment_id}"}}')

    return store


def test_a_payment_that_an_older_version_accepted_is_settled(
    payments, asking, messages, older, queue
):
    older("pay_older1")

    assert payments("worker").consume(messages()) == []

    payment = asking(payments("app"))("GET", PAYMENT, payment_id="pay_older1").body
    assert (payment["status"], payment["amount_captured"]) == ("succeeded", 1000)
    assert len(queue("analytics").receive()) == len(queue("notifications").receive()) == 1


def test_what_an_older_version_promised_and_had_not_sent_is_sent(
    payments, messages, older, queue, database
):
    body = {"tenant": "demo", "events": []}
    older(
        "pay_older2",
        status="succeeded",
        charge_id="ch_1",
        amount_captured=1000,
        outbox=[{"queue": "analytics", "body": body}],
    )

    assert payments("worker").consume(messages()) == []

    assert [each.body for each in queue("analytics").receive()] == ['{"tenant":"demo","events":[]}']
