"""The routes of webhook endpoints; `notifications.app` serves them."""

from chalice.app import Blueprint, Response

from backend import audit, queues
from backend.clock import now_ms
from backend.entrypoint import Call, endpoint, reply
from backend.settings import settings
from backend.shapes import Deleted
from notifications import schema, store
from notifications.schema import NotificationPage, Queued
from notifications.webhooks import endpoint_log, endpoint_store, endpoints
from notifications.webhooks.endpoint_log import DeliveryQuery
from notifications.webhooks.endpoints import (
    EndpointChange,
    EndpointPage,
    EndpointRequest,
    view,
)

routes = Blueprint(__name__)
queue_of = {"webhook": queues.connect(settings.webhooks_queue_url)}


@routes.route("/v1/webhook-endpoints", methods=["POST"])
@endpoint(routes, "notifications:write")
def create_webhook_endpoint(call: Call) -> Response:
    """Have events sent to a URL; the answer is the only one that shows the secret."""
    made = endpoints.create(
        call.body(EndpointRequest),
        tenant=call.caller.tenant,
        endpoints=endpoint_store,
        author=audit.author(call),
        now_ms=now_ms(),
    )
    headers = {"Location": f"/v1/webhook-endpoints/{made.id}"}
    return reply(view(made, now_ms=now_ms(), with_secret=True), status=201, headers=headers)


@routes.route("/v1/webhook-endpoints", methods=["GET"])
@endpoint(routes, "notifications:read")
def list_webhook_endpoints(call: Call) -> Response:
    """List the endpoints, newest first."""
    newest = endpoints.newest(tenant=call.caller.tenant, endpoints=endpoint_store)
    return reply(EndpointPage(data=[view(each, now_ms=now_ms()) for each in newest]))


@routes.route("/v1/webhook-endpoints/{endpoint_id}", methods=["GET"])
@endpoint(routes, "notifications:read")
def get_webhook_endpoint(call: Call, endpoint_id: str) -> Response:
    """Show an endpoint, without its secret."""
    return reply(view(_endpoint(call, endpoint_id), now_ms=now_ms()))


@routes.route("/v1/webhook-endpoints/{endpoint_id}", methods=["PATCH"])
@endpoint(routes, "notifications:write")
def update_webhook_endpoint(call: Call, endpoint_id: str) -> Response:
    """Change an endpoint's URL, events or contact; what is left out stays."""
    changed = endpoints.change(
        call.body(EndpointChange),
        endpoint_id,
        tenant=call.caller.tenant,
        endpoints=endpoint_store,
        author=audit.author(call),
        now_ms=now_ms(),
    )
    return reply(view(changed, now_ms=now_ms()))


@routes.route("/v1/webhook-endpoints/{endpoint_id}", methods=["DELETE"])
@endpoint(routes, "notifications:write")
def delete_webhook_endpoint(call: Call, endpoint_id: str) -> Response:
    """Delete an endpoint; what is still to be sent there fails."""
    endpoints.delete(
        endpoint_id,
        tenant=call.caller.tenant,
        endpoints=endpoint_store,
        author=audit.author(call),
    )
    return reply(Deleted(id=endpoint_id))


@routes.route("/v1/webhook-endpoints/{endpoint_id}/rotate-secret", methods=["POST"])
@endpoint(routes, "notifications:write")
def rotate_webhook_secret(call: Call, endpoint_id: str) -> Response:
    """Give an endpoint a new secret; for a day the old one signs too."""
    rotated = endpoints.rotate(
        endpoint_id,
        tenant=call.caller.tenant,
        endpoints=endpoint_store,
        author=audit.author(call),
        now_ms=now_ms(),
    )
    return reply(view(rotated, now_ms=now_ms(), with_secret=True))


@routes.route("/v1/webhook-endpoints/{endpoint_id}/enable", methods=["POST"])
@endpoint(routes, "notifications:write")
def enable_webhook_endpoint(call: Call, endpoint_id: str) -> Response:
    """Send to a disabled endpoint again, from the next event on."""
    enabled = endpoints.enable(
        endpoint_id,
        tenant=call.caller.tenant,
        endpoints=endpoint_store,
        author=audit.author(call),
        now_ms=now_ms(),
    )
    return reply(view(enabled, now_ms=now_ms()))


@routes.route("/v1/webhook-endpoints/{endpoint_id}/disable", methods=["POST"])
@endpoint(routes, "notifications:write")
def disable_webhook_endpoint(call: Call, endpoint_id: str) -> Response:
    """Send nothing to an endpoint until it is enabled."""
    disabled = endpoints.disable(
        endpoint_id,
        tenant=call.caller.tenant,
        endpoints=endpoint_store,
        author=audit.author(call),
    )
    return reply(view(disabled, now_ms=now_ms()))


@routes.route("/v1/webhook-endpoints/{endpoint_id}/test", methods=["POST"])
@endpoint(routes, "notifications:write")
def test_webhook_endpoint(call: Call, endpoint_id: str) -> Response:
    """Send an event of the type webhook.test to an endpoint, in one attempt."""
    delivery = endpoint_log.send_test(
        endpoint=_endpoint(call, endpoint_id), deliveries=store, queues=queue_of, now_ms=now_ms()
    )
    return reply(Queued(id=delivery.id), status=202)


@routes.route("/v1/webhook-endpoints/{endpoint_id}/deliveries", methods=["GET"])
@endpoint(routes, "notifications:read")
def list_webhook_deliveries(call: Call, endpoint_id: str) -> Response:
    """List what was sent to an endpoint, newest first, with each attempt."""
    page, has_more = endpoint_log.newest(
        call.query(DeliveryQuery), endpoint=_endpoint(call, endpoint_id), deliveries=store
    )
    return reply(NotificationPage(data=[schema.view(each) for each in page], has_more=has_more))


@routes.route("/v1/webhook-endpoints/{endpoint_id}/deliveries/{notification_id}", methods=["GET"])
@endpoint(routes, "notifications:read")
def get_webhook_delivery(call: Call, endpoint_id: str, notification_id: str) -> Response:
    """Show a delivery: its body, its payment and each attempt."""
    delivery = endpoint_log.find(
        notification_id, endpoint=_endpoint(call, endpoint_id), deliveries=store
    )
    return reply(schema.view(delivery))


@routes.route(
    "/v1/webhook-endpoints/{endpoint_id}/deliveries/{notification_id}/resend", methods=["POST"]
)
@endpoint(routes, "notifications:write")
def resend_webhook(call: Call, endpoint_id: str, notification_id: str) -> Response:
    """Attempt a delivery once more, now, under the same webhook-id."""
    endpoint_log.resend(
        notification_id,
        endpoint=_endpoint(call, endpoint_id),
        deliveries=store,
        queues=queue_of,
        now_ms=now_ms(),
    )
    return reply(Queued(id=notification_id), status=202)


def _endpoint(call: Call, endpoint_id: str) -> endpoints.Endpoint:
    return endpoints.find(endpoint_id, tenant=call.caller.tenant, endpoints=endpoint_store)
