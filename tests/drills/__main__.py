"""Every drill by its name: `make drills`, or `python -m tests.drills F03 F06`.

Each has a system of its own, makes its fault really happen, and writes its row of docs/drills.md.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable

import psutil
import pytest
import redis

from tests.drills import (
    fairness,
    misbehaving,
    notifications,
    overload,
    payments,
    soak,
    surroundings,
    under_load,
    webhooks,
)
from tests.drills.outcome import Conditions, Drill, Missing, Outcome
from tests.drills.table import write

load, site = under_load.drill, payments.drill
DRILLS = {
    "F01": Drill("workers are killed", load(under_load.kill_workers, 0.0)),
    "F02": Drill("the gateway is killed", load(under_load.kill_gateway, 0.2, under_load.KILLS_S)),
    "F03": Drill("Valkey is restarted, and stands still", load(under_load.restart_valkey, 0.3)),
    "F04": Drill("Valkey is killed", load(under_load.kill_valkey, 0.2)),
    "F05": Drill("Valkey loses everything", load(under_load.empty_valkey, 0.2)),
    "F06": Drill("documents are killed, and stand still", load(under_load.stop_documents, 0.5)),
    "F07": Drill("the provider is slow", site(payments.slow_provider)),
    "F08": Drill("the provider's answers are lost", site(payments.lost_answers)),
    "F09": Drill("every message comes three times", site(payments.three_deliveries)),
    "F10": Drill("messages that nobody can handle", site(surroundings.poison)),
    "F11": Drill("Valkey is full", load(under_load.fill_valkey, 0.4)),
    "F12": Drill("clocks are wrong", site(surroundings.wrong_clocks, surroundings.with_faketime)),
    "F13": Drill("workers sleep past their visibility timeout", site(payments.zombies)),
    "F14": Drill("every process is restarted", load(under_load.restart_everything, 0.5)),
    "F15": Drill("twice the capacity", overload.drill(overload.twice_the_peak)),
    "F16": Drill("the gateway stands still", overload.drill(overload.stall)),
    "F17": Drill("clients that dribble", site(surroundings.slow_clients)),
    "F18": Drill("one key from 200 sides", site(payments.same_key)),
    "F19": Drill("the disk under Valkey is full", site(surroundings.full_disk, surroundings.tmpfs)),
    "F20": Drill(
        "stores' answers are cut off", site(surroundings.cut_answers, surroundings.relays)
    ),
    "F21": Drill("tokens of unknown keys", site(surroundings.unknown_keys)),
    "F22": Drill(
        "receivers of webhooks misbehave", site(webhooks.bad_receivers, webhooks.to_loopback)
    ),
    "F23": Drill("the power is cut", load(under_load.cut_the_power, 0.9)),
    "F24": Drill("a soak", soak.run),
    "F25": Drill("the 1k profile", under_load.profile_1k),
    "fairness": Drill("a greedy tenant beside a quiet one", fairness.run),
    "notifications": Drill("workers are killed while they send", notifications.run),
    "misbehaving": Drill("functions that misbehave", misbehaving.run),
}
DRILL_TIMEOUT_S = 3600  # the soak, its drain and its audit
END_TIMEOUT_S = 120
# What a system that is broken on purpose may raise in the drill that looks at it.
BREAKING = (
    *(AssertionError, OSError, subprocess.SubprocessError),
    *(psutil.Error, redis.RedisError, pytest.fail.Exception),
)
OF_THE_TABLE = [name for name in DRILLS if name.startswith("F")]


def main() -> int:
    """Run the drills that were named, or all of the table; return 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="DRILL", help=f"of {', '.join(DRILLS)}")
    for name, least in (("seed", 0), ("rate", 1), ("duration", 30)):
        default = os.environ.get(name.upper()) or None
        parser.add_argument(f"--{name}", type=at_least(least), default=default)
    options = parser.parse_args()
    if unknown := set(options.names) - DRILLS.keys():
        parser.error(f"no drill {', '.join(sorted(unknown))}; there are {', '.join(DRILLS)}")
    conditions = Conditions(
        seed=1 if options.seed is None else options.seed,
        rate_per_s=options.rate,
        duration_s=options.duration,
    )
    names = options.names or OF_THE_TABLE
    if len(names) == 1:
        return run_one(names[0], conditions)
    return run_all(names, [each for each in sys.argv[1:] if each not in names], conditions)


def at_least(least: int) -> Callable[[str], int]:
    """Return the reader of a whole number that is not below `least`."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return number


def run_all(names: list[str], arguments: list[str], conditions: Conditions) -> int:
    """Run these one after another, each in a process of its own that ends in time."""
    began_s, failed = time.monotonic(), []
    for number, name in enumerate(names, 1):
        sys.stdout.write(f"[{number} of {len(names)}] {name}: {DRILLS[name].sentence}\n")
        sys.stdout.flush()
        drill = subprocess.Popen([sys.executable, "-m", "tests.drills", name, *arguments])
        try:
            failed += [name] if drill.wait(DRILL_TIMEOUT_S) else []
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
            drill.send_signal(signal.SIGINT)  # it ends its system
            drill.wait(END_TIMEOUT_S)
            if isinstance(error, KeyboardInterrupt):
                raise
            outcome = Outcome.broken(f"not over after {DRILL_TIMEOUT_S / 60:.0f} min")
            sys.stdout.write(f"{write(name, DRILLS, outcome, conditions)}\n")
            failed.append(name)
    minutes = (time.monotonic() - began_s) / 60
    sys.stdout.write(
        f"{len(names) - len(failed)} of {len(names)} passed in {minutes:.0f} min"
        f"{'; failed: ' + ', '.join(failed) if failed else ''}\n"
    )
    return 1 if failed else 0


def run_one(name: str, conditions: Conditions) -> int:
    """Run a drill and write its row; return 1 where it failed."""
    try:
        outcome = DRILLS[name].run(conditions)
    except Missing as error:
        sys.stdout.write(f"{name}: {error}\n")
        return 1
    except BREAKING as error:
        traceback.print_exc()
        outcome = Outcome.broken(str(error))
    sys.stdout.write(f"{write(name, DRILLS, outcome, conditions)}\n")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
