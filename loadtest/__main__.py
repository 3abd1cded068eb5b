"""`python -m loadtest`, the program behind `make load`: one run on Locust's runner, in-process."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import gevent
from locust import events
from locust.env import Environment

from loadtest import compare, history, options
from loadtest.api import Api, ApiError
from loadtest.conduct import Conduct
from loadtest.locustfile import OpenWorkload
from loadtest.verdict import Exit

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {"compare": compare.main, "history": history.main}
LOOK_S = 2.0  # how long an address may take to show that it is there

EPILOG = """`python -m loadtest compare A B` shows two kept reports side by side, and
`python -m loadtest history` all of them; both have a --help of their own. Exit codes: 0 passed,
1 failed, 2 it could not begin, 3 invalid (the run says nothing about the system: the generator or
the machine was the bottleneck)"""


def main(arguments: list[str] | None = None) -> int:
    """Run the load, or the command that stands first, and return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        return COMMANDS[words[0]](words[1:])
    chosen = _parse(arguments)
    variables = dict(os.environ) | chosen
    try:
        settings = options.read(variables)
    except options.UsageError as error:
        sys.stderr.write(f"load: {error}\n")
        return Exit.USAGE
    trouble = _trouble(settings)
    if trouble and not _start(settings.target, trouble):
        return Exit.USAGE
    os.environ.update(chosen)
    return _run(settings.target)


def _parse(arguments: list[str] | None) -> dict[str, str]:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest",
        description="Drive the load profile, audit what came of it, and judge.",
        epilog=EPILOG,
    )
    for name, (default, meaning) in options.VARIABLES.items():
        parser.add_argument(
            f"--{name.lower().replace('_', '-')}",
            help=f"{meaning} [{name}={default}]",
            metavar=name,
        )
    given = vars(parser.parse_args(arguments))
    return {name.upper(): value for name, value in given.items() if value is not None}


def _trouble(settings: options.Options) -> str:
    """Return why the target does not answer, or nothing where it does."""
    try:
        Api(settings.target, timeout_s=LOOK_S, ca_file=settings.ca_file).get("/health")
    except ApiError as error:
        return str(error)
    return ""


def _start(target: str, trouble: str) -> bool:
    if target != options.VARIABLES["TARGET"][0]:
        sys.stderr.write(f"load: {trouble}\n")
        sys.stderr.write(f"nothing answers GET {target}/health well; start it or set TARGET\n")
        return False
    sys.stderr.write("nothing answers on :5002; starting the system\n")
    return (
        subprocess.run([sys.executable, "-m", "local", "up"], cwd=ROOT, check=False).returncode == 0
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
