"""`local.host`, ended by the kernel when the worker that started it is gone, however it went.

Without it the environments of a killed worker would dial in at its successor.
"""

import sys

from local.host import main
from local.parent_death import signal_on_parent_death

if __name__ == "__main__":
    worker_pid, *arguments = sys.argv[1:]
    signal_on_parent_death(int(worker_pid))
    sys.exit(main(arguments))
