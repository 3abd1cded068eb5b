"""`python -m local story`: what became of one payment, from everything that knows of it."""

import json
import os
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Client, key

PAYMENT = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}


@pytest.fixture
def payment(demo: Client) -> str:
    """A payment that has succeeded, with a receipt."""
    body = {**PAYMENT, "receipt_email": "story@example.com"}
    created = demo.call("POST", "/v1/payments", body, key())
    path = f"/v1/payments/{created.body['id']}"
    wait_until(lambda: demo.call("GET", path).body["status"] == "succeeded", 15)
    return str(created.body["id"])


def test_a_payment_is_followed_from_its_request_to_its_receipt(system, payment: str):
    def story() -> str:
        return str(system.local("story", payment).stdout)

    wait_until(lambda: "took payment.succeeded to be counted" in story(), 15)
    wait_until(lambda: "to story@example.com: Your receipt" in story(), 15)
    wait_until(lambda: "payment settled" in story(), 15)

    lines = story().splitlines()
    places = [line[26:].split()[0] for line in lines if not line.endswith("(UTC)")]
    assert {"document", "ledger", "provider", "mailbox", "access", "analytics"} <= set(places)
    causes = (
        *("POST /v1/payments answered", "payment.created", "charge ch_"),
        *("payment.succeeded 1250 EUR", "accepted: email", "to story@example.com: Your receipt"),
        *("attempt: delivered", "is delivered"),
    )
    order = [next(at for at, line in enumerate(lines) if words in line) for words in causes]
    assert order == sorted(order)
    assert any("POST /v1/payments answered 201" in line for line in lines)
    assert any("payment accepted" in line for line in lines)


def test_the_console_tells_the_same_story_as_json(system, payment: str):
    with urlopen(f"{system.console}/api/story/{payment}", timeout=20) as answer:
        story = json.load(answer)

    assert set(story) == {"id", "lines", "trace", "missing"}
    assert (story["id"], story["missing"], len(story["trace"])) == (payment, [], 32)
    assert {"request", "document", "ledger", "provider"} <= {x["source"] for x in story["lines"]}
    assert [x["at"] for x in story["lines"]] == sorted(x["at"] for x in story["lines"])
    assert min(x["gap_ms"] for x in story["lines"]) == 0
    with pytest.raises(HTTPError, match="404"):
        urlopen(f"{system.console}/api/story/pay_nobodyhasthisone", timeout=20)


def test_the_trace_of_a_story_has_the_functions_own_spans(system, demo: Client):
    trace = "".join(f"{each:02x}" for each in os.urandom(16))
    sent = {**key(), "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    payment = demo.call("POST", "/v1/payments", PAYMENT, sent).body["id"]

    def spans() -> set[tuple[str, str]]:
        with urlopen(f"{system.console}/api/traces/{trace}", timeout=20) as answer:
            return {(each["name"], each["service"]) for each in json.load(answer)["trace_spans"]}

    own = {
        ("POST /v1/payments", "gateway"),
        ("insert payments", "PaymentsFunction"),
        ("EVALSHA claim", "PaymentsFunction"),
        ("POST /charges", "PaymentsWorker"),
    }
    wait_until(lambda: own <= spans(), 15)
    kinds = {name.partition(" ")[0] for name, service in spans() if service == "PaymentsFunction"}
    assert "send" in kinds  # the queue's name begins with the stack's prefix
    assert f"trace {trace}" in system.local("story", payment).stdout


def test_an_event_of_a_payment_is_found_by_the_id_that_the_api_gives(system, demo, payment: str):
    events = demo.call("GET", f"/v1/payments/{payment}").body["events"]

    assert "payment.created" in system.local("story", events[0]["id"]).stdout


def test_an_id_that_nobody_knows_is_said_to_be_unknown(system):
    done = system.local("story", "pay_nobodyhasthisone")

    assert done.returncode == 1
    assert done.stderr == (
        "nothing is known of pay_nobodyhasthisone: no document, message, journal or log names it\n"
    )


def test_what_is_no_id_is_refused(system):
    done = system.local("story", "pay_")

    assert done.returncode == 2
    assert done.stderr == "'pay_' is no id: one has 8 to 200 characters\n"
