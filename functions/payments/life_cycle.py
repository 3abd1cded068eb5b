"""The life of a payment as pure functions from document to document; nothing here does I/O."""

import hashlib
from base64 import b32encode

import msgspec

from payments.provider import Charge
from payments.schema import Event, Failure, Outgoing, Payment, PaymentRequest, Status

ROUTE = "POST /v1/payments"

DECLINES = {
    "generic_decline": "The card was declined.",
    "insufficient_funds": "The card has insufficient funds.",
    "expired_card": "The card has expired.",
    "processing_error": "The card's bank could not process the payment.",
}


def payment_id(tenant: str, idempotency_key: str) -> str:
    """Return the id that this key of this tenant always has: one key, one document, one payment."""
    digest = hashlib.sha256(f"{tenant}|{ROUTE}|{idempotency_key}".encode()).digest()
    return "pay_" + b32encode(digest).decode().lower()[:26]


def fingerprint(request: PaymentRequest) -> str:
    """Return a hash that is equal for equal requests, however they were written."""
    canonical = msgspec.json.encode(request, order="sorted")
    return hashlib.sha256(canonical).hexdigest()


def create(request: PaymentRequest, *, key: str, tenant: str, now_ms: int) -> Payment:
    """Return a new payment in `processing`, its settlement promised in the outbox."""
    identity = payment_id(tenant, key)
    return Payment(
        id=identity,
        tenant=tenant,
        fingerprint=fingerprint(request),
        created_ms=now_ms,
        amount=request.amount,
        currency=request.currency,
        payment_method=request.payment_method,
        capture_method=request.capture_method,
        description=request.description,
        metadata=request.metadata,
        receipt_email=request.receipt_email,
        status="processing",
        version=1,
        events=(Event(n=1, type="payment.created", at_ms=now_ms),),
        outbox=(Outgoing(queue="payments", body={"payment_id": identity}),),
    )


def as_created(payment: Payment) -> Payment:
    """Return `payment` as it was when it was made, from fields that never change."""
    return msgspec.structs.replace(
        payment,
        status="processing",
        amount_captured=0,
        amount_refunded=0,
        failure=None,
        events=payment.events[:1],
    )


def charged(payment: Payment, charge: Charge, *, now_ms: int) -> Payment:
    """Return `payment` after the provider's definitive answer, with what others must hear of it."""
    status = _status(charge)
    return msgspec.structs.replace(
        payment,
        status=status,
        version=payment.version + 1,
        charge_id=charge.id,
        amount_captured=charge.amount if status == "succeeded" else 0,
        failure=_failure(charge) if status == "failed" else None,
        events=(
            *payment.events,
            Event(n=len(payment.events) + 1, type=f"payment.{status}", at_ms=now_ms),
        ),
        outbox=tuple(_announcements(payment, status, charge, now_ms=now_ms)),
    )


def _status(charge: Charge) -> Status:
    if charge.status == "succeeded":
        return "succeeded" if charge.captured else "requires_capture"
    return charge.status


def _failure(charge: Charge) -> Failure:
    code = charge.decline_code or "generic_decline"
    return Failure(code=code, message=DECLINES.get(code, "The card was declined."))


def _announcements(
    payment: Payment, status: Status, charge: Charge, *, now_ms: int
) -> list[Outgoing]:
    if status not in ("succeeded", "failed"):
        return []
    properties = {"currency": payment.currency}
    if charge.decline_code:
        properties["decline_code"] = charge.decline_code
    event = {
        "event_id": f"{payment.id}.{status}",
        "name": f"payment.{status}",
        "occurred_at_ms": now_ms,
        "user_id": None,
        "value": payment.amount,
        "properties": properties,
    }
    outgoing = [Outgoing(queue="analytics", body={"tenant": payment.tenant, "events": [event]})]
    if status == "succeeded" and payment.receipt_email:
        outgoing.append(Outgoing(queue="notifications", body={"request": _receipt(payment)}))
    return outgoing


def _receipt(payment: Payment) -> dict[str, object]:
    return {
        "tenant": payment.tenant,
        "key": f"{payment.id}.receipt",
        "channel": "email",
        "to": payment.receipt_email,
        "template": "payment_receipt",
        "variables": {
            "amount": payment.amount,
            "currency": payment.currency,
            "payment_id": payment.id,
        },
    }
