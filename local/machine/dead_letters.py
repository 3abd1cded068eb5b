"""The newest dead letters of a template's queues, looked at without being received."""

from collections import deque
from collections.abc import Mapping

from local.machine.queue_carrier import carrier_of
from local.machine.queue_depths import QueuesUnreadable
from local.template import Template
from local.template.intrinsics import QUEUE_URL
from redis_sqs import QueueUnavailable

SHOWN = 100  # of each queue
BODY_MAX = 4096  # characters: enough to tell whose message it is


def dead_letters(template: Template, variables: Mapping[str, str]) -> list[dict[str, str]]:
    """Return queue, id and the beginning of the body of each; raises QueuesUnreadable.

    SQS shows no message that is not received, so queues there have none.
    """
    carrier = carrier_of(variables)
    if carrier.kind == "sqs":
        return []
    listed = []
    for queue in template.queues.values():
        if queue.dead_letter is None:
            continue
        try:
            newest = deque(carrier.peek(f"{QUEUE_URL}{queue.dead_letter}"), maxlen=SHOWN)
        except QueueUnavailable as error:
            raise QueuesUnreadable(f"{queue.dead_letter} cannot be read: {error}") from error
        listed += [
            {"queue": queue.name, "id": letter.message_id, "body": letter.body[:BODY_MAX]}
            for letter in newest
        ]
    return listed
