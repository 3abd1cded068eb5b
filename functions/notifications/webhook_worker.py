"""The worker of the webhooks queue: it makes deliveries of events and attempts those due.

Apart from the other channels' worker, because strangers' servers may take ten seconds to answer.
"""

from collections.abc import Iterable, Sequence

from backend import queues
from backend.clock import now_ms
from backend.egress import Egress
from backend.entrypoint import Record, consumer
from backend.settings import settings
from backend.telemetry import metrics_of
from notifications import delivery, store
from notifications.channels.webhook import WebhookChannel
from notifications.schema import NotificationMessage
from notifications.webhooks import endpoint_store, events
from notifications.webhooks.events import WebhookMessage
from notifications.webhooks.lanes import Lanes
from notifications.webhooks.receivers import Receivers

CLAIM_MS = 40_000  # twice the function's time-out: who claimed that long ago was killed by it

metrics = metrics_of("notifications")
queue = queues.connect(settings.webhooks_queue_url)
receivers = Receivers()
channel = WebhookChannel(
    endpoint_store,
    Egress(loopback_allowed=settings.webhooks_to_loopback),
    notify=queues.connect(settings.notifications_queue_url).send,
    receivers=receivers,
)
lanes = Lanes(settings.redis_url, endpoint_store, receivers)


@consumer("notifications", WebhookMessage, about=events.objects_of)
def worker(records: Sequence[Record]) -> Iterable[str]:
    """Make the deliveries that events call for, and attempt those that these messages name."""
    events.fan_out(
        [record.body for record in records],
        endpoints=endpoint_store,
        deliveries=store,
        queue=queue,
        now_ms=now_ms(),
    )
    ids = {record.message_id: record.body.id for record in records if record.body.id}
    if not ids:
        return ()
    try:
        unsent, changed = delivery.deliver(
            [NotificationMessage(id=each) for each in set(ids.values())],
            notifications=store,
            channels={"webhook": channel},
            queues={"webhook": queue},
            holding=lanes.holds,
            now_ms=now_ms(),
            claim_ms=CLAIM_MS,
        )
    finally:
        lanes.leave()
    metrics.count("WebhooksDelivered", sum(each.status == "delivered" for each in changed))
    metrics.count("WebhooksFailed", sum(each.status == "failed" for each in changed))
    delivery.report_all(changed)
    return {message_id: unsent[each] for message_id, each in ids.items() if each in unsent}
