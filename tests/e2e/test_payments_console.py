"""Payments on the console: found by what one knows of them, shown whole, added up, compared."""

import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Client, System, key

AMOUNT = 7_654_321  # of no other test
MAIL = "console@example.com"


@pytest.fixture(scope="module")
def idempotency_key() -> dict[str, str]:
    return key()


@pytest.fixture(scope="module")
def payment(demo: Client, idempotency_key: dict[str, str]) -> str:
    """A payment that has succeeded, with a receipt that was sent."""
    body = {
        "amount": AMOUNT,
        "currency": "EUR",
        "payment_method": "pm_card_visa",
        "receipt_email": MAIL,
    }
    payment_id = str(demo.call("POST", "/v1/payments", body, idempotency_key).body["id"])
    path = f"/v1/payments/{payment_id}"
    wait_until(lambda: demo.call("GET", path).body["status"] == "succeeded", 15)
    return payment_id


def ask(system: System, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(system.console).netloc, timeout=20)
    sent = {"Content-Type": "application/json", "X-Console-Action": "yes", **headers}
    try:
        connection.request(
            "GET" if body is None else "POST",
            path,
            None if body is None else json.dumps(body),
            sent,
        )
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def ids_of(system: System, **query: object) -> list[str]:
    status, answer = ask(system, f"/api/payments?{urlencode(query)}")
    assert status == 200, answer
    return [each["id"] for each in answer["payments"]]


def test_a_payment_is_found_by_what_one_knows_of_it(system, payment, idempotency_key):
    (its_key,) = idempotency_key.values()
    _, event = ask(system, f"/api/payments/{payment}")
    number = event["payment"]["events"][0]["n"]

    assert ids_of(system, q=payment) == [payment]
    assert ids_of(system, q=its_key) == [payment]
    assert ids_of(system, q=f"evt_{payment.removeprefix('pay_')}_{number}") == [payment]
    assert ids_of(system, q=MAIL) == ids_of(system, mail=MAIL) == [payment]
    assert ids_of(system, q=MAIL.upper()) == ids_of(system, mail="Console@") == [payment]
    assert ids_of(system, q=event["payment"]["charge_id"]) == [payment]
    assert ids_of(system, q="cus_nobody") == ids_of(system, mail="consol.") == []
    assert ids_of(system, amount=AMOUNT, status="succeeded") == [payment]
    assert payment in ids_of(system)
    assert ids_of(system, q=payment, status="failed") == []
    assert ids_of(system, q="nobody's key") == ids_of(system, amount=AMOUNT + 1) == []


def test_what_cannot_be_searched_for_is_refused_in_a_sentence(system):
    assert ask(system, "/api/payments?status=lost")[0] == 400
    assert ask(system, "/api/payments?amount=-1")[0] == 400
    assert ask(system, "/api/payments?before_ms=soon")[0] == 400
    assert ask(system, "/api/payments/pay_nobody") == (
        404,
        {"message": "there is no payment pay_nobody"},
    )


def test_a_payment_is_shown_with_its_ledger_and_its_receipt(system, payment):
    def receipts() -> list[Any]:
        _, answer = ask(system, f"/api/payments/{payment}")
        return [each for each in answer["notifications"] if each["status"] == "delivered"]

    (receipt,) = wait_until(receipts, 15)
    _, answer = ask(system, f"/api/payments/{payment}")

    assert (receipt["channel"], receipt["to"]) == ("email", MAIL)
    assert answer["payment"]["status"] == "succeeded"
    assert (
        sum(each["amount"] for each in answer["payment"]["ledger"] if each["state"] == "posted") > 0
    )
    assert "fingerprint" not in answer["payment"]


def test_balances_are_those_that_the_api_answers(system, demo, payment):
    _, answer = ask(system, "/api/payments/balances")
    (mine,) = [each for each in answer["tenants"] if each["tenant"] == "demo"]
    accounts = {
        (each["account"], each["currency"])
        for each in demo.call("GET", "/v1/balances").body["data"]
    }

    assert {(each["account"], each["currency"]) for each in mine["balances"]} == accounts


def test_everything_is_compared_when_somebody_asks_and_no_other_site_may(system, payment):
    strange = ask(system, "/api/payments/compare", {"all": True}, Origin="https://evil.example")
    begun = ask(system, "/api/payments/compare", {"all": True})
    last = wait_until(lambda: ask(system, "/api/payments/comparison")[1]["last"], 30)

    assert (strange[0], begun[0]) == (403, 200)
    assert last["counts"]["payments"] > 0
    assert last["number_of_differences"] == len(last["differences"])
