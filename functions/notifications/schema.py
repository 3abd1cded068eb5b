"""The shapes at the boundary of notifications: requests, the stored notification, its views."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from backend.clock import rfc3339
from backend.errors import Fault
from backend.faults import caught
from backend.pages import PageQuery
from backend.shapes import Moment
from notifications import quiet_hours, recipients
from notifications.answers import Accepted, Answer, Permanent, RetryAfter, Suppressed
from notifications.quiet_hours import QuietHours
from notifications.recipients import Address
from notifications.rendered import Rendered
from notifications.templates import built_in
from notifications.templates.own import Category, VersionNumber

Channel = Literal["email", "webhook", "sms"]
Status = Literal["queued", "sending", "delivered", "failed", "suppressed", "canceled"]


class NotificationRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/notifications."""

    channel: Channel
    to: Address
    template: Annotated[str, Meta(max_length=64)]
    variables: Annotated[dict[str, Any], Meta(max_length=32)] = {}
    send_after: Moment | None = None
    quiet_hours: QuietHours | UnsetType = UNSET
    test_clock: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    template_version: VersionNumber | UnsetType = UNSET
    test: bool | UnsetType = UNSET

    @staticmethod
    def cross_check(fields: Mapping[str, Any]) -> Iterator[Fault]:
        """Return what is wrong with fields of which each is right by itself."""
        if "channel" in fields and "to" in fields:
            yield from caught(recipients.check, fields["channel"], fields["to"])
        if "template" in fields and "variables" in fields:
            yield from caught(built_in.check, fields["template"], fields["variables"])
        if fields.get("quiet_hours", UNSET) is not UNSET:
            yield from caught(quiet_hours.check, fields["quiet_hours"])


class Wish(Struct, frozen=True, kw_only=True):
    """A notification that another domain asks for; `key` makes asking again harmless."""

    tenant: str
    key: str
    channel: Channel
    to: str
    template: str
    variables: dict[str, Any]
    payment_id: str | UnsetType = UNSET  # of the payment that it is about


class NotificationMessage(Struct, frozen=True, kw_only=True):
    """The message that asks a worker to deliver: a stored notification, or one to be made first."""

    id: str | None = None
    request: Wish | None = None

    def __post_init__(self) -> None:
        if (self.id is None) == (self.request is None):
            raise ValueError("a message has either an id or a request")


class Attempt(Struct, frozen=True, kw_only=True):
    """One try; without an outcome it is under way, or was cut short."""

    at_ms: int
    outcome: Answer | None = None
    is_by_hand: bool | UnsetType = UNSET  # and no step of the schedule
    clock_ms: int | UnsetType = UNSET  # when it was, by the test clock


class Notification(Struct, frozen=True, kw_only=True):
    """One notification as it is stored, its mail rendered when it was accepted."""

    id: str = field(name="_id")
    tenant: str
    fingerprint: str  # of the request that made it
    created_ms: int
    channel: Channel
    to: str
    rendered: Rendered
    status: Status = "queued"
    # From when on a worker may claim it: an open one when it is due, one being sent when its worker
    # must be dead, a finished one never.
    claimable_at_ms: int = 0
    claim: str | None = None  # of the batch that sends it, or was the last to
    attempts: tuple[Attempt, ...] = ()
    quiet_hours: QuietHours | UnsetType = UNSET
    unsubscribe_url: str | UnsetType = UNSET  # of a subscription, which one can unsubscribe from
    has_turn: bool | UnsetType = UNSET  # given by the limits, which held it back until then
    wake_ms: int | UnsetType = UNSET  # when the relay sends its message, until it is finished
    log: str | UnsetType = UNSET  # orders an endpoint's deliveries; others are in no such list
    payment_id: str | UnsetType = UNSET  # of the payment that it is about
    trace: str | UnsetType = UNSET  # that it was made in, for the relay to carry on
    # Of one attempt by hand, from when on the schedule goes on should it fail: NEVER_MS where the
    # notification is over.
    resumes_at_ms: int | UnsetType = UNSET
    # Of one tied to a test clock: the time that it has come to by that clock, and when it is due by
    # it, until it is over. It is claimable only once the clock has come there.
    test_clock: str | UnsetType = UNSET
    clock_ms: int | UnsetType = UNSET
    clock_due_ms: int | UnsetType = UNSET
    # Of one by a tenant's own template: its category, and whether it only tries the template.
    category: str | UnsetType = UNSET
    test: Literal[True] | UnsetType = UNSET


class NotificationQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/notifications: a page of all, or of those with these values."""

    status: Status | None = None
    channel: Channel | None = None
    template: Annotated[str, Meta(max_length=100)] | None = None
    category: Category | None = None
    to: Address | None = None
    created_gte: Moment | None = None
    created_lt: Moment | None = None


class Queued(Struct, frozen=True, kw_only=True):
    """The answer to a notification that was accepted."""

    id: str
    status: Literal["queued"] = "queued"


class AttemptView(Struct, frozen=True, kw_only=True):
    """An attempt as clients see it."""

    at: str
    result: Literal["delivered", "refused", "deferred", "suppressed", "unknown"]
    code: int | None
    reason: str | None


class NotificationView(Struct, frozen=True, kw_only=True):
    """A notification as clients see it."""

    id: str
    status: Status
    channel: Channel
    to: str
    template: str
    template_version: int
    subject: str
    created_at: str
    attempts: list[AttemptView]
    due_at: str | UnsetType = UNSET  # not sent before, where it waits
    failure: str | UnsetType = UNSET  # why it failed or was suppressed
    payment_id: str | UnsetType = UNSET  # of a receipt, or a webhook about a payment
    body: str | UnsetType = UNSET  # of a webhook: the text that is posted and signed
    test_clock: str | UnsetType = UNSET  # by whose time it is due
    category: str | UnsetType = UNSET  # of the tenant's own template
    test: Literal[True] | UnsetType = UNSET  # sent to try the template


class NotificationPage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[NotificationView]
    has_more: bool


def view(notification: Notification) -> NotificationView:
    """Return what a client sees of `notification`."""
    attempts = [_attempt_view(each) for each in notification.attempts]
    is_lost = notification.status in ("failed", "suppressed")
    waits = notification.status == "queued" and notification.claimable_at_ms
    due_ms = notification.clock_due_ms or notification.claimable_at_ms
    is_webhook = notification.channel == "webhook"
    return NotificationView(
        id=notification.id,
        status=notification.status,
        channel=notification.channel,
        to=notification.to,
        template=notification.rendered.template,
        template_version=notification.rendered.version,
        subject=notification.rendered.subject,
        created_at=rfc3339(notification.created_ms),
        attempts=attempts,
        due_at=rfc3339(due_ms) if waits else UNSET,
        failure=attempts[-1].reason or UNSET if is_lost else UNSET,
        payment_id=notification.payment_id,
        body=notification.rendered.text if is_webhook else UNSET,
        test_clock=notification.test_clock,
        category=notification.category,
        test=notification.test,
    )


def _attempt_view(attempt: Attempt) -> AttemptView:
    at = rfc3339(attempt.clock_ms or attempt.at_ms)
    match attempt.outcome:
        case None:
            return AttemptView(at=at, result="unknown", code=None, reason=None)
        case Accepted(code=code, reference=reference):
            return AttemptView(at=at, result="delivered", code=code, reason=reference)
        case RetryAfter(code=code, reason=reason):
            return AttemptView(at=at, result="deferred", code=code, reason=reason)
        case Permanent(code=code, reason=reason):
            return AttemptView(at=at, result="refused", code=code, reason=reason)
        case Suppressed(reason=reason):
            return AttemptView(at=at, result="suppressed", code=None, reason=reason)
