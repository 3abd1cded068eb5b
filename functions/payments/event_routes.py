"""The routes of events; `payments.app` serves them."""

from chalice.app import Blueprint, Response

from backend.entrypoint import Call, endpoint, reply
from payments import event_store, events
from payments.events import EventQuery

routes = Blueprint(__name__)


@routes.route("/v1/events", methods=["GET"])
@endpoint(routes, "payments:read")
def list_events(call: Call) -> Response:
    """List what happened within 30 days, newest first, as webhooks tell it."""
    query = call.query(EventQuery)
    page, has_more = events.newest(query, tenant=call.caller.tenant, events=event_store)
    return reply(events.page_view(page, has_more))


@routes.route("/v1/events/{event_id}", methods=["GET"])
@endpoint(routes, "payments:read")
def get_event(call: Call, event_id: str) -> Response:
    """Show an event, as webhooks tell it."""
    event = events.find(event_id, tenant=call.caller.tenant, events=event_store)
    return reply(events.view(event))
