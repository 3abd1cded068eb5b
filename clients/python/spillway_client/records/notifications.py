"""The records of notifications, suppressions and webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One attempt to deliver a notification."""

    at: datetime
    result: Literal["deferred", "delivered", "refused", "suppressed", "unknown"]
    code: int | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """A notification, or the delivery of a webhook."""

    id: str
    status: Literal["canceled", "delivered", "failed", "queued", "sending", "suppressed"]
    channel: Literal["email", "sms", "webhook"]
    to: str
    template: str
    template_version: int
    subject: str
    created_at: datetime
    attempts: tuple[Attempt, ...]
    due_at: datetime | None = None
    failure: str | None = None
    payment_id: str | None = None
    body: str | None = None
    test_clock: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppression:
    """A recipient to whom nothing more is sent."""

    id: str
    channel: str
    to: str
    reason: Literal["bounce", "complaint", "manual", "unsubscribe"]
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class QuietHours:
    """The hours from `start` to `end` (such as 22:00 and 07:00) by the clocks of `zone`."""

    start: str
    end: str
    zone: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookEndpoint:
    """An endpoint of webhooks; `secret` is shown only when it was made or rotated."""

    id: str
    url: str
    events: tuple[str, ...] | None
    contact: str | None
    status: Literal["disabled", "enabled"]
    created_at: datetime
    disabled_because: str | None = None
    failing_since: datetime | None = None
    old_secret_until: datetime | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookEvent:
    """The event that a webhook tells; `sequence` numbers those of one payment."""

    id: str
    type: str
    timestamp: datetime
    data: Mapping[str, Any]
    sequence: int | None = None
