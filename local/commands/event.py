"""The command `event`: a sample event of each source of events."""

import argparse
import sys

from local.machine.plan import BadInput
from local.sample_events import EVENTS, text

ROW = "{:<22}{}"


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("name", nargs="?", help="a source (default: list them)")


def show(options: argparse.Namespace) -> int:
    """Print the event as JSON, or a line for each there is."""
    if options.name is None:
        sys.stdout.writelines(f"{ROW.format(name, what)}\n" for name, what in EVENTS.items())
        return 0
    if options.name not in EVENTS:
        raise BadInput(f"there is no event {options.name!r}; there are: {', '.join(EVENTS)}")
    sys.stdout.write(text(options.name))
    return 0
