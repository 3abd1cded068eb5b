"""The command `queues`: depth, age and dead letters of every queue of the template."""

import argparse
import os
import sys

from local import status
from local.plan import BadInput
from local.template import load
from local.wiring import BACKEND_LAYER

HEAD = f"{'queue':<28}{'visible':>9}{'delayed':>9}{'in flight':>11}{'oldest':>10}"


def show(options: argparse.Namespace) -> int:
    """Print one line a queue, dead-letter queues among them."""
    last = status.read(options.state)
    if last is None or not status.supervisor_pid(options.state):
        raise BadInput("the system is not running; start it with `python -m local up`")
    # Settings are read when they are imported, so the running system's go first.
    os.environ.update(last.variables)
    sys.path.insert(0, str(BACKEND_LAYER))
    from backend import queues  # noqa: PLC0415
    from backend.errors import Unavailable  # noqa: PLC0415

    template = load(last.template)
    lines = [HEAD]
    for queue in template.queues.values():
        try:
            depth = queues.connect(f"http://sqs.local/000000000000/{queue.name}").depth()
        except Unavailable as error:
            raise BadInput(f"the queue {queue.name} cannot be read: {error}") from error
        lines.append(
            f"{queue.name:<28}{depth.visible:>9}{depth.delayed:>9}{depth.in_flight:>11}"
            f"{depth.oldest_age_s:>8.1f} s"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
