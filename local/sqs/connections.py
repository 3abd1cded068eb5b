"""Connections to the queues: each thread has its own."""

import threading
from typing import Any

from local.template import Queue
from redis_sqs.carrier import Carrier
from redis_sqs.redis_queue import RedisQueue, Traits

INSTANCES_MAX = 64  # of a thread: queues, times the visibility timeouts that receivers ask for


class Connections:
    """Connections to Redis whatever QUEUE_BACKEND says: with sqs that could be this API itself."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._mine = threading.local()

    def to(self, queue: Queue, visibility_timeout_s: int | None = None) -> Any:
        """Return this thread's connection; it hides messages as long as the queue says, or so."""
        clients: dict[tuple[str, int], Any] = self._mine.__dict__.setdefault("clients", {})
        if visibility_timeout_s is None:
            visibility_timeout_s = queue.visibility_timeout_s
        key = (queue.name, visibility_timeout_s)
        if key not in clients:
            if len(clients) >= INSTANCES_MAX:
                clients.clear()
            clients[key] = self._connect(queue, visibility_timeout_s)
        return clients[key]

    def _connect(self, queue: Queue, visibility_timeout_s: int) -> Any:
        connected = RedisQueue(
            queue.name,
            visibility_timeout_s=visibility_timeout_s,
            max_receive_count=queue.max_receive_count or 0,  # without a dead-letter queue no limit
            dead_letter=queue.dead_letter,
            retention_s=queue.retention_s,
            depth_max=self._carrier.depth_max,
            disorder=self._carrier.disorder,
            redis_url=self._carrier.redis_url,
            region=self._carrier.region,
        )
        # A queue without a mapping has no worker that declares it.
        connected.declare(
            Traits(
                delay_s=queue.delay_s,
                message_bytes_max=queue.message_bytes_max,
                deduplicates_content=queue.deduplicates_content,
                deduplicates_by_group=queue.deduplicates_by_group,
            )
        )
        return connected
