"""The routes of what is done to a payment; `payments.app` serves them."""

from typing import Any

import msgspec
from chalice.app import Blueprint, Response

from backend.clock import now_ms
from backend.entrypoint import Call, endpoint, reply
from backend.idempotency import Claim, Replayed, idempotent, register
from backend.pages import PageQuery, page_in
from backend.telemetry import report
from payments import life_cycle, outside, service, store
from payments.schema import (
    CancelRequest,
    CaptureRequest,
    ConfirmRequest,
    MoneyRequest,
    OperationRequest,
    RefundRequest,
)
from payments.views import RefundPage, answer_view, refund_view, refunds_view

routes = Blueprint(__name__)


@routes.route("/v1/payments/{payment_id}/confirm", methods=["POST"])
@endpoint(routes, "payments:write")
def confirm_payment(call: Call, payment_id: str) -> Response:
    """Try a payment that failed again, with another payment method; a worker does it."""
    return response(_operation(call, payment_id, ConfirmRequest), status=202)


@routes.route("/v1/payments/{payment_id}/capture", methods=["POST"])
@endpoint(routes, "payments:write")
def capture_payment(call: Call, payment_id: str) -> Response:
    """Capture what is held, or a part of it; a worker does it."""
    return response(_operation(call, payment_id, CaptureRequest), status=202)


@routes.route("/v1/payments/{payment_id}/cancel", methods=["POST"])
@endpoint(routes, "payments:write")
def cancel_payment(call: Call, payment_id: str) -> Response:
    """Release what is held, also the rest of a partial capture; a worker does it."""
    return response(_operation(call, payment_id, CancelRequest), status=202)


@routes.route("/v1/payments/{payment_id}/refunds", methods=["POST"])
@endpoint(routes, "payments:write")
def refund_payment(call: Call, payment_id: str) -> Response:
    """Refund what was captured, or a part of it; a worker does it."""
    return response(_operation(call, payment_id, RefundRequest), status=201)


@routes.route("/v1/payments/{payment_id}/refunds", methods=["GET"])
@endpoint(routes, "payments:read")
def list_refunds(call: Call, payment_id: str) -> Response:
    """List a payment's refunds, newest first."""
    query = call.query(PageQuery)
    payment = service.find(payment_id, tenant=call.caller.tenant, payments=store)
    page, has_more = page_in(query, refunds_view(payment), id_of=lambda refund: refund.id)
    return reply(RefundPage(data=page, has_more=has_more))


@routes.route("/v1/payments/{payment_id}/refunds/{refund_id}", methods=["GET"])
@endpoint(routes, "payments:read")
def get_refund(call: Call, payment_id: str, refund_id: str) -> Response:
    """Show a refund."""
    payment = service.find(payment_id, tenant=call.caller.tenant, payments=store)
    return reply(refund_view(payment, service.refund(payment, refund_id)))


def _operation(call: Call, payment_id: str, shape: type[MoneyRequest]) -> dict[str, Any]:
    request = call.body(shape, may_be_empty=shape is not ConfirmRequest)
    return ask_for(call, payment_id, request)


def ask_for(call: Call, payment_id: str, request: OperationRequest) -> dict[str, Any]:
    """Ask for an operation, once a key; returns the answer to the client."""
    register(call.context)
    shape = type(request)
    key = f"{call.idempotency_key()} {shape.__name__} {payment_id}"  # a route's keys are its own
    claim = Claim(tenant=call.caller.tenant, key=key, fingerprint=life_cycle.fingerprint(request))
    answer = operate(claim=claim, request=request, payment_id=payment_id)
    kind = life_cycle.KINDS[shape]
    refund = {"refund_id": answer["id"]} if shape is RefundRequest else {}
    report(f"{kind} {outcome(answer)}", payment_id=payment_id, **refund)
    return answer


@idempotent("POST /v1/payments/{payment_id}")
def operate(*, claim: Claim, request: OperationRequest, payment_id: str) -> dict[str, Any]:
    if isinstance(request, ConfirmRequest):  # by whom the payment is, also where others are not now
        failed = service.find(payment_id, tenant=claim.tenant, payments=store)
        outside.providers.check(request.payment_method, failed.currency, failed.provider)
    payment, operation, replayed = service.operate(
        request,
        payment_id=payment_id,
        key=claim.key,
        tenant=claim.tenant,
        payments=store,
        queues=outside.outgoing,
        now_ms=now_ms(),
    )
    answer: dict[str, Any] = msgspec.to_builtins(answer_view(payment, operation))
    return Replayed(answer) if replayed else answer


def outcome(answer: dict[str, Any]) -> str:
    """Return what the log says of an answer."""
    return "answered again" if isinstance(answer, Replayed) else "accepted"


def response(answer: dict[str, Any], *, status: int, location: str | None = None) -> Response:
    """Return the response of an answer that is replayed to a repeat."""
    headers = {"Location": location} if location else {}
    if isinstance(answer, Replayed):
        headers["Idempotent-Replayed"] = "true"
    # Sorted, as the replay cache keeps it: a repeat is answered with the same bytes.
    text = msgspec.json.encode(answer, order="sorted").decode()
    return reply(text, status=status, headers=headers)
