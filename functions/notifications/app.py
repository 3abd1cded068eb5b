"""Notifications: accepted over HTTP, delivered by the worker, woken by the relay when due."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
from chalice.app import Response

from backend import queues
from backend.clock import now_ms
from backend.entrypoint import Call, Record, api, consumer, endpoint, reply, scheduled
from backend.settings import settings
from backend.telemetry import metrics_of, report
from notifications import delivery, holds, service, store, test_clocks, wakeups
from notifications.channels import email, sms
from notifications.channels.guarded import Guarded
from notifications.channels.protocol import Channel
from notifications.limits import Limits
from notifications.schema import (
    NotificationMessage,
    NotificationPage,
    NotificationQuery,
    NotificationRequest,
    Queued,
    view,
)
from notifications.suppressions import ses_feedback
from notifications.suppressions import store as suppression_store
from notifications.suppressions.routes import links
from notifications.suppressions.routes import routes as suppression_routes
from notifications.templates.routes import routes as template_routes
from notifications.webhooks.routes import routes as endpoint_routes

app = api("notifications")
app.register_blueprint(endpoint_routes)
app.register_blueprint(suppression_routes)
app.register_blueprint(template_routes)
metrics = metrics_of("notifications")
limits = Limits(
    settings.redis_url,
    tenant_per_s=settings.notifications_per_tenant_s,
    recipient_per_hour=settings.notifications_per_recipient_h,
)
queue = queues.connect(settings.notifications_queue_url)
queue_of = {
    "email": queue,
    "sms": queue,
    "webhook": queues.connect(settings.webhooks_queue_url),
}
channels: dict[str, Channel] = {
    "email": Guarded(email.sender(settings.smtp_url, mail_from=settings.mail_from), "mail server"),
    "sms": Guarded(sms.sender(settings.sms_url), "SMS gateway"),
}


@app.route("/v1/notifications", methods=["POST"])
@endpoint(app, "notifications:write")
def create_notification(call: Call) -> Response:
    """Accept a notification; a worker delivers it."""
    # A repeat is answered from the document. A replay cache in front, as payments have, was a
    # quarter of the CPU of this request, to spare the rare repeat a look-up.
    notification, replayed = service.accept(
        call.body(NotificationRequest),
        key=call.idempotency_key(),
        tenant=call.caller.tenant,
        notifications=store,
        queues=queue_of,
        link=links.url,
        now_ms=now_ms(),
    )
    metrics.count("NotificationsAccepted", 0 if replayed else 1)
    outcome = "answered again" if replayed else "accepted"
    report(f"notification {outcome}", notification_id=notification.id)
    headers = {"Location": f"/v1/notifications/{notification.id}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return reply(Queued(id=notification.id), status=202, headers=headers)


@app.route("/v1/notifications/{notification_id}", methods=["GET"])
@endpoint(app, "notifications:read")
def get_notification(call: Call, notification_id: str) -> Response:
    """Show a notification and the attempts to deliver it."""
    notification = service.find(notification_id, tenant=call.caller.tenant, notifications=store)
    return reply(view(notification))


@app.route("/v1/notifications", methods=["GET"])
@endpoint(app, "notifications:read")
def list_notifications(call: Call) -> Response:
    """List notifications, newest first."""
    page, has_more = service.newest(
        call.query(NotificationQuery), tenant=call.caller.tenant, notifications=store
    )
    return reply(NotificationPage(data=[view(each) for each in page], has_more=has_more))


@app.route("/v1/notifications/{notification_id}/cancel", methods=["POST"])
@endpoint(app, "notifications:write")
def cancel_notification(call: Call, notification_id: str) -> Response:
    """Cancel a notification that was not sent yet."""
    canceled = service.cancel(notification_id, tenant=call.caller.tenant, notifications=store)
    report("notification canceled", notification_id=notification_id)
    return reply(view(canceled))


@consumer("notifications", NotificationMessage, about=lambda body: (delivery.id_of(body),))
def worker(records: Sequence[Record]) -> Iterable[str]:
    """Deliver the notifications that these messages name or bring."""
    ids = {record.message_id: delivery.id_of(record.body) for record in records}
    unsent, changed = delivery.deliver(
        [record.body for record in records],
        notifications=store,
        channels=channels,
        queues=queue_of,
        holding=partial(holds.find, store=suppression_store, limits=limits),
        now_ms=now_ms(),
    )
    for status in ("delivered", "failed", "suppressed"):
        metrics.count(f"Notifications{status.title()}", sum(x.status == status for x in changed))
    delivery.report_all(changed)
    return {message_id: unsent[each] for message_id, each in ids.items() if each in unsent}


@scheduled("notifications")
def relay(event: object) -> None:
    """Send the messages of notifications that have waited long enough."""
    relayed = wakeups.relay(notifications=store, queues=queue_of, now_ms=now_ms())
    metrics.count("NotificationsRelayed", relayed)
    if settings.test_clocks:
        test_clocks.move_all(notifications=store, queues=queue_of, now_ms=now_ms)


@scheduled("notifications")
def feedback(event: dict[str, Any]) -> None:
    """Take what SES tells of mails that came back or were complained about (by way of SNS)."""
    for record in event["Records"]:
        feedback_of_mail = msgspec.json.decode(record["Sns"]["Message"], type=ses_feedback.Feedback)
        suppressed = ses_feedback.take(
            feedback_of_mail, notifications=store, suppressions=suppression_store, now_ms=now_ms()
        )
        metrics.count(f"Mail{feedback_of_mail.event_type}s", suppressed)
