"""The operations of notifications, suppressions and preferences."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from spillway_client.calls import Calls, members_of, path_of, present
from spillway_client.operations.fields import new_key
from spillway_client.records import (
    Deleted,
    Notification,
    NotificationStatus,
    Preference,
    Queued,
    QuietHours,
    Suppression,
)

NOTIFICATION = "/v1/notifications/{notification_id}"


class NotificationOperations:
    """The operations of notifications and suppressions."""

    _calls: Calls

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
        template_version: int | None = None,
        test: bool | None = None,
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
            template_version=template_version,
            test=test,
        )
        path = "/v1/notifications"
        return self._calls.send(Queued, "POST", path, body, key=new_key(idempotency_key))

    def list_notifications(
        self,
        *,
        status: NotificationStatus | None = None,
        channel: Literal["email", "sms", "webhook"] | None = None,
        template: str | None = None,
        category: str | None = None,
        to: str | None = None,
        created_gte: datetime | None = None,
        created_lt: datetime | None = None,
        starting_after: str | None = None,
        ending_before: str | None = None,
    ) -> Iterator[Notification]:
        """Yield notifications, newest first."""
        return self._calls.pages(
            Notification,
            "/v1/notifications",
            status=status,
            channel=channel,
            template=template,
            category=category,
            to=to,
            created_gte=created_gte,
            created_lt=created_lt,
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

    def put_preference(
        self,
        category: str,
        to: str,
        *,
        wanted: bool,
        channel: Literal["email", "sms"] = "email",
    ) -> Preference:
        """Set whether a recipient wants notifications of a category."""
        path = path_of("/v1/preferences/{category}", category=category)
        body = present(to=to, channel=channel, wanted=wanted)
        return self._calls.send(Preference, "PUT", path, body)

    def list_preferences(
        self, to: str, *, channel: Literal["email", "sms"] = "email"
    ) -> list[Preference]:
        """Return what a recipient wants, by category."""
        answer = self._calls.get(dict, "/v1/preferences", to=to, channel=channel)
        return members_of(Preference, answer)
