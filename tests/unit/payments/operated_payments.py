"""Payments in unit tests, as their operations and the provider's answers make them."""

import json

from payments import asks, ledger, life_cycle
from payments.provider import Outcome
from payments.reconciliation import Report
from payments.schema import PaymentRequest

NOW_MS = 1_000


def answer(payment, *, status="succeeded"):
    """Return `payment` after the provider has answered whatever is due."""
    outcomes = {
        ask.key: Outcome(
            id="x_1",
            reference=payment.id,
            status=status,
            amount=ask.order.amount,
            currency=payment.currency,
            captured=getattr(ask.order, "capture", False),
        )
        for ask in asks.due(payment)
    }
    after = life_cycle.answered(payment, outcomes, now_ms=NOW_MS)
    assert ledger.violations(after) == []
    return after


def payment_of(capture_method="manual", *, status="succeeded"):
    request = PaymentRequest(
        amount=1000,
        currency="EUR",
        payment_method="pm_card_visa",
        capture_method=capture_method,
        metadata={"order": "7"},
    )
    payment = life_cycle.create(request, key="key", tenant="demo", now_ms=NOW_MS)
    return answer(payment, status=status)


def ask(payment, request, key="k"):
    after = life_cycle.requested(payment, request, key=key, now_ms=NOW_MS)
    assert ledger.violations(after) == []
    assert after.version == payment.version + 1
    return after


def mismatches(payment, effects):
    """Return how a payment differs from effects of the provider."""
    report = Report(effects=len(effects))
    report.compare(payment.id, payment, effects)
    return [each.kind for each in report.mismatches]


def announced(payment):
    """Return the events that others hear of, as they are on their way."""
    bodies = [json.loads(each.body) for each in payment.outbox if each.queue == "analytics"]
    return [event for body in bodies for event in body["events"]]


def refund_of(payment, status):
    """Return `payment` after the provider told of its refund, unasked."""
    refund = payment.operations[0]
    outcome = Outcome(
        id="re_x", reference=payment.id, status=status, amount=refund.amount, currency="EUR"
    )
    after = life_cycle.answered(payment, {refund.id: outcome}, now_ms=NOW_MS)
    assert ledger.violations(after) == []
    return after
