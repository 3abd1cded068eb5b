"""The load under Locust: `locust -f loadtest/locustfile.py --headless`, or its web page.

One user drives the whole schedule (driver.py); Locust's own user count and spawn rate do nothing.
Settings are variables of the environment (options.py) or flags of the same names; the exit code
is the verdict's.
"""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # Locust loads this file by path

import gevent
from locust import User, events, task
from locust.env import Environment
from locust.stats import CSV_STATS_INTERVAL_SEC

from loadtest import options
from loadtest.api import ApiError
from loadtest.monitor import say
from loadtest.run import LoadRun, summary
from loadtest.verdict import Exit

LOCUSTS_OWN = ("PROFILE", "TARGET")  # Locust has --profile and --host


def add_flags(parser: ArgumentParser, **_: object) -> None:
    """Offer our settings as flags of Locust, each with its variable."""
    for name, (default, meaning) in options.VARIABLES.items():
        if name not in LOCUSTS_OWN:
            flag = f"--{name.lower().replace('_', '-')}"
            extra: dict[str, Any] = {"env_var": name, "is_secret": name == "CLIENT"}
            parser.add_argument(flag, default=default, help=meaning, **extra)


events.init_command_line_parser.add_listener(add_flags)  # type: ignore[no-untyped-call]


class OpenWorkload(User):
    """Drives the schedule once, then ends the test."""

    fixed_count = 1
    host = os.environ.get("TARGET") or options.VARIABLES["TARGET"][0]
    run_now: LoadRun | None = None  # for who wants to stop it early

    @task
    def drive(self) -> None:
        self.environment.process_exit_code = Exit.FAILED  # until the verdict says otherwise
        try:
            settings = options.read(_variables(self.environment, self.host))
            OpenWorkload.run_now = LoadRun(settings, self.environment.events.request)
            outcome = OpenWorkload.run_now.execute()
        except (options.UsageError, ApiError) as error:
            say(f"load: {error}")
            self.environment.process_exit_code = Exit.USAGE
        else:
            say(summary(outcome))
            self.environment.process_exit_code = outcome.verdict.exit_code
        finally:  # also when it broke: Locust would otherwise begin again
            self._end()

    def _end(self) -> None:
        runner, parsed = self.environment.runner, self.environment.parsed_options
        if getattr(parsed, "csv_prefix", None):
            gevent.sleep(CSV_STATS_INTERVAL_SEC + 1)  # Locust closes its files without a last row
        if self.environment.web_ui is None:
            runner.quit()
        else:
            runner.stop()


def _variables(environment: Environment, host: str | None) -> dict[str, str]:
    chosen = dict(os.environ)
    parsed = environment.parsed_options
    for name in options.VARIABLES:
        given = getattr(parsed, name.lower(), None)
        if given is not None:
            chosen[name] = str(given)
    return chosen | {"TARGET": environment.host or host or ""}
