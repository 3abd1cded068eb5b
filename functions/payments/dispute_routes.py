"""The routes of disputes; `payments.app` serves them."""

from chalice.app import Blueprint, Response

from backend.entrypoint import Call, endpoint, reply
from payments import dispute_lists, store
from payments.dispute_schema import (
    Acceptance,
    DisputeListQuery,
    EvidenceRequest,
    EvidenceSubmission,
)
from payments.operation_routes import ask_for, response
from payments.views import DisputePage, dispute_view

routes = Blueprint(__name__)


@routes.route("/v1/disputes", methods=["GET"])
@endpoint(routes, "payments:read")
def list_disputes(call: Call) -> Response:
    """List disputes, newest first."""
    page, has_more = dispute_lists.newest(
        call.query(DisputeListQuery), tenant=call.caller.tenant, payments=store
    )
    return reply(DisputePage(data=[dispute_view(*each) for each in page], has_more=has_more))


@routes.route("/v1/disputes/{dispute_id}", methods=["GET"])
@endpoint(routes, "payments:read")
def get_dispute(call: Call, dispute_id: str) -> Response:
    """Show a dispute."""
    pair = dispute_lists.find(dispute_id, tenant=call.caller.tenant, payments=store)
    return reply(dispute_view(*pair))


@routes.route("/v1/disputes/{dispute_id}", methods=["POST"])
@endpoint(routes, "payments:write")
def submit_evidence(call: Call, dispute_id: str) -> Response:
    """Answer a dispute with evidence, once; a worker hands it to the provider."""
    evidence = call.body(EvidenceRequest).evidence
    payment, _ = dispute_lists.find(dispute_id, tenant=call.caller.tenant, payments=store)
    request = EvidenceSubmission(dispute=dispute_id, evidence=evidence)
    return response(ask_for(call, payment.id, request), status=202)


@routes.route("/v1/disputes/{dispute_id}/close", methods=["POST"])
@endpoint(routes, "payments:write")
def close_dispute(call: Call, dispute_id: str) -> Response:
    """Accept a dispute: it is lost; a worker tells the provider."""
    payment, _ = dispute_lists.find(dispute_id, tenant=call.caller.tenant, payments=store)
    return response(ask_for(call, payment.id, Acceptance(dispute=dispute_id)), status=202)
