"""The command `queues`: every queue of the template, or the messages of one."""

import argparse
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from local.daemon import arguments
from local.daemon.logs import printable
from local.machine.plan import BadInput
from local.machine.queue_carrier import carrier_of
from local.machine.queue_depths import QueueDepth, QueuesUnreadable, depths
from local.machine.running import running
from local.template.intrinsics import QUEUE_URL
from redis_sqs import QueueUnavailable
from redis_sqs.peek import WaitingMessage

ROW = "{:<28}{:>9}{:>11}{:>9}{:>14}{:>12}{:>11}"
HEAD = ROW.format("queue", "visible", "in flight", "delayed", "dead letters", "oldest", "retrying")
MESSAGES_MAX = 1_000
BODY_MAX = 1_000  # characters shown of a body


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument(
        "name",
        nargs="?",
        help="a queue, whose messages are shown and not received (default: a line for each queue)",
    )
    arguments.add_number(
        parser,
        *("-n", "--messages"),
        bounds=(1, MESSAGES_MAX),
        default=20,
        what="how many messages of the queue to show",
        unit="MESSAGES",
    )


def show(options: argparse.Namespace) -> int:
    """Print one line a queue, dead-letter queues among them, or the messages of one queue."""
    last, template = running(options.state)
    names = {queue.name for queue in template.queues.values()}
    if options.name and options.name not in names:
        raise BadInput(f"there is no queue {options.name}; there are: {', '.join(sorted(names))}")
    try:
        if options.name:
            messages = carrier_of(last.variables).peek(f"{QUEUE_URL}{options.name}")
            lines = _messages(options.name, messages, options.messages)
        else:
            queues = depths(template, last.variables)
            totals = {each.name: each.total for each in queues}
            lines = iter([HEAD, *(_line(each, totals) for each in queues)])
        sys.stdout.writelines(f"{line}\n" for line in lines)
    except (QueuesUnreadable, QueueUnavailable) as error:
        raise BadInput(str(error)) from error
    return 0


def _line(queue: QueueDepth, totals: dict[str, int]) -> str:
    dead_letters = "-" if queue.dead_letter is None else totals[queue.dead_letter]
    age_s = queue.oldest_age_s
    oldest = "-" if math.isnan(age_s) or not queue.total else f"{age_s:.1f} s"
    counts = (queue.visible, queue.in_flight, queue.delayed)
    return ROW.format(queue.name, *counts, dead_letters, oldest, queue.retrying)


def _messages(queue: str, messages: Iterator[WaitingMessage], most: int) -> Iterator[str]:
    count = 0
    for message in islice(messages, most):
        count += 1
        yield f"{message.message_id}  {message.state}, {_received(message)}"
        yield f"  sent {_time(message.sent_at_ms)}, visible from {_time(message.visible_at_ms)}"
        if message.reason:
            yield f"  {printable(message.reason)}"
        for name, value in message.attributes.items():
            yield f"  attribute {name}: {printable(str(value))}"
        yield f"  {printable(message.body[:BODY_MAX])}{'...' if message.body[BODY_MAX:] else ''}"
    if next(messages, None) is not None:
        yield f"there are more than these {most:,}; -n shows up to {MESSAGES_MAX:,}"
    elif not count:
        yield f"queue {queue} is empty"


def _received(message: WaitingMessage) -> str:
    return "never received" if not message.receive_count else f"received {message.receive_count}x"


def _time(epoch_ms: int) -> str:
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{epoch_ms % 1000:03}Z"
