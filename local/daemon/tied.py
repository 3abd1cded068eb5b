"""`python -m local.daemon.tied PID MODULE ...`: a program that is killed when process PID ends."""

import runpy
import signal
import sys

from local.daemon.parent_death import signal_on_parent_death


def main() -> None:
    """Tie this process to its parent, then run the module as `python -m` does."""
    pid, module, *arguments = sys.argv[1:]
    signal_on_parent_death(int(pid), signal.SIGKILL)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
