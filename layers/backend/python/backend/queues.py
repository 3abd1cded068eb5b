"""The queues of this backend: `redis_sqs` with the carrier that the settings name."""

from backend.settings import settings
from redis_sqs import Depth, Message, Queue, QueueFull, QueueUnavailable
from redis_sqs.carrier import Carrier

__all__ = ["Depth", "Message", "Queue", "QueueFull", "QueueUnavailable", "connect"]

connect = Carrier(
    kind=settings.queue_backend,
    redis_url=settings.redis_url,
    region=settings.aws_region,
    depth_max=settings.queue_depth_max,
    disorder=settings.queue_disorder,
).connect
