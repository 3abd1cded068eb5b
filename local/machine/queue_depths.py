"""The depths of a template's queues, read where they are carried."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from local.machine.queue_carrier import carrier_of
from local.template import Queue as SqsQueue
from local.template import Template
from local.template.intrinsics import QUEUE_URL
from redis_sqs import Queue, QueueUnavailable
from redis_sqs.carrier import Carrier


class QueuesUnreadable(Exception):
    """The server that carries the queues does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """The messages of one queue by state."""

    name: str
    visible: int
    delayed: int
    in_flight: int
    retrying: int
    oldest_age_s: float
    dead_letter: str | None  # the name of its dead-letter queue

    @property
    def total(self) -> int:
        return self.visible + self.delayed + self.in_flight + self.retrying


def depths(template: Template, variables: Mapping[str, str]) -> list[QueueDepth]:
    """Count every queue of `template`; `variables` are the running system's store addresses.

    Raises QueuesUnreadable. Blocks for as long as the carrier takes, at most a second a queue.
    """
    return [depth_of(queue, variables) for queue in template.queues.values()]


def depth_of(queue: SqsQueue, variables: Mapping[str, str]) -> QueueDepth:
    """Count the messages of one queue; as `depths`."""
    try:
        depth = _connected(carrier_of(variables), queue.name).depth()
    except QueueUnavailable as error:
        raise QueuesUnreadable(f"the queue {queue.name} cannot be read: {error}") from error
    return QueueDepth(
        name=queue.name,
        visible=depth.visible,
        delayed=depth.delayed,
        in_flight=depth.in_flight,
        retrying=depth.retrying,
        oldest_age_s=depth.oldest_age_s,
        dead_letter=queue.dead_letter,
    )


@functools.cache
def _connected(carrier: Carrier, name: str) -> Queue:
    """Return a queue whose connections are kept: a load run asks for all of them each second."""
    return carrier.connect(f"{QUEUE_URL}{name}")
