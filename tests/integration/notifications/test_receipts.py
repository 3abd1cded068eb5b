"""Receipts that another domain asks for by a message."""

import json

import pytest

from tests.integration.function_process import receive_all, sqs_event
from tests.integration.notifications.bodies import receipt


def test_a_receipt_that_another_domain_asks_for_is_made_and_delivered_once(
    worker, queue, mailbox, tenant, address, api
):
    notifications = queue("notifications")
    for _ in range(2):
        notifications.send(json.dumps(receipt(tenant, "pay_1.receipt", address)))
    batch = receive_all(notifications)
    failed = worker.consume(batch), worker.consume(batch)

    assert failed == ([], [])
    [mail] = mailbox.mails_to(address)
    assert mail["subject"] == "Your receipt for EUR 12.34"
    [shown] = api("GET").body["data"]
    assert (shown["status"], shown["template"]) == ("delivered", "payment_receipt")


@pytest.mark.parametrize(
    ("currency", "amount", "shown"),
    [("JPY", 1234, "JPY 1,234"), ("KWD", 1234, "KWD 1.234"), ("EUR", 5, "EUR 0.05")],
)
def test_a_receipt_shows_the_amount_as_its_currency_is_written(
    deliver_wish, mailbox, tenant, address, currency, amount, shown
):
    deliver_wish(receipt(tenant, "k", address, currency=currency, amount=amount))

    assert mailbox.mails_to(address)[0]["subject"] == f"Your receipt for {shown}"


def test_a_wish_that_no_template_fulfils_is_reported_alone(worker, queue, mailbox, tenant, address):
    notifications = queue("notifications")
    bad = notifications.send(json.dumps(receipt(tenant, "bad", address, currency="euro")))
    neither = notifications.send(json.dumps({}))
    notifications.send(json.dumps(receipt(tenant, "good", address)))

    unknown = notifications.send(json.dumps({"id": "ntf_unknown"}))
    answer = worker.invoke(sqs_event(receive_all(notifications)))

    failures = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
    reasons = answer["failureReasons"]
    assert sorted(failures) == sorted(reasons) == sorted([bad, neither, unknown])
    assert reasons[bad].startswith("InvalidRequest: `currency` must be three capital letters")
    assert reasons[neither].startswith("malformed message: ValidationError: a message has either")
    assert reasons[unknown] == "NotFound: There is no notification ntf_unknown."
    assert len(mailbox.mails_to(address)) == 1
