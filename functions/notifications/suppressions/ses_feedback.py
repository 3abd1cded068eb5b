"""The feedback of SES about a mail that it took: it bounced, or its recipient complained."""

from typing import Any, Protocol

from msgspec import Struct

from notifications.answers import Permanent
from notifications.schema import Attempt, Notification
from notifications.suppressions.service import Reason, Suppressions, suppress

TAG = "notification"  # of a mail: the notification's id


class Bounce(Struct, frozen=True, rename="camel"):
    """The reason why a mail came back; `Permanent` is for good, anything else may pass."""

    bounce_type: str


class TaggedMail(Struct, frozen=True, rename="camel"):
    """The mail that it is about."""

    tags: dict[str, list[str]] = {}


class Feedback(Struct, frozen=True, rename="camel"):
    """An event of SES, as far as it concerns us."""

    event_type: str
    mail: TaggedMail
    bounce: Bounce | None = None
    complaint: dict[str, Any] | None = None


class Notifications(Protocol):
    """The store of notifications; `notifications.store` says what each function guarantees."""

    def find_any(self, notification_id: str) -> Notification | None: ...

    def bounced(self, notification_id: str, attempt: Attempt) -> None: ...


def take(
    feedback: Feedback, *, notifications: Notifications, suppressions: Suppressions, now_ms: int
) -> int:
    """Suppress the recipient of a mail that bounced or was complained about; returns how many.

    What bounced has failed, although it had been delivered to all that SES knew then.
    """
    reason = _reason(feedback)
    ids = feedback.mail.tags.get(TAG, [])
    notification = notifications.find_any(ids[0]) if reason and ids else None
    if reason is None or notification is None:
        return 0
    suppress(
        tenant=notification.tenant,
        channel=notification.channel,
        to=notification.to,
        reason=reason,
        suppressions=suppressions,
        now_ms=now_ms,
    )
    if reason == "bounce":
        refused = Permanent(reason="It bounced.")
        notifications.bounced(notification.id, Attempt(at_ms=now_ms, outcome=refused))
    return 1


def _reason(feedback: Feedback) -> Reason | None:
    if feedback.bounce is not None and feedback.bounce.bounce_type == "Permanent":
        return "bounce"
    return "complaint" if feedback.complaint is not None else None
