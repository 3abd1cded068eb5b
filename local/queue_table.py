"""The command `queues`: depth, age and dead letters of every queue of the template."""

import argparse
import sys

from local.depths import QueuesUnreadable, depths
from local.plan import BadInput
from local.running import running

HEAD = f"{'queue':<28}{'visible':>9}{'delayed':>9}{'in flight':>11}{'oldest':>10}"


def show(options: argparse.Namespace) -> int:
    """Print one line a queue, dead-letter queues among them."""
    last, template = running(options.state)
    try:
        found = depths(template, last.variables)
    except QueuesUnreadable as error:
        raise BadInput(str(error)) from error
    lines = [HEAD]
    lines += [
        f"{each.name:<28}{each.visible:>9}{each.delayed:>9}{each.in_flight:>11}"
        f"{each.oldest_age_s:>8.1f} s"
        for each in found
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
