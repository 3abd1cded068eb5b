"""The messages about an object that are on a queue now, dead letters among them."""

from collections.abc import Iterator, Mapping, Set

from local.machine.queue_carrier import carrier_of
from local.spillway.story import Moment
from local.template import Template
from local.template.intrinsics import QUEUE_URL
from redis_sqs.peek import WaitingMessage


def read(template: Template, variables: Mapping[str, str], ids: Set[str]) -> Iterator[Moment]:
    """Yield a moment for each message that has one of `ids`; raises QueueUnavailable."""
    carrier = carrier_of(variables)
    dead = {queue.dead_letter for queue in template.queues.values()}
    for queue in template.queues.values():
        for message in carrier.peek(f"{QUEUE_URL}{queue.name}"):
            if message.message_id in ids or any(each in message.body for each in ids):
                yield Moment(
                    message.sent_at_ms, f"queue {queue.name}", _text(message, queue.name in dead)
                )


def _text(message: WaitingMessage, is_dead: bool) -> str:
    state = "a dead letter" if is_dead else message.state
    count = message.receive_count
    received = f"received {count}x" if count else "never received"
    reason = f": {message.reason}" if message.reason else ""
    return f"message {message.message_id} is {state}, {received}{reason}"
