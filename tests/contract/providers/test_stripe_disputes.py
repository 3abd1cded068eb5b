"""The disputes of Stripe alone: told, answered once, and on the record."""

import pytest

from payments.provider import Ask, DisputeOrder
from tests.contract.providers.places import charge, done, reference


@pytest.fixture
def disputed(stripe):
    """Charge a payment and have it disputed; returns what is told of it, and its charge."""
    payment_id = reference()
    charge_id = done(stripe, charge(payment_id)).id
    (report,) = stripe.hear(stripe.server.dispute(payment_id))
    return report, charge_id


def response(report, path, key, **evidence):
    order = DisputeOrder(
        dispute_id=report.id,
        charge=report.charge,
        amount=report.amount,
        currency=report.currency,
        reference=report.reference,
        evidence=evidence,
    )
    return Ask(key=key, path=path, order=order)


def test_a_dispute_is_told_with_the_payment_that_it_is_of(disputed):
    report, charge_id = disputed

    assert (report.charge, report.amount, report.currency) == (charge_id, 1000, "EUR")
    assert (report.status, report.fee, report.reason) == ("needs_response", 1500, "fraudulent")
    assert report.reference.startswith("pay_")
    assert report.due_ms % 1_000 == 0 != report.due_ms


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [("/evidence", "ev_", "under_review"), ("/acceptances", "acc_", "lost")],
)
def test_a_dispute_is_answered_once_and_the_record_has_both(stripe, disputed, path, key, status):
    report, _ = disputed
    key = f"{key}{report.id}"
    ask = response(report, path, key, uncategorized_text="It was there.")

    outcomes = [done(stripe, ask), done(stripe, ask)]
    again = done(stripe, response(report, path, f"{key}2", uncategorized_text="More."))

    assert [each.status for each in outcomes] == ["succeeded", "succeeded"]
    assert again.status == "failed"
    lines = [e for e in stripe.provider.effects(0) if e.reference == report.reference]
    news = [
        (each.kind, each.idempotency_key) for each in lines if each.kind not in ("fee", "charge")
    ]
    assert news == [
        ("dispute", f"{report.id}:needs_response"),
        (path.strip("/").removesuffix("s"), key),
        ("dispute", f"{report.id}:{status}"),
    ]


def test_what_comes_of_a_dispute_is_told_with_what_its_fee_is_by_then(stripe, disputed):
    report, _ = disputed
    dispute = stripe.server.disputes[report.id]
    counter = {"amount": 0, "currency": "eur", "fee": 1500}
    back = {"amount": 1000, "currency": "eur", "fee": -1500}
    news = []
    for name, status, movement in (
        ("closed", "lost", counter),
        ("funds_reinstated", "won", back),
    ):
        dispute["status"] = status
        dispute["balance_transactions"].append(movement)
        event = stripe.server.tell(f"charge.dispute.{name}", dispute, None)
        news += [(each.status, each.fee) for each in stripe.hear(event)]

    assert news == [("lost", 3000), ("won", 1500)]


@pytest.mark.parametrize("status", ["charge_refunded", "prevented"])
def test_a_dispute_of_a_status_that_nobody_knows_is_logged_and_says_nothing(stripe, caplog, status):
    payment_id = reference()
    done(stripe, charge(payment_id))

    assert stripe.hear(stripe.server.dispute(payment_id, status)) == []
    assert "unknown status" in caplog.text


def test_an_inquiry_is_told_once_it_is_a_dispute(stripe):
    payment_id = reference()
    done(stripe, charge(payment_id))

    assert stripe.hear(stripe.server.dispute(payment_id, "warning_needs_response")) == []
