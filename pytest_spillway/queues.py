"""A queue of the template, as a test looks at it."""

import json
from typing import Any

from local.template.intrinsics import QUEUE_URL
from redis_sqs import NO_ATTRIBUTES, Attributes
from redis_sqs.carrier import Carrier
from redis_sqs.peek import WaitingMessage


class Queue:
    """One queue, by its name."""

    def __init__(self, name: str, carrier: Carrier) -> None:
        self.name = name
        self._carrier = carrier
        self._queue = carrier.connect(f"{QUEUE_URL}{name}")

    @property
    def messages(self) -> list[WaitingMessage]:
        """The messages, also those delayed or in flight; nothing is received."""
        return list(self._carrier.peek(f"{QUEUE_URL}{self.name}"))

    def send(
        self,
        body: Any,
        *,
        delay_s: int | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        group: str = "",
        deduplication_id: str = "",
    ) -> str:
        """Send a text, or anything else as JSON; return the message's id."""
        return self._queue.send(
            body if isinstance(body, str) else json.dumps(body),
            delay_s=delay_s,
            attributes=attributes,
            group=group,
            deduplication_id=deduplication_id,
        )
