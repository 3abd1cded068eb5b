"""Webhooks of payments: each type that is sent is documented, and looks as documented."""

import json
import re
from pathlib import Path

import msgspec

from notifications.webhooks import events
from notifications.webhooks.endpoints import Endpoint
from payments.announcements import ANNOUNCED
from payments.dispute_schema import Acceptance, EvidenceSubmission
from payments.schema import CancelRequest, CaptureRequest, RefundRequest
from tests.unit.payments.operated_payments import answer, ask, payment_of
from tests.unit.payments.test_disputes import EVIDENCE, report

PAGE = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()
EXAMPLES = {
    name: json.loads(example)
    for name, example in re.findall(r"^\| `(payment\.[a-z_]+)` \| .* \| `(\{.*\})` \|$", PAGE, re.M)
}
SAME_IN_ALL = {"payment_id", "id", "amount", "currency", "metadata"}
ENDPOINT = Endpoint(
    id="we_1",
    tenant="demo",
    place=0,
    url="https://hooks.example.com/",
    events=(),
    contact=None,
    created_ms=0,
    secret="whsec_c2VjcmV0",
)


def _lives():
    """Return payments that together have had an event of every type."""
    manual, paid = payment_of(), payment_of("automatic")
    captured = answer(ask(manual, CaptureRequest(amount=400)))
    return [
        payment_of(status="failed"),
        payment_of(status="requires_action"),
        answer(ask(manual, CancelRequest())),
        answer(ask(manual, CaptureRequest()), status="failed"),
        answer(ask(captured, CancelRequest(), "k2")),
        answer(ask(captured, CancelRequest(), "k2"), status="failed"),
        answer(ask(paid, RefundRequest(amount=100))),
        answer(ask(paid, RefundRequest(amount=100)), status="failed"),
        *_disputed_lives(),
    ]


def _disputed_lives():
    disputed = report(payment_of("automatic"))
    evidence = EvidenceSubmission(dispute=disputed.disputes[0].id, evidence=EVIDENCE)
    acceptance = Acceptance(dispute=disputed.disputes[0].id)
    return [
        report(answer(ask(disputed, evidence)), "won"),
        answer(ask(disputed, evidence), status="failed"),
        answer(ask(disputed, acceptance), status="failed"),
    ]


def _bodies():
    """Return what an endpoint of all events is sent of these payments."""
    for payment in _lives():
        for outgoing in payment.outbox:
            message = msgspec.json.decode(outgoing.text(), type=events.WebhookMessage)
            for event in message.events:
                delivery = events.delivery(event, ENDPOINT, now_ms=0)
                assert delivery.rendered is not None
                yield json.loads(delivery.rendered.text)


def test_every_type_that_is_sent_is_documented_with_an_example_and_no_other():
    assert EXAMPLES.keys() == ANNOUNCED == {each["type"] for each in _bodies()}


def test_a_webhook_has_the_fields_of_its_type_s_example_and_a_sequence():
    for body in _bodies():
        example = EXAMPLES[body["type"]]
        optional = {"capture"} if body["type"] == "payment.succeeded" else set()

        assert body.keys() == {"type", "timestamp", "sequence", "data"}
        assert body["data"].keys() | optional == example.keys() | SAME_IN_ALL
        assert body["data"].get("dispute", {}).keys() == example.get("dispute", {}).keys()
        assert type(body["sequence"]) is int


def test_a_payment_that_was_paid_is_never_told_as_canceled():
    canceled = [each["data"] for each in _bodies() if each["type"] == "payment.canceled"]

    assert canceled
    assert {(each["status"], each["amount_captured"]) for each in canceled} == {("canceled", 0)}
    assert EXAMPLES["payment.canceled"]["status"] == "canceled"
