"""The client: a method for each operation of the API, by the names of its OpenAPI document."""

import ssl
from types import TracebackType
from typing import Any

from spillway_client.calls import Calls
from spillway_client.operations.access import AccessOperations
from spillway_client.operations.analytics import AnalyticsOperations
from spillway_client.operations.customers import CustomerOperations
from spillway_client.operations.disputes import DisputeOperations
from spillway_client.operations.notifications import NotificationOperations
from spillway_client.operations.payments import PaymentOperations
from spillway_client.operations.reports import ReportOperations
from spillway_client.operations.templates import TemplateOperations
from spillway_client.operations.webhooks import WebhookOperations
from spillway_client.records import Health, Readiness, Token
from spillway_client.transport import Clock, Retries, Transport

TIMEOUT_S = 35.0  # API Gateway itself answers after 29 s
DEFAULT_RETRIES, SYSTEM_CLOCK = Retries(), Clock()


class Client(
    PaymentOperations,
    DisputeOperations,
    CustomerOperations,
    ReportOperations,
    AnalyticsOperations,
    NotificationOperations,
    TemplateOperations,
    WebhookOperations,
    AccessOperations,
):
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
