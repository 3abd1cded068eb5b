"""The command `logs`: the last lines of one log or of all, and what is appended to them."""

import argparse
import sys
from itertools import chain

from local.daemon import arguments, logs
from local.daemon.arguments import PROGRAM
from local.machine.plan import BadInput

LINES_MAX = 1_000_000


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("name", nargs="?", help="a process, access or functions/NAME")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is appended")
    arguments.add_number(
        parser,
        *("-n", "--lines"),
        bounds=(0, LINES_MAX),
        default=10,
        what="lines of each log",
        unit="LINES",
    )


def show(options: argparse.Namespace) -> int:
    """Print the lines; those about each request or event only where their log is named."""
    folder = options.state / "logs"
    if not folder.is_dir():
        raise BadInput(f"there is no {folder}; `{PROGRAM} up` starts what writes logs")
    log_names = sorted(
        str(path.relative_to(folder))[: -len(".log")] for path in folder.rglob("*.log")
    )
    names = [options.name] if options.name else [name for name in log_names if name != "access"]
    if options.name and options.name not in log_names:
        sentence = f"there is no log {options.name!r}; a function's comes with its first event"
        raise BadInput(f"{sentence}; there are: {', '.join(log_names)}")
    paths = {logs.path_of(options.state, name): name for name in names}
    heads = {path: f"{name:<20} " if len(paths) > 1 else "" for path, name in paths.items()}
    appended = logs.follow(list(paths))
    written = ((path, line) for path in heads for line in logs.tail(path, options.lines))
    for path, line in chain(written, appended if options.follow else ()):
        if options.name or not logs.is_of_platform(line):
            sys.stdout.write(f"{heads[path]}{line}\n")
            sys.stdout.flush()
    return 0
