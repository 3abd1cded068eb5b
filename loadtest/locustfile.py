"""The load under Locust: `locust -f loadtest/locustfile.py --headless`, or its web page.

Without `-u` it is the profile's schedule (driver.py), in this process or shared by Locust's
workers; the exit code is the verdict's. `-u 1000 -r 50` makes it a thousand users (users.py).
`locust -f loadtest/locustfile.py --help` says the rest.
"""

import signal
import sys
from argparse import Namespace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # Locust loads this file by path

import gevent
from locust import User, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, Runner, WorkerRunner

from loadtest import options
from loadtest.recording.monitor import say
from loadtest.under_locust import fleet, worker
from loadtest.under_locust.conduct import Conduct, end_test
from loadtest.under_locust.locust_options import OPEN, add_flags, model_of, variables_of
from loadtest.under_locust.shapes import ProfileShape, ScheduleShape
from loadtest.under_locust.users import USERS, check_log_in
from loadtest.verdict import Exit

globals().update(USERS)  # Locust takes the users that it finds in this file


class OpenWorkload(User):
    """The one user of a generator process: it drives the schedule, or a worker's share of it."""

    host = options.VARIABLES["TARGET"][0]

    @task
    def drive(self) -> None:
        """Drive once; Locust ends the test, or the master does."""
        if isinstance(self.environment.runner, WorkerRunner):
            worker.take_part(self.environment.runner, self.environment.events.request)
        else:
            Conduct(self.environment).execute()
            if self.environment.shape_class is None:  # else its next tick ends the test
                end_test(self.environment)
        raise StopUser


def choose_model(environment: Environment, runner: Runner, **_: object) -> None:
    """Give Locust the user classes and the shape that its command line asks for."""
    if isinstance(runner, WorkerRunner):
        worker.listen(runner)
        return
    environment.host = variables_of(environment)["TARGET"]
    parsed = environment.parsed_options or Namespace()
    try:
        model = model_of(parsed, parsed.user_classes or [], OpenWorkload.__name__)
    except options.UsageError as error:
        say(f"load: {error}")
        sys.exit(Exit.USAGE)
    environment.user_classes = [
        each for each in environment.user_classes if (each is OpenWorkload) == (model == OPEN)
    ]
    shape = ScheduleShape() if model == OPEN else ProfileShape()  # type: ignore[no-untyped-call]
    shape.runner = runner
    environment.shape_class = None if parsed.num_users else shape
    if parsed.spawn_rate and not parsed.num_users:
        say("note: -r is without effect, because -u is not given")
    if environment.shape_class:  # Locust itself hears SIGTERM only when a headless shape has ended
        gevent.signal_handler(signal.SIGTERM, stop, environment)
    if isinstance(runner, MasterRunner):
        fleet.listen(runner, lambda: Conduct.current.fleet if Conduct.current else None)


def begin(environment: Environment, **_: object) -> None:
    """Begin the run that workers share, or see that users can log in."""
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        return
    if not isinstance(environment.shape_class, ScheduleShape):
        check_log_in(environment)
    elif isinstance(runner, MasterRunner):
        shared = fleet.Fleet(runner, variables_of(environment))
        gevent.spawn(Conduct(environment, shared).execute)


def stop(environment: Environment) -> None:
    """Have no more arrivals sent, so that the test ends with the report; end users at once."""
    if Conduct.current:
        Conduct.current.stop()
    else:
        end_test(environment)


def finish(**_: object) -> None:
    """Let a run that Locust ends early stop, and come to its report."""
    if Conduct.current:
        Conduct.current.finish()
    worker.finish()


events.init_command_line_parser.add_listener(add_flags)  # type: ignore[no-untyped-call]
events.init.add_listener(choose_model)  # type: ignore[no-untyped-call]
events.test_start.add_listener(begin)  # type: ignore[no-untyped-call]
events.test_stopping.add_listener(finish)  # type: ignore[no-untyped-call]
events.quitting.add_listener(finish)  # type: ignore[no-untyped-call]
