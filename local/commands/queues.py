"""The command `queues`: the depth of every queue of the template, or the first messages of one."""

import argparse
import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from local.machine.plan import BadInput
from local.machine.queue_carrier import carrier_of
from local.machine.queue_depths import QueueDepth, QueuesUnreadable, depths
from local.machine.running import running
from local.template import Template
from local.template.intrinsics import QUEUE_URL
from redis_sqs import Message, QueueUnavailable
from redis_sqs.redis_queue import RedisQueue

SHOWN_MAX = 10
BODY_CHARS_MAX = 500

ROW = "{:<28}{:>9}{:>11}{:>9}{:>14}{:>12}{:>11}"
HEAD = ROW.format("queue", "visible", "in flight", "delayed", "dead letters", "oldest", "retrying")


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its argument."""
    parser.add_argument(
        "queue",
        nargs="?",
        help=f"show the first {SHOWN_MAX} messages of this one; none is received",
    )


def show(options: argparse.Namespace) -> int:
    """Print one line a queue, dead-letter queues among them, or the messages of one."""
    last, template = running(options.state)
    if options.queue is not None:
        return _show_messages(options.queue, template, last.variables)
    try:
        found = depths(template, last.variables)
    except QueuesUnreadable as error:
        raise BadInput(str(error)) from error
    totals = {each.name: each.total for each in found}
    lines = [HEAD, *(_line(each, totals) for each in found)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _show_messages(name: str, template: Template, variables: Mapping[str, str]) -> int:
    names = sorted(each.name for each in template.queues.values())
    if name not in names:
        raise BadInput(f"there is no queue {name!r}; there are: {', '.join(names) or '-'}")
    queue = carrier_of(variables).connect(f"{QUEUE_URL}{name}")
    if not isinstance(queue, RedisQueue):
        raise BadInput("these queues are SQS's; use `aws sqs receive-message`")
    try:
        messages = queue.peek(SHOWN_MAX)
    except QueueUnavailable as error:
        raise BadInput(str(error)) from error
    sys.stdout.write("".join(map(_paragraph, messages)) or f"{name} holds no message\n")
    return 0


def _paragraph(message: Message) -> str:
    sent = datetime.fromtimestamp(message.sent_at_ms / 1000, UTC)
    reason = message.system.get("DeadLetterReason") or message.system.get("FailureReason", "")
    body = message.body[:BODY_CHARS_MAX]
    cut = "..." if len(message.body) > BODY_CHARS_MAX else ""
    head = f"{message.message_id}  sent {sent:%Y-%m-%dT%H:%M:%SZ}, received {message.receive_count}"
    return "\n  ".join(filter(None, (head, reason, f"{body}{cut}"))) + "\n"


def _line(queue: QueueDepth, totals: dict[str, int]) -> str:
    dead_letters = "-" if queue.dead_letter is None else totals[queue.dead_letter]
    age_s = queue.oldest_age_s
    oldest = "-" if math.isnan(age_s) or not queue.total else f"{age_s:.1f} s"
    counts = (queue.visible, queue.in_flight, queue.delayed)
    return ROW.format(queue.name, *counts, dead_letters, oldest, queue.retrying)
