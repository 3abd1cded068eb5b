"""A payment changes by pure functions, and what others must hear is part of the change."""

import json

import msgspec
import pytest

from payments import life_cycle
from payments.provider import Outcome
from payments.schema import PaymentRequest
from payments.views import as_asked, view

REQUEST = PaymentRequest(
    amount=1250,
    currency="EUR",
    payment_method="pm_card_visa",
    receipt_email="a@example.com",
    metadata={"order": "1"},
)


def _created(request=REQUEST, *, key="key-1", tenant="demo"):
    return life_cycle.create(request, key=key, tenant=tenant, now_ms=1_000)


def _charge(payment, status="succeeded", *, captured=True, decline_code=None):
    return Outcome(
        id="ch_1",
        reference=payment.id,
        status=status,
        amount=payment.amount,
        currency=payment.currency,
        captured=captured,
        decline_code=decline_code,
    )


def _charged(payment, outcome):
    return life_cycle.answered(payment, {f"{payment.id}:charge": outcome}, now_ms=2_000)


def test_the_same_key_of_the_same_tenant_is_the_same_payment():
    assert _created().id == _created(msgspec.structs.replace(REQUEST, amount=1)).id


@pytest.mark.parametrize("other", [{"key": "key-2"}, {"tenant": "other"}])
def test_another_key_or_tenant_is_another_payment(other):
    assert _created().id != _created(**other).id


def test_the_fingerprint_ignores_how_a_request_was_written_and_nothing_else():
    shuffled = msgspec.structs.replace(REQUEST, metadata={"b": "2", "a": "1"})
    ordered = msgspec.structs.replace(REQUEST, metadata={"a": "1", "b": "2"})

    assert life_cycle.fingerprint(shuffled) == life_cycle.fingerprint(ordered)
    assert life_cycle.fingerprint(ordered) != life_cycle.fingerprint(REQUEST)


def test_a_payment_that_has_succeeded_hears_no_more_of_its_charge_also_without_a_ledger():
    settled = _charged(_created(), _charge(_created()))
    older = msgspec.structs.replace(settled, ledger=())  # as the first version stored it

    for payment in (settled, older):
        assert _charged(payment, _charge(payment)) is payment


def test_a_new_payment_promises_its_own_settlement():
    payment = _created()

    assert payment.status == "processing"
    assert [(each.queue, json.loads(each.body)) for each in payment.outbox] == [
        ("payments", {"payment_id": payment.id})
    ]


@pytest.mark.parametrize(
    ("charge", "status", "captured", "queues"),
    [
        ({}, "succeeded", 1250, ["analytics", "notifications"]),
        ({"captured": False}, "requires_capture", 0, ["analytics"]),
        ({"status": "requires_action", "captured": False}, "requires_action", 0, ["analytics"]),
        ({"status": "failed", "captured": False}, "failed", 0, ["analytics"]),
    ],
)
def test_the_providers_answer_decides_state_money_and_messages(charge, status, captured, queues):
    payment = _created()

    after = _charged(payment, _charge(payment, **charge))

    assert (after.status, after.amount_captured, after.version) == (status, captured, 2)
    assert [each.queue for each in after.outbox] == queues
    assert [(each.n, each.type) for each in after.events] == [
        (1, "payment.created"),
        (2, f"payment.{status}"),
    ]


def test_a_decline_keeps_the_providers_code():
    payment = _created()
    charge = _charge(payment, "failed", captured=False, decline_code="expired_card")

    after = _charged(payment, charge)

    assert after.failure is not None
    assert (after.failure.code, after.failure.message) == ("expired_card", "The card has expired.")


def test_a_payment_as_created_is_the_same_after_any_change():
    payment = _created()
    settled = _charged(payment, _charge(payment))

    assert view(as_asked(settled, None)) == view(payment)
