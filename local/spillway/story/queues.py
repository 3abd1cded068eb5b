"""The messages about an object that are on a queue now, dead letters among them."""

from collections.abc import Mapping, Set

from local.machine.queue_carrier import carrier_of
from local.spillway.story import Moment, Part
from local.template import Template
from local.template.intrinsics import QUEUE_URL
from redis_sqs.peek import WaitingMessage


def read(template: Template, variables: Mapping[str, str], ids: Set[str]) -> Part:
    """Return a moment for each message that has one of `ids`; raises QueueUnavailable.

    The ids are those of messages that were moved out of a dead-letter queue, before and after.
    """
    moments: list[Moment] = []
    moved: set[str] = set()
    carrier = carrier_of(variables)
    dead = {queue.dead_letter for queue in template.queues.values()}
    for queue in template.queues.values():
        for message in carrier.peek(f"{QUEUE_URL}{queue.name}"):
            own = {message.message_id, message.moved_from}
            if own & ids or any(each in message.body for each in ids):
                text = _text(message, queue.name in dead)
                moments.append(Moment(message.sent_at_ms, f"queue {queue.name}", text, "queue"))
                moved |= own if message.moved_from else set()
    return Part(tuple(moments), frozenset(moved))


def _text(message: WaitingMessage, is_dead: bool) -> str:
    state = "a dead letter" if is_dead else message.state
    count = message.receive_count
    received = f"received {count}x" if count else "never received"
    reason = f": {message.reason}" if message.reason else ""
    moved = f", moved from where it was {message.moved_from}" if message.moved_from else ""
    return f"message {message.message_id} is {state}, {received}{reason}{moved}"
