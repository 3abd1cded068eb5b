"""`python -m loadtest`, the program behind `make load`: one run on Locust's runner, in-process."""

import os
import signal
import sys

import gevent
from locust import events
from locust.env import Environment

from loadtest import options
from loadtest.capacity import command as capacity
from loadtest.locustfile import OpenWorkload
from loadtest.reporting import compare, history
from loadtest.start import start_local, trouble_of
from loadtest.under_locust.conduct import Conduct
from loadtest.verdict import Exit

COMMANDS = {"capacity": capacity.main, "compare": compare.main, "history": history.main}

EPILOG = """`python -m loadtest compare A B` shows two kept reports side by side,
`python -m loadtest history` all of them, and `python -m loadtest capacity` searches for the highest
rate that holds; each has a --help of its own. Exit codes: 0 passed, 1 failed, 2 it could not begin,
3 invalid (it says nothing about the system: generator or machine was the bottleneck)"""


def main(arguments: list[str] | None = None) -> int:
    """Run the load, or the command that stands first, and return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]](words[1:])
    chosen = _parse(words)
    variables = dict(os.environ) | chosen
    try:
        settings = options.read(variables)
    except options.UsageError as error:
        sys.stderr.write(f"load: {error}\n")
        return Exit.USAGE
    trouble = trouble_of(settings)
    if trouble and not start_local(settings.target, trouble):
        return Exit.USAGE
    os.environ.update(chosen)
    return _run(settings.target)


def _parse(arguments: list[str]) -> dict[str, str]:
    return options.parse(
        arguments,
        options.VARIABLES,
        prog="python -m loadtest",
        description="Drive the load profile, audit what came of it, and judge.",
        epilog=EPILOG,
    )


def _run(target: str) -> int:
    environment = Environment(user_classes=[OpenWorkload], events=events, host=target)
    runner = environment.create_local_runner()

    def stop_early() -> None:
        if Conduct.current is None:
            os._exit(Exit.FAILED)
        Conduct.current.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # a second signal ends it at once

    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stop_early)
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()
    return int(environment.process_exit_code or 0)


if __name__ == "__main__":
    sys.exit(main())
