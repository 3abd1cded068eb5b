"""The operations of webhook endpoints and their deliveries."""

from collections.abc import Iterator, Sequence

from spillway_client.calls import Calls, members_of, path_of, present
from spillway_client.operations.fields import UNSET, Unset
from spillway_client.records import (
    Deleted,
    Notification,
    Queued,
    WebhookEndpoint,
)

ENDPOINT = "/v1/webhook-endpoints/{endpoint_id}"
DELIVERY = ENDPOINT + "/deliveries/{notification_id}"


class WebhookOperations:
    """The operations of webhook endpoints and their deliveries."""

    _calls: Calls

    def create_webhook_endpoint(
        self, url: str, *, events: Sequence[str] | None = None, contact: str | None = None
    ) -> WebhookEndpoint:
        """Send events to a URL; the answer has the secret, which is not shown again."""
        body = present(url=url, events=events, contact=contact)
        path = "/v1/webhook-endpoints"
        return self._calls.send(WebhookEndpoint, "POST", path, body, repeatable=False)

    def list_webhook_endpoints(self) -> list[WebhookEndpoint]:
        """Return all endpoints, newest first."""
        return members_of(WebhookEndpoint, self._calls.get(dict, "/v1/webhook-endpoints"))

    def get_webhook_endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        """Return an endpoint, without its secret."""
        return self._calls.get(WebhookEndpoint, path_of(ENDPOINT, endpoint_id=endpoint_id))

    def update_webhook_endpoint(
        self,
        endpoint_id: str,
        *,
        url: str | Unset = UNSET,
        events: Sequence[str] | Unset | None = UNSET,
        contact: str | Unset | None = UNSET,
    ) -> WebhookEndpoint:
        """Change what is given; None means all events, or no contact."""
        members = {"url": url, "events": events, "contact": contact}
        body = {name: value for name, value in members.items() if value is not UNSET}
        path = path_of(ENDPOINT, endpoint_id=endpoint_id)
        return self._calls.send(WebhookEndpoint, "PATCH", path, body)

    def delete_webhook_endpoint(self, endpoint_id: str) -> Deleted:
        """Delete an endpoint; what is still to be sent there fails."""
        return self._calls.send(Deleted, "DELETE", path_of(ENDPOINT, endpoint_id=endpoint_id))

    def rotate_webhook_secret(self, endpoint_id: str) -> WebhookEndpoint:
        """Return the endpoint with a new secret; for a day webhooks are signed with both."""
        path = path_of(ENDPOINT + "/rotate-secret", endpoint_id=endpoint_id)
        return self._calls.send(WebhookEndpoint, "POST", path, repeatable=False)

    def enable_webhook_endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        """Send there from the next event on."""
        path = path_of(ENDPOINT + "/enable", endpoint_id=endpoint_id)
        return self._calls.send(WebhookEndpoint, "POST", path)

    def disable_webhook_endpoint(self, endpoint_id: str) -> WebhookEndpoint:
        """Send nothing there until it is enabled."""
        path = path_of(ENDPOINT + "/disable", endpoint_id=endpoint_id)
        return self._calls.send(WebhookEndpoint, "POST", path)

    def test_webhook_endpoint(self, endpoint_id: str) -> Queued:
        """Send an event `webhook.test` there, in one attempt."""
        path = path_of(ENDPOINT + "/test", endpoint_id=endpoint_id)
        return self._calls.send(Queued, "POST", path, repeatable=False)

    def list_webhook_deliveries(
        self,
        endpoint_id: str,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        status: str | None = None,
        type: str | None = None,
        payment_id: str | None = None,
    ) -> Iterator[Notification]:
        """Yield what was sent to an endpoint, newest first."""
        return self._calls.pages(
            Notification,
            path_of(ENDPOINT + "/deliveries", endpoint_id=endpoint_id),
            starting_after=starting_after,
            ending_before=ending_before,
            status=status,
            type=type,
            payment_id=payment_id,
        )

    def get_webhook_delivery(self, endpoint_id: str, notification_id: str) -> Notification:
        """Return one delivery with its attempts."""
        ids = {"endpoint_id": endpoint_id, "notification_id": notification_id}
        return self._calls.get(Notification, path_of(DELIVERY, **ids))

    def resend_webhook(self, endpoint_id: str, notification_id: str) -> Queued:
        """Attempt a delivery once more, now."""
        ids = {"endpoint_id": endpoint_id, "notification_id": notification_id}
        path = path_of(DELIVERY + "/resend", **ids)
        return self._calls.send(Queued, "POST", path, repeatable=False)
