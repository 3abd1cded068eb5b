"""The attributes of a template's queues, declared to senders on Redis."""

import time
from dataclasses import dataclass

from local.template import Template
from local.template.intrinsics import QUEUE_URL
from redis_sqs import QueueUnavailable
from redis_sqs.carrier import Carrier
from redis_sqs.redis_queue import Traits

EVERY_S = 60.0  # a Redis that was emptied knows again within it, as senders do


@dataclass(slots=True)
class QueueAttributes:
    """The attributes of all queues of a template, declared again and again."""

    template: Template
    carrier: Carrier
    due_s: float = 0.0  # monotonic

    def look_after(self) -> None:
        """Declare what is due; a Redis that is away is asked again at the next look."""
        if time.monotonic() < self.due_s:
            return
        try:
            self._declare_all()
        except QueueUnavailable:  # the pollers say so
            return
        self.due_s = time.monotonic() + EVERY_S

    def _declare_all(self) -> None:
        for queue in self.template.queues.values():
            traits = Traits(
                delay_s=queue.delay_s,
                message_bytes_max=queue.message_bytes_max,
                deduplicates_content=queue.deduplicates_content,
                deduplicates_by_group=queue.deduplicates_by_group,
            )
            self.carrier.declare(f"{QUEUE_URL}{queue.name}", traits)
