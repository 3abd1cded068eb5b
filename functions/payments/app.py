"""Payments: POST /v1/payments accepts a payment, the worker settles it."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from chalice.app import Response

from backend import queues
from backend.clock import now_ms
from backend.entrypoint import Call, Record, api, consumer, endpoint, reply
from backend.idempotency import Claim, Replayed, idempotent, register
from backend.settings import settings
from backend.telemetry import metrics_of
from payments import life_cycle, service, store
from payments.provider import Provider
from payments.schema import PaymentListQuery, PaymentRequest, SettlePayment, view

app = api("payments")
metrics = metrics_of("payments")
provider = Provider(settings.provider_url, timeout_ms=settings.provider_timeout_ms)
outgoing = {
    "payments": queues.connect(settings.payments_queue_url),
    "analytics": queues.connect(settings.analytics_queue_url),
    "notifications": queues.connect(settings.notifications_queue_url),
}


@app.route("/v1/payments", methods=["POST"])
@endpoint(app, "payments:write")
def create_payment(call: Call) -> Response:
    """Accept a payment; a worker settles it."""
    register(call.context)
    request, tenant, key = call.body(PaymentRequest), call.caller.tenant, call.idempotency_key()
    claim = Claim(tenant=tenant, key=key, fingerprint=life_cycle.fingerprint(request))
    answer = accept(claim=claim, request=request)
    headers = {"Location": f"/v1/payments/{answer['id']}"}
    if isinstance(answer, Replayed):
        headers["Idempotent-Replayed"] = "true"
    return reply(answer, status=201, headers=headers)


@idempotent("POST /v1/payments", guard="document")  # the document makes it safe by itself
def accept(*, claim: Claim, request: PaymentRequest) -> dict[str, Any]:
    payment, replayed = service.accept(
        request,
        key=claim.key,
        tenant=claim.tenant,
        payments=store,
        queues=outgoing,
        now_ms=now_ms(),
    )
    metrics.count("PaymentsAccepted", 0 if replayed else 1)
    answer: dict[str, Any] = msgspec.to_builtins(view(payment))
    return Replayed(answer) if replayed else answer


@app.route("/v1/payments/{payment_id}", methods=["GET"])
@endpoint(app, "payments:read")
def get_payment(call: Call, payment_id: str) -> Response:
    return reply(view(service.find(payment_id, tenant=call.caller.tenant, payments=store)))


@app.route("/v1/payments", methods=["GET"])
@endpoint(app, "payments:read")
def list_payments(call: Call) -> Response:
    page, has_more = service.newest(
        call.query(PaymentListQuery), tenant=call.caller.tenant, payments=store
    )
    return reply({"data": [view(each) for each in page], "has_more": has_more})


@consumer("payments", SettlePayment)
def worker(records: Sequence[Record]) -> Iterable[str]:
    """Settle the payments that these messages name."""
    payment_ids = {record.message_id: record.body.payment_id for record in records}
    settled = service.settle(
        set(payment_ids.values()),
        payments=store,
        provider=provider,
        queues=outgoing,
        now_ms=now_ms(),
    )
    metrics.count("PaymentsSettled", len(settled))
    return [each for each, payment_id in payment_ids.items() if payment_id not in settled]
