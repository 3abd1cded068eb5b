"""Test clocks over HTTP, and what they mean for payments."""

from chalice.app import Blueprint, Response

from backend import test_clock_store, test_clocks
from backend.clock import now_ms
from backend.entrypoint import Call, endpoint, reply
from backend.settings import settings
from payments import service
from payments.outboxes import Queues

routes = Blueprint(__name__)


@routes.route("/v1/test-clocks", methods=["POST"])
@endpoint(routes, "payments:write")
def create_test_clock(call: Call) -> Response:
    """Make a test clock, which stands at a time until it is moved on."""
    test_clocks.check_allowed(settings.test_clocks)
    request, tenant = call.body(test_clocks.ClockRequest), call.caller.tenant
    clock = test_clocks.create(request, tenant=tenant, clocks=test_clock_store, now_ms=now_ms())
    headers = {"Location": f"/v1/test-clocks/{clock.id}"}
    return reply(test_clocks.view(clock), status=201, headers=headers)


@routes.route("/v1/test-clocks", methods=["GET"])
@endpoint(routes, "payments:read")
def list_test_clocks(call: Call) -> Response:
    """List the tenant's test clocks, newest first."""
    clocks = test_clock_store.of(call.caller.tenant)
    return reply(test_clocks.ClockPage(data=[test_clocks.view(each) for each in clocks]))


@routes.route("/v1/test-clocks/{clock_id}", methods=["GET"])
@endpoint(routes, "payments:read")
def get_test_clock(call: Call, clock_id: str) -> Response:
    """Show a test clock."""
    clock = test_clocks.find(clock_id, tenant=call.caller.tenant, clocks=test_clock_store)
    return reply(test_clocks.view(clock))


@routes.route("/v1/test-clocks/{clock_id}/advance", methods=["POST"])
@endpoint(routes, "payments:write")
def advance_test_clock(call: Call, clock_id: str) -> Response:
    """Move a test clock on; what is due by then happens in seconds, in the order of time."""
    test_clocks.check_allowed(settings.test_clocks)
    request, tenant = call.body(test_clocks.ClockRequest), call.caller.tenant
    clock = test_clocks.advance(clock_id, request, tenant=tenant, clocks=test_clock_store)
    return reply(test_clocks.view(clock), status=202)


@routes.route("/v1/test-clocks/{clock_id}", methods=["DELETE"])
@endpoint(routes, "payments:write")
def delete_test_clock(call: Call, clock_id: str) -> Response:
    """Delete a test clock; what is tied to it stays as it is."""
    test_clocks.delete(clock_id, tenant=call.caller.tenant, clocks=test_clock_store)
    return reply({"id": clock_id, "deleted": True})


def move_all(
    *, payments: service.Payments, provider: service.ClockedProvider, queues: Queues
) -> None:
    """Have happen what is due by the clocks that were moved; what fails is for the next run."""
    for clock in test_clock_store.behind("payments"):
        is_heard = service.move_clock(
            clock, payments=payments, provider=provider, queues=queues, now_ms=now_ms()
        )
        if is_heard:
            test_clock_store.caught_up(clock, "payments")
