"""The client: a method for each operation of the API, by the names of its OpenAPI document."""

import json
import ssl
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import Any, Literal

from spillway_client.calls import Calls, members_of, path_of, present
from spillway_client.records import (
    Accepted,
    Balances,
    Change,
    CountedEvent,
    Customer,
    Deleted,
    Dispute,
    Event,
    EventName,
    Funnel,
    Health,
    Ledger,
    ListedEvent,
    LoggedRequest,
    Metric,
    Notification,
    OAuthClient,
    Payment,
    Queued,
    QuietHours,
    Readiness,
    Refund,
    SavedMethod,
    Suppression,
    Tenant,
    TestClock,
    Token,
    WebhookEndpoint,
)
from spillway_client.transport import Clock, Retries, Transport

TIMEOUT_S = 35.0  # API Gateway itself answers after 29 s
DEFAULT_RETRIES, SYSTEM_CLOCK = Retries(), Clock()


class Unset(Enum):
    """The mark of a field that a change leaves as it is; None would empty it."""

    UNSET = "unset"


UNSET = Unset.UNSET
PAYMENT, REFUNDS = "/v1/payments/{payment_id}", "/v1/payments/{payment_id}/refunds"
DISPUTE = "/v1/disputes/{dispute_id}"
CLOCKS, CLOCK = "/v1/test-clocks", "/v1/test-clocks/{clock_id}"
CUSTOMER, METHODS = "/v1/customers/{customer_id}", "/v1/customers/{customer_id}/payment-methods"
NOTIFICATION = "/v1/notifications/{notification_id}"
TENANT, CLIENT = "/v1/tenants/{tenant_id}", "/v1/clients/{client_id}"
ENDPOINT = "/v1/webhook-endpoints/{endpoint_id}"
DELIVERY = ENDPOINT + "/deliveries/{notification_id}"


