"""The objects of the API as frozen records, by the names of the OpenAPI document."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """The answer of an API that runs."""

    status: Literal["ok"] = "ok"


@dataclass(frozen=True, kw_only=True, slots=True)
class Readiness:
    """The answer of an API that says which of its dependencies answer."""

    status: Literal["ok", "unavailable"]
    dependencies: Mapping[str, Literal["ok", "unavailable"]]
    left_alone: tuple[str, ...]  # what some function asks nothing of for the moment


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An access token, and its life in seconds."""

    access_token: str = field(repr=False)
    expires_in: int
    scope: str
    token_type: Literal["Bearer"] = "Bearer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant:
    """A tenant, and the scopes that its clients may have."""

    id: str
    name: str
    scopes: tuple[str, ...]
    status: Literal["active", "disabled"]
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuthClient:
    """A client of a tenant; it has its secret only when that was made."""

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    status: Literal["active", "disabled"]
    created_at: datetime
    secret_created_at: datetime
    old_secret_until: datetime | None = None
    last_used_at: datetime | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """An entry of the audit log; of an update it has the fields that differ."""

    id: str
    created_at: datetime
    client_id: str | None
    request_id: str | None
    action: str
    object_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    outcome: Literal["done", "refused", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedRequest:
    """A request of the tenant; `unlogged` like it were left out just before it."""

    id: str
    created_at: datetime
    method: str
    route: str
    path: str
    status: int
    duration_ms: int
    request_id: str
    client_id: str
    code: str | None = None
    unlogged: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """The reason why a payment failed: the decline code, and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refund:
    """A refund; amounts are in the currency's minor unit."""

    id: str
    payment_id: str
    status: Literal["failed", "pending", "succeeded"]
    amount: int
    currency: str
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class NextAction:
    """The step that the customer has to take, as the provider's client library wants it."""

    type: str
    url: str | None = None
    client_secret: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentEvent:
    """One event of a payment, numbered without gaps."""

    id: str
    type: str
    sequence: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Customer:
    """A customer, whose saved payment methods stand in a list of their own."""

    id: str
    name: str | None
    email: str | None
    description: str | None
    metadata: Mapping[str, str]
    default_payment_method: str | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedMethod:
    """A payment method that a customer has saved: its token, and whether it is the default."""

    payment_method: str
    default: bool
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedEvent:
    """An event as webhooks tell it; `sequence` numbers those of one payment."""

    id: str
    type: str
    timestamp: datetime
    sequence: int
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """A payment; amounts are in the currency's minor unit."""

    id: str
    status: Literal[
        "canceled", "failed", "processing", "requires_action", "requires_capture", "succeeded"
    ]
    amount: int
    currency: str
    payment_method: str
    capture_method: str
    amount_captured: int
    amount_refunded: int
    description: str | None
    metadata: Mapping[str, str]
    receipt_email: str | None
    created_at: datetime
    test_clock: str | None = None
    failure: Failure | None = None
    amount_capturable: int
    customer: Customer | str | None
    off_session: bool
    next_action: NextAction | None = None
    refunds: tuple[Refund, ...]
    disputed: bool
    disputes: tuple[str, ...]
    events: tuple[PaymentEvent, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DisputeResponse:
    """The last answer to a dispute; `status` says whether the provider has taken it."""

    kind: Literal["acceptance", "evidence"]
    status: Literal["failed", "pending", "succeeded"]
    submitted_at: datetime
    evidence: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Dispute:
    """A dispute of a payment; amounts are in the currency's minor unit."""

    id: str
    payment_id: str
    status: Literal["lost", "needs_response", "under_review", "won"]
    amount: int
    fee: int
    currency: str
    reason: str
    evidence_due_by: datetime
    created_at: datetime
    response: DisputeResponse | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEntry:
    """One transfer of the ledger: the account it debits and the one it credits."""

    n: int
    transfer: str
    state: Literal["pending", "posted", "voided"]
    debit: str
    credit: str
    amount: int
    currency: str
    event_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """The double entries of one payment, oldest first."""

    payment_id: str
    data: tuple[LedgerEntry, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """One account in one currency; a debit counts positive."""

    account: str
    currency: str
    posted: int
    pending: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Balances:
    """All accounts of the tenant."""

    data: tuple[Balance, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One wrong field of a request."""

    param: str | None
    code: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """The reason why one event of a batch was not accepted."""

    index: int
    event_id: str | None
    code: str
    param: str | None
    errors: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """The answer to events: how many will be counted, and which will not."""

    accepted: int
    rejected: tuple[Rejection, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class EventName:
    """One name of events that the tenant has used."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One period of a metric, or one group of it."""

    at: datetime
    count: int
    sum: float
    min: float | None
    max: float | None
    uniques: int | None
    partial: bool
    group: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """The points of a metric, oldest first."""

    name: str
    granularity: Literal["day", "hour", "minute"]
    points: tuple[Point, ...]
    timezone: str | None = None
    group_by: str | None = None
    group_limit_reached: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CountedEvent:
    """An event as it was counted."""

    event_id: str
    name: str
    occurred_at: datetime
    user_id: str | None
    value: float | None
    properties: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class FunnelStep:
    """The users who came to a step; `share` is of those of the first."""

    name: str
    users: int
    share: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Funnel:
    """How far users went; a `partial` one is not over."""

    steps: tuple[FunnelStep, ...]
    within_s: int
    partial: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Queued:
    """The answer to what will be sent."""

    id: str
    status: Literal["queued"] = "queued"


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
class TestClock:
    """A clock of the simulator's, ready once all has happened that is due by its time."""

    __test__ = False  # pytest takes the name for a test's

    id: str
    status: Literal["advancing", "ready"]
    frozen_time: datetime
    created_at: datetime
    objects: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppression:
    """A recipient to whom nothing more is sent."""

    id: str
    channel: str
    to: str
    reason: Literal["bounce", "complaint", "manual", "unsubscribe"]
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Deleted:
    """The answer to a deletion."""

    id: str
    deleted: Literal[True] = True


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """An event to count; its id makes one that is sent twice count once."""

    name: str
    event_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    occurred_at: datetime | None = None
    sent_at: datetime | None = None
    user_id: str | None = None
    value: float | None = None
    properties: Mapping[str, str | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class QuietHours:
    """The hours from `start` to `end` (such as 22:00 and 07:00) by the clocks of `zone`."""

    start: str
    end: str
    zone: str
