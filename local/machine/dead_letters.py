"""The newest dead letters of a template's queues, looked at without being received."""

from collections.abc import Mapping

from local.machine.queue_carrier import carrier_of
from local.machine.queue_depths import QueuesUnreadable
from local.template import Template
from local.template.intrinsics import QUEUE_URL
from redis_sqs import QueueUnavailable
from redis_sqs.redis_queue import RedisQueue

SHOWN = 100  # of each queue
BODY_MAX = 4096  # characters: enough to tell whose message it is


def dead_letters(template: Template, variables: Mapping[str, str]) -> list[dict[str, str]]:
    """Return queue, id and the beginning of the body of each, the newest of a queue first.

    SQS shows no message without receiving it, so queues there have none. Raises QueuesUnreadable.
    """
    carrier = carrier_of(variables)
    listed = []
    for queue in template.queues.values():
        if queue.dead_letter is None:
            continue
        behind = carrier.connect(f"{QUEUE_URL}{queue.dead_letter}")
        if not isinstance(behind, RedisQueue):
            return []
        try:
            bodies = behind.peek(SHOWN)
        except QueueUnavailable as error:
            raise QueuesUnreadable(f"{queue.dead_letter} cannot be read: {error}") from error
        listed += [
            {"queue": queue.name, "id": id_, "body": body[:BODY_MAX]}
            for id_, body in bodies.items()
        ]
    return listed
