"""Ministack with a clock of its queues that tests may put forward; its own Python runs this."""

import os
import time
from pathlib import Path

from ministack.app import main
from ministack.services import sqs

AHEAD = Path(os.environ["QUEUE_CLOCK"])  # holds the seconds that the queues are ahead


class Clock:
    """The stand-in for the module `time` that the queues ask; they ask it for nothing else."""

    @staticmethod
    def time() -> float:
        return time.time() + float(AHEAD.read_text())


sqs.time = Clock
main()
