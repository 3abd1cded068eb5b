"""A typed client of Spillway's API."""

from spillway_client.client import Client
from spillway_client.errors import (
    ApiError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    InvalidWebhook,
    NotFound,
    ServerError,
    SpillwayError,
    Throttled,
    Unauthorized,
    UnexpectedAnswer,
)
from spillway_client.operations.fields import UNSET
from spillway_client.records import (
    Customer,
    Event,
    ListedEvent,
    Payment,
    QuietHours,
    Refund,
    SavedMethod,
    WebhookEvent,
)
from spillway_client.transport import Retries
from spillway_client.webhooks import verify_webhook

__all__ = [
    "UNSET",
    "ApiError",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Customer",
    "Event",
    "Forbidden",
    "InvalidRequest",
    "InvalidWebhook",
    "ListedEvent",
    "NotFound",
    "Payment",
    "QuietHours",
    "Refund",
    "Retries",
    "SavedMethod",
    "ServerError",
    "SpillwayError",
    "Throttled",
    "Unauthorized",
    "UnexpectedAnswer",
    "WebhookEvent",
    "verify_webhook",
]
