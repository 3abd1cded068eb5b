"""Our settings as flags of Locust, and the model that its command line asks for.

One rule: users where users are asked for, by `-u`, by naming user classes or by `--model users`;
else the profile's schedule, whatever its answers take.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from locust.env import Environment

from loadtest import options

LOCUSTS_OWN = ("PROFILE", "TARGET")  # Locust has --profile and --host
OPEN, USERS = "open", "users"
MODELS = """without -u the profile's schedule is sent, an open workload: each arrival when it is
due, whatever the answers take, then audit, verdict and report. -u N makes it N users, a closed
workload: each waits for its answer and asks once a second at most. --model users without -u takes
as many users as the profile has arrivals a second."""


def add_flags(parser: ArgumentParser, **_: object) -> None:
    """Offer our settings as flags of Locust, each with its variable."""
    parser.add_argument_group("The schedule or users", MODELS)
    shown: dict[str, Any] = {"env_var": "MODEL", "include_in_web_ui": False}
    parser.add_argument(
        "--model", choices=(OPEN, USERS), help="open without -u, users with it", **shown
    )
    for name, (default, meaning) in options.VARIABLES.items():
        if name not in LOCUSTS_OWN:
            flag = f"--{name.lower().replace('_', '-')}"
            extra: dict[str, Any] = {"env_var": name, "is_secret": name == "CLIENT"}
            parser.add_argument(flag, default=default, help=meaning, **extra)


def variables_of(environment: Environment) -> dict[str, str]:
    """Return the variables that the process's environment and Locust's flags stand for."""
    variables = dict(os.environ)
    for name in options.VARIABLES:
        value = getattr(environment.parsed_options, name.lower(), None)
        if name not in LOCUSTS_OWN and value is not None:
            variables[name] = str(value)
    target = environment.host or variables.get("TARGET") or options.VARIABLES["TARGET"][0]
    return variables | {"TARGET": target}


def model_of(parsed: Namespace, names: Sequence[str], schedule: str) -> str:
    """Return the model that these flags ask for; UsageError where they contradict each other.

    `names` are the user classes that the command line names, `schedule` the one of the schedule.
    """
    asks_for_users = bool(parsed.num_users) or any(name != schedule for name in names)
    asks_for_schedule = schedule in names or parsed.model == OPEN
    if asks_for_schedule and (asks_for_users or parsed.model == USERS):
        raise options.UsageError(
            "the schedule and users are both asked for; leave out -u, --model and user classes "
            f"for the schedule, or --model {OPEN} and {schedule} for users"
        )
    return USERS if asks_for_users or parsed.model == USERS else OPEN
