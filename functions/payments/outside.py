"""The world outside of payments: providers and queues, connected once a process."""

from backend import queues
from backend.announcer import Announcer
from backend.settings import settings
from payments import event_store
from payments.outboxes import Queues
from payments.providers import choice

providers = choice.connect(settings)
outgoing: Queues = {
    "payments": queues.connect(settings.payments_queue_url),
    "analytics": Announcer(
        queues.connect(settings.analytics_queue_url),
        queues.connect(settings.webhooks_queue_url),
        keep=event_store.keep,
    ),
    "notifications": queues.connect(settings.notifications_queue_url),
}
dead_letters = queues.connect(f"{settings.payments_queue_url}-dlq")  # as the template names it
