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


NotificationStatus = Literal["canceled", "delivered", "failed", "queued", "sending", "suppressed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """A notification, or the delivery of a webhook."""

    id: str
    status: NotificationStatus
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
    category: str | None = None
    test: Literal[True] | None = None


SuppressionReason = Literal["bounce", "complaint", "manual", "preference", "unsubscribe"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppression:
    """A recipient to whom nothing more is sent."""

    id: str
    channel: str
    to: str
    reason: SuppressionReason
    created_at: datetime
    category: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """What a recipient wants of a category; `reason` is why it is not wanted."""

    category: str
    channel: Literal["email", "sms"]
    to: str
    wanted: bool
    reason: SuppressionReason | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TemplateSummary:
    """A version of a template as lists show it."""

    name: str
    version: int
    category: str
    critical: bool
    created_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Template(TemplateSummary):
    """A version of a template."""

    subject: str
    text: str
    html: str
    variables: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderedTemplate:
    """A template filled in."""

    template: str
    version: int
    subject: str
    text: str
    html: str


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