class Client:
    """Spillway's API for one OAuth client; several threads may use it at once.

    A method returns a record or raises a SpillwayError. A list is an iterator that gets page after
    page as it is used. Payments, their operations and notifications are made under one
    `idempotency_key`, a new one without it, however often the request is sent;
    `error.idempotency_key` is there to send it once more.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        scope: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: Retries = DEFAULT_RETRIES,
        tls: ssl.SSLContext | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._transport = Transport(
            base_url, timeout_s=timeout_s, retries=retries, clock=clock, tls=tls
        )
        self._calls = Calls(self._transport, client_id, client_secret, scope, clock)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client may still be used, and opens new ones."""
        self._transport.close()

    def get_health(self) -> Health:
        """Say whether the API runs."""
        return self._calls.open(Health, "/health")

    def get_readiness(self) -> Readiness:
        """Say whether everything answers that the other operations need."""
        return self._calls.open(Readiness, "/health/ready")

    def get_keys(self) -> dict[str, Any]:
        """Return the public keys of tokens (RFC 7517)."""
        return self._calls.open(dict, "/.well-known/jwks.json")

    def get_openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document of the API."""
        return self._calls.open(dict, "/openapi.json")

    def create_token(self) -> Token:
        """Return a token of its own; the other methods get theirs by themselves."""
        return self._calls.new_token()

    def create_payment(
        self,
        *,
        amount: int,
        currency: str,
        payment_method: str | None = None,
        capture_method: Literal["automatic", "manual"] = "automatic",
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        receipt_email: str | None = None,
        test_clock: str | None = None,
        customer: str | None = None,
        off_session: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Payment:
        """Accept a payment; its worker settles it soon.

        A customer's payment is made by its default without a `payment_method`.
        """
        body = present(
            amount=amount,
            currency=currency,
            payment_method=payment_method,
            capture_method=capture_method,
            description=description,
            metadata=metadata,
            receipt_email=receipt_email,
            test_clock=test_clock,
            customer=customer,
            off_session=off_session,
        )
        return self._calls.send(Payment, "POST", "/v1/payments", body, key=_key(idempotency_key))

    def list_payments(
        self,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        status: str | None = None,
        created_gte: datetime | None = None,
        created_lt: datetime | None = None,
        customer: str | None = None,
        currency: str | None = None,
        amount_gte: int | None = None,
        amount_lte: int | None = None,
        metadata: Mapping[str, str] | None = None,
        expand: str | None = None,
    ) -> Iterator[Payment]:
        """Yield payments, newest first; with `ending_before` those after it, oldest first."""
        return self._calls.pages(
            Payment,
            "/v1/payments",
            starting_after=starting_after,
            ending_before=ending_before,
            status=status,
            created_gte=created_gte,
            created_lt=created_lt,
            customer=customer,
            currency=currency,
            amount_gte=amount_gte,
            amount_lte=amount_lte,
            metadata=metadata,
            expand=expand,
        )

    def get_payment(self, payment_id: str, *, expand: str | None = None) -> Payment:
        """Return a payment; `expand="customer"` brings its customer along."""
        return self._calls.get(Payment, path_of(PAYMENT, payment_id=payment_id), expand=expand)

    def confirm_payment(
        self, payment_id: str, *, payment_method: str, idempotency_key: str | None = None
    ) -> Payment:
        """Try a payment that failed again, with another payment method."""
        path = path_of(PAYMENT + "/confirm", payment_id=payment_id)
        body = present(payment_method=payment_method)
        return self._calls.send(Payment, "POST", path, body, key=_key(idempotency_key))

    def capture_payment(
        self, payment_id: str, *, amount: int | None = None, idempotency_key: str | None = None
    ) -> Payment:
        """Capture what is held, or `amount` of it."""
        path = path_of(PAYMENT + "/capture", payment_id=payment_id)
        body = present(amount=amount)
        return self._calls.send(Payment, "POST", path, body, key=_key(idempotency_key))

    def cancel_payment(
        self, payment_id: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Payment:
        """Release what is held."""
        path = path_of(PAYMENT + "/cancel", payment_id=payment_id)
        body = present(reason=reason)
        return self._calls.send(Payment, "POST", path, body, key=_key(idempotency_key))

    def refund_payment(
        self,
        payment_id: str,
        *,
        amount: int | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Refund:
        """Give back all that is left, or `amount` of it."""
        path = path_of(REFUNDS, payment_id=payment_id)
        body = present(amount=amount, reason=reason)
        return self._calls.send(Refund, "POST", path, body, key=_key(idempotency_key))

    def list_disputes(
        self,
        *,
        starting_after: str | None = None,
        status: str | None = None,
        payment_id: str | None = None,
    ) -> Iterator[Dispute]:
        """Yield disputes, newest first."""
        return self._calls.pages(
            Dispute,
            "/v1/disputes",
            starting_after=starting_after,
            status=status,
            payment_id=payment_id,
        )

    def get_dispute(self, dispute_id: str) -> Dispute:
        """Return a dispute."""
        return self._calls.get(Dispute, path_of(DISPUTE, dispute_id=dispute_id))

    def submit_evidence(
        self, dispute_id: str, evidence: Mapping[str, str], *, idempotency_key: str | None = None
    ) -> Dispute:
        """Answer a dispute, once: texts by the names that the API has for them."""
        path = path_of(DISPUTE, dispute_id=dispute_id)
        body = {"evidence": evidence}
        return self._calls.send(Dispute, "POST", path, body, key=_key(idempotency_key))

    def close_dispute(self, dispute_id: str, *, idempotency_key: str | None = None) -> Dispute:
        """Accept a dispute: it is lost."""
        path = path_of(DISPUTE + "/close", dispute_id=dispute_id)
        return self._calls.send(Dispute, "POST", path, key=_key(idempotency_key))

    def create_test_clock(self, frozen_time: datetime) -> TestClock:
        """Make a clock that stands at a time, for payments and notifications of the simulator."""
        body = {"frozen_time": frozen_time}
        return self._calls.send(TestClock, "POST", CLOCKS, body, repeatable=False)

    def list_test_clocks(self) -> list[TestClock]:
        """Return all test clocks, newest first."""
        return members_of(TestClock, self._calls.get(dict, CLOCKS))

    def get_test_clock(self, clock_id: str) -> TestClock:
        """Return a test clock."""
        return self._calls.get(TestClock, path_of(CLOCK, clock_id=clock_id))

    def advance_test_clock(self, clock_id: str, frozen_time: datetime) -> TestClock:
        """Move a clock on, by 60 days at most; it is `advancing` until all has happened."""
        path = path_of(CLOCK + "/advance", clock_id=clock_id)
        return self._calls.send(TestClock, "POST", path, {"frozen_time": frozen_time})

    def delete_test_clock(self, clock_id: str) -> Deleted:
        """Delete a clock; what is tied to it stays as it is."""
        return self._calls.send(Deleted, "DELETE", path_of(CLOCK, clock_id=clock_id))

    def list_refunds(
        self,
        payment_id: str,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
    ) -> Iterator[Refund]:
        """Yield a payment's refunds, newest first."""
        path = path_of(REFUNDS, payment_id=payment_id)
        return self._calls.pages(
            Refund, path, starting_after=starting_after, ending_before=ending_before
        )

    def get_refund(self, payment_id: str, refund_id: str) -> Refund:
        """Return a refund."""
        path = path_of(REFUNDS + "/{refund_id}", payment_id=payment_id, refund_id=refund_id)
        return self._calls.get(Refund, path)

    def get_ledger(self, payment_id: str) -> Ledger:
        """Return the double entries of a payment."""
        return self._calls.get(Ledger, path_of(PAYMENT + "/ledger", payment_id=payment_id))

    def get_balances(self) -> Balances:
        """Return all accounts of the tenant."""
        return self._calls.get(Balances, "/v1/balances")

    def list_events(
        self,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        type: str | None = None,
        object: str | None = None,
        created_gte: datetime | None = None,
        created_lt: datetime | None = None,
    ) -> Iterator[ListedEvent]:
        """Yield what happened within 30 days, newest first."""
        return self._calls.pages(
            ListedEvent,
            "/v1/events",
            starting_after=starting_after,
            ending_before=ending_before,
            type=type,
            object=object,
            created_gte=created_gte,
            created_lt=created_lt,
        )

    def get_event(self, event_id: str) -> ListedEvent:
        """Return an event."""
        return self._calls.get(ListedEvent, path_of("/v1/events/{event_id}", event_id=event_id))

    def create_customer(
        self,
        *,
        name: str | None = None,
        email: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Customer:
        """Make a customer."""
        body = present(name=name, email=email, description=description, metadata=metadata)
        path = "/v1/customers"
        return self._calls.send(Customer, "POST", path, body, key=_key(idempotency_key))

    def list_customers(
        self, *, starting_after: str | None = None, ending_before: str | None = None
    ) -> Iterator[Customer]:
        """Yield customers, newest first."""
        return self._calls.pages(
            Customer, "/v1/customers", starting_after=starting_after, ending_before=ending_before
        )

    def get_customer(self, customer_id: str) -> Customer:
        """Return a customer."""
        return self._calls.get(Customer, path_of(CUSTOMER, customer_id=customer_id))

    def update_customer(
        self,
        customer_id: str,
        *,
        name: str | Unset | None = UNSET,
        email: str | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        metadata: Mapping[str, str] | Unset | None = UNSET,
        default_payment_method: str | Unset | None = UNSET,
    ) -> Customer:
        """Change what is given; None empties, and `metadata` is replaced as a whole."""
        members = {
            "name": name,
            "email": email,
            "description": description,
            "metadata": metadata,
            "default_payment_method": default_payment_method,
        }
        body = {name: value for name, value in members.items() if value is not UNSET}
        path = path_of(CUSTOMER, customer_id=customer_id)
        return self._calls.send(Customer, "PATCH", path, body)

    def delete_customer(self, customer_id: str) -> Deleted:
        """Delete a customer with its saved methods; its payments stay."""
        return self._calls.send(Deleted, "DELETE", path_of(CUSTOMER, customer_id=customer_id))

    def attach_payment_method(
        self, customer_id: str, *, payment_method: str, default: bool | None = None
    ) -> SavedMethod:
        """Save a payment method of a customer; the first is its default."""
        path = path_of(METHODS, customer_id=customer_id)
        body = present(payment_method=payment_method, default=default)
        return self._calls.send(SavedMethod, "POST", path, body)

    def list_payment_methods(self, customer_id: str) -> list[SavedMethod]:
        """Return all saved methods of a customer, newest first."""
        path = path_of(METHODS, customer_id=customer_id)
        return members_of(SavedMethod, self._calls.get(dict, path))

    def detach_payment_method(self, customer_id: str, payment_method: str) -> Deleted:
        """Forget a saved method."""
        ids = {"customer_id": customer_id, "payment_method": payment_method}
        return self._calls.send(Deleted, "DELETE", path_of(METHODS + "/{payment_method}", **ids))

    def create_event(self, event: Event) -> Accepted:
        """Count an event; it has an id, so that it counts once."""
        return self._calls.send(Accepted, "POST", "/v1/analytics/events", event)

    def create_events(
        self, events: Sequence[Event], *, sent_at: datetime | None = None
    ) -> Accepted:
        """Count up to 500 events; `sent_at` is for those without their own."""
        body = present(events=list(events), sent_at=sent_at)
        return self._calls.send(Accepted, "POST", "/v1/analytics/events/batch", body)

    def list_names(self, *, starting_after: str | None = None) -> Iterator[EventName]:
        """Yield the names of events, in alphabetical order."""
        return self._calls.pages(
            EventName, "/v1/analytics/names", "name", starting_after=starting_after
        )

    def get_metric(
        self,
        name: str,
        *,
        from_: datetime,
        to: datetime,
        granularity: Literal["day", "hour", "minute"] = "minute",
        timezone: str | None = None,
        group_by: str | None = None,
        where: Mapping[str, object] | None = None,
    ) -> Metric:
        """Return how often an event happened, in each period of a range.

        `where` has it count only events with these properties, of the last 21 days.
        """
        return self._calls.get(
            Metric,
            "/v1/analytics/metrics",
            name=name,
            from_=from_,
            to=to,
            granularity=granularity,
            timezone=timezone,
            group_by=group_by,
            where=None if where is None else json.dumps(where),
        )

    def list_analytics_events(
        self,
        name: str,
        *,
        from_: datetime,
        to: datetime,
        starting_after: str | None = None,
        ending_before: str | None = None,
    ) -> Iterator[CountedEvent]:
        """Yield the events of a name as they were counted, newest minute first."""
        return self._calls.pages(
            CountedEvent,
            "/v1/analytics/events",
            "event_id",
            name=name,
            from_=from_,
            to=to,
            starting_after=starting_after,
            ending_before=ending_before,
        )

    def get_funnel(
        self, steps: Sequence[str], *, from_: datetime, to: datetime, within_s: int | None = None
    ) -> Funnel:
        """Return how many users went how far through 2 to 8 events, in their order."""
        return self._calls.get(
            Funnel,
            "/v1/analytics/funnel",
            steps=",".join(steps),
            from_=from_,
            to=to,
            within_s=within_s,
        )

    def create_notification(
        self,
        *,
        channel: Literal["email", "sms", "webhook"],
        to: str,
        template: str,
        variables: Mapping[str, object] | None = None,
        send_after: datetime | None = None,
        quiet_hours: QuietHours | None = None,
        test_clock: str | None = None,
        idempotency_key: str | None = None,
    ) -> Queued:
        """Send a notification, now or later."""
        body = present(
            channel=channel,
            to=to,
            template=template,
            variables=variables,
            send_after=send_after,
            quiet_hours=quiet_hours,
            test_clock=test_clock,
        )
        path = "/v1/notifications"
        return self._calls.send(Queued, "POST", path, body, key=_key(idempotency_key))

    def list_notifications(
        self, *, starting_after: str | None = None, ending_before: str | None = None
    ) -> Iterator[Notification]:
        """Yield notifications, newest first."""
        return self._calls.pages(
            Notification,
            "/v1/notifications",
            starting_after=starting_after,
            ending_before=ending_before,
        )

    def get_notification(self, notification_id: str) -> Notification:
        """Return a notification."""
        path = path_of(NOTIFICATION, notification_id=notification_id)
        return self._calls.get(Notification, path)

    def cancel_notification(self, notification_id: str) -> Notification:
        """Cancel what was not sent yet."""
        path = path_of(NOTIFICATION + "/cancel", notification_id=notification_id)
        return self._calls.send(Notification, "POST", path)

    def create_suppression(
        self, to: str, *, channel: Literal["email", "sms"] = "email"
    ) -> Suppression:
        """Send nothing more to a recipient."""
        body = present(to=to, channel=channel)
        return self._calls.send(Suppression, "POST", "/v1/suppressions", body)

    def list_suppressions(
        self, *, starting_after: str | None = None, ending_before: str | None = None
    ) -> Iterator[Suppression]:
        """Yield suppressions, newest first."""
        return self._calls.pages(
            Suppression,
            "/v1/suppressions",
            starting_after=starting_after,
            ending_before=ending_before,
        )

    def delete_suppression(self, suppression_id: str) -> Deleted:
        """Send to a recipient again."""
        path = path_of("/v1/suppressions/{suppression_id}", suppression_id=suppression_id)
        return self._calls.send(Deleted, "DELETE", path)

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

    def create_tenant(
        self,
        name: str,
        *,
        scopes: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> Tenant:
        """Make a tenant, whose clients may have these scopes, or all."""
        body = present(name=name, scopes=scopes)
        return self._calls.send(Tenant, "POST", "/v1/tenants", body, key=_key(idempotency_key))

    def list_tenants(
        self, *, starting_after: str | None = None, ending_before: str | None = None
    ) -> Iterator[Tenant]:
        """Yield the tenants, newest first."""
        return self._calls.pages(
            Tenant, "/v1/tenants", starting_after=starting_after, ending_before=ending_before
        )

    def get_tenant(self, tenant_id: str) -> Tenant:
        """Return a tenant."""
        return self._calls.get(Tenant, path_of(TENANT, tenant_id=tenant_id))

    def update_tenant(
        self,
        tenant_id: str,
        *,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        status: Literal["active", "disabled"] | None = None,
    ) -> Tenant:
        """Change what is given; clients of a disabled tenant get no tokens."""
        body = present(name=name, scopes=scopes, status=status)
        return self._calls.send(Tenant, "PATCH", path_of(TENANT, tenant_id=tenant_id), body)

    def create_client(
        self,
        name: str,
        scopes: Sequence[str],
        *,
        tenant: str | None = None,
        idempotency_key: str | None = None,
    ) -> OAuthClient:
        """Make a client; the first answer has the secret, which is not shown again."""
        body = present(name=name, scopes=scopes, tenant=tenant)
        return self._calls.send(OAuthClient, "POST", "/v1/clients", body, key=_key(idempotency_key))

    def list_clients(
        self,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        tenant: str | None = None,
    ) -> Iterator[OAuthClient]:
        """Yield a tenant's clients, newest first."""
        return self._calls.pages(
            OAuthClient,
            "/v1/clients",
            starting_after=starting_after,
            ending_before=ending_before,
            tenant=tenant,
        )

    def get_client(self, client_id: str) -> OAuthClient:
        """Return a client, without its secret."""
        return self._calls.get(OAuthClient, path_of(CLIENT, client_id=client_id))

    def update_client(
        self,
        client_id: str,
        *,
        name: str | None = None,
        scopes: Sequence[str] | None = None,
        status: Literal["active", "disabled"] | None = None,
    ) -> OAuthClient:
        """Change what is given; a disabled client gets no tokens."""
        body = present(name=name, scopes=scopes, status=status)
        return self._calls.send(OAuthClient, "PATCH", path_of(CLIENT, client_id=client_id), body)

    def rotate_client_secret(
        self, client_id: str, *, overlap_s: int = 86_400, idempotency_key: str | None = None
    ) -> OAuthClient:
        """Return the client with a new secret; the one until now holds for the overlap."""
        path = path_of(CLIENT + "/rotate-secret", client_id=client_id)
        body = present(overlap_s=overlap_s)
        return self._calls.send(OAuthClient, "POST", path, body, key=_key(idempotency_key))

    def list_requests(
        self,
        *,
        starting_after: str | None = None,
        status: str | None = None,
        method: Literal["DELETE", "GET", "PATCH", "POST", "PUT"] | None = None,
        path: str | None = None,
        client_id: str | None = None,
        created_gte: datetime | None = None,
        created_lt: datetime | None = None,
    ) -> Iterator[LoggedRequest]:
        """Yield requests, newest first; a status is 404 or 4xx, a path the beginning of one."""
        return self._calls.pages(
            LoggedRequest,
            "/v1/requests",
            starting_after=starting_after,
            status=status,
            method=method,
            path=path,
            client_id=client_id,
            created_gte=created_gte,
            created_lt=created_lt,
        )

    def list_changes(
        self,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        tenant: str | None = None,
        object_id: str | None = None,
        created_gte: datetime | None = None,
        created_lt: datetime | None = None,
    ) -> Iterator[Change]:
        """Yield who changed what of a tenant, newest first."""
        return self._calls.pages(
            Change,
            "/v1/audit-log",
            starting_after=starting_after,
            ending_before=ending_before,
            tenant=tenant,
            object_id=object_id,
            created_gte=created_gte,
            created_lt=created_lt,
        )


def _key(idempotency_key: str | None) -> str:
    return str(uuid.uuid4()) if idempotency_key is None else idempotency_key
