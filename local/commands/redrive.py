"""The command `redrive`: dead letters go back to where they came from, at a bounded rate."""

import argparse
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local.daemon import arguments
from local.daemon.wording import counted
from local.machine.plan import BadInput
from local.machine.queue_carrier import carrier_of
from local.machine.running import running
from local.sqs.move_tasks import RATE_MAX_PER_S, origins_of
from local.template import Template
from redis_sqs import QueueUnavailable
from redis_sqs.carrier import Carrier

if TYPE_CHECKING:
    from redis_sqs.moves import Moves

EXIT_INCOMPLETE = 1
ROW = "{:<28}{:<28}{:<11}{:>8}{:>9}{:>11}  {}"
HEAD = ROW.format("from", "to", "status", "rate/s", "moved", "of", "started (UTC)")


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("queue", nargs="?", help="a dead-letter queue")
    parser.add_argument(
        "--rate",
        type=arguments.number(1, RATE_MAX_PER_S),
        default=RATE_MAX_PER_S,
        metavar="NUMBER",
        help="messages a second (default: %(default)s, the most)",
    )
    parser.add_argument(
        "--to", metavar="QUEUE", help="another queue (default: where each message came from)"
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--cancel", action="store_true", help="stop the task that runs on the queue")
    other.add_argument("--list", action="store_true", help="each queue's last task")


def run(options: argparse.Namespace) -> int:
    """Move, cancel or list; exits 1 where not all was moved."""
    last, template = running(options.state)
    if last.variables.get("QUEUE_BACKEND", "redis") != "redis":
        raise BadInput("these queues are SQS's; use `aws sqs start-message-move-task`")
    carrier = carrier_of(last.variables)
    origins = origins_of(template)
    try:
        if options.list:
            return _list(carrier, origins)
        if options.queue not in origins:
            there_are = f"there are: {', '.join(sorted(origins)) or 'none'}"
            raise BadInput(
                f"name a dead-letter queue that a queue of the template has; {there_are}"
            )
        if options.cancel:
            return _cancel(carrier, options.queue)
        return _move(options, carrier.moves(options.queue, origins[options.queue]), template)
    except QueueUnavailable as error:
        raise BadInput(str(error)) from error


def _move(options: argparse.Namespace, moves: "Moves", template: Template) -> int:
    from redis_sqs.moves import COMPLETED, TaskRunning  # noqa: PLC0415  # half a start-up

    names = {queue.name for queue in template.queues.values()}
    if options.to is not None and options.to not in names - {options.queue}:
        raise BadInput(f"there is no other queue {options.to!r} to move messages to")
    if (options.to or options.queue).endswith(".fifo") != options.queue.endswith(".fifo"):
        raise BadInput("messages of a FIFO queue move to a FIFO queue, and no others do")
    try:
        task = moves.run(rate_per_s=options.rate, destination=options.to or "")
    except TaskRunning as error:
        raise BadInput(f"{error}; `--list` shows it and `--cancel` stops it") from error
    sys.stdout.write(f"{task.status.lower()}: {counted(task.moved, 'message')} moved\n")
    if task.failure:
        sys.stderr.write(f"{task.failure} (--to QUEUE)\n")
    return 0 if task.status == COMPLETED else EXIT_INCOMPLETE


def _cancel(carrier: Carrier, queue: str) -> int:
    if not carrier.moves(queue, []).cancel():
        raise BadInput(f"no task runs on {queue}")
    sys.stdout.write("canceled\n")
    return 0


def _list(carrier: Carrier, origins: Iterable[str]) -> int:
    lines = [HEAD]
    for queue in origins:
        if task := carrier.moves(queue, []).last():
            started = datetime.fromtimestamp(task.started_ms / 1000, UTC).strftime("%F %T")
            to = task.destination or "where it came from"
            counts = (task.rate_per_s, task.moved, task.to_move)
            lines.append(ROW.format(queue, to, task.status, *counts, f"{started} {task.failure}"))
    sys.stdout.write("\n".join(line.rstrip() for line in lines) + "\n")
    return 0
