"""The command `queues`: depth, dead letters and age of every queue of the template."""

import argparse
import math
import sys

from local.machine.plan import BadInput
from local.machine.queue_depths import QueueDepth, QueuesUnreadable, depths
from local.machine.running import running

ROW = "{:<28}{:>9}{:>11}{:>10}{:>9}{:>14}{:>12}"
HEAD = ROW.format("queue", "visible", "in flight", "retrying", "delayed", "dead letters", "oldest")


def show(options: argparse.Namespace) -> int:
    """Print one line a queue, dead-letter queues among them."""
    last, template = running(options.state)
    try:
        found = depths(template, last.variables)
    except QueuesUnreadable as error:
        raise BadInput(str(error)) from error
    totals = {each.name: each.total for each in found}
    lines = [HEAD, *(_line(each, totals) for each in found)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _line(queue: QueueDepth, totals: dict[str, int]) -> str:
    dead_letters = "-" if queue.dead_letter is None else totals[queue.dead_letter]
    age_s = queue.oldest_age_s
    oldest = "-" if math.isnan(age_s) or not queue.total else f"{age_s:.1f} s"
    counts = (queue.visible, queue.in_flight, queue.retrying, queue.delayed)
    return ROW.format(queue.name, *counts, dead_letters, oldest)
