"""A typed client of Spillway's API."""

from spillway_client.client import UNSET, Client
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
from spillway_client.records import Event, Payment, QuietHours, Refund, WebhookEvent
from spillway_client.transport import Retries
from spillway_client.webhooks import verify_webhook

__all__ = [
    "UNSET",
    "ApiError",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Event",
    "Forbidden",
    "InvalidRequest",
    "InvalidWebhook",
    "NotFound",
    "Payment",
    "QuietHours",
    "Refund",
    "Retries",
    "ServerError",
    "SpillwayError",
    "Throttled",
    "Unauthorized",
    "UnexpectedAnswer",
    "WebhookEvent",
    "verify_webhook",
]
