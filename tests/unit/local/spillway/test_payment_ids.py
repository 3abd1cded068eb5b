"""The console derives the ids of payments and receipts as the backend does."""

from backend import arrivals
from local.spillway.payment_documents import derived
from payments import life_cycle


def test_the_id_of_an_idempotency_key_is_the_backends():
    assert derived("pay_", "demo", "POST /v1/payments", "a key") == life_cycle.payment_id(
        "demo", "a key"
    )


def test_the_id_of_a_receipt_is_the_backends():
    assert derived("ntf_", "demo", "request", "pay_x.receipt") == arrivals.wish_id(
        "demo", "pay_x.receipt"
    )
