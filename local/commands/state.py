"""The command `state`: the data of the system, saved under a name, loaded again, or reset."""

import argparse
import os
import sys
from pathlib import Path

from local.daemon.arguments import PROGRAM
from local.machine import saved_states, status
from local.machine.plan import BadInput
from local.machine.status import AlreadyRunning

FOREIGN = ("REDIS_URL", "REDIS_URL_FILE", "MONGO_URL")
NAMED = ("save", "load", "delete")
UNNAMED = {"list": "it shows all that was saved", "reset": "it deletes the data, nothing saved"}
DONE = {
    "save": f"saved as {{0}}; `{PROGRAM} state load {{0}}` puts it back",
    "load": "the data is now that of {}",
    "delete": "deleted {}",
    "reset": "the data is deleted; what was saved is kept",
}
ROW = "{:<24}{:<28}{:>12}  {}"
MB = 1_000_000


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("way", choices=[*NAMED, *UNNAMED], help="what to do")
    parser.add_argument("name", nargs="?", help=f"of the state, for {', '.join(NAMED)}")


def run(options: argparse.Namespace) -> int:
    """Do it while nothing runs. What is loaded is whole, or nothing has changed."""
    state: Path = options.state
    if options.way in NAMED and options.name is None:
        raise BadInput(f"`state {options.way}` needs a name")
    if options.way in UNNAMED and options.name is not None:
        raise BadInput(f"`state {options.way}` takes no name: {UNNAMED[options.way]}")
    try:
        if options.way == "list":
            return _list(state)
        with status.lock(state):
            saved_states.finish(state)
            _do(options, state)
            sys.stdout.write(f"{DONE[options.way].format(options.name)}\n")
    except AlreadyRunning as error:
        sentence = "its data changes while it runs; stop it with"
        raise BadInput(f"{error}: {sentence} `{PROGRAM} down` first") from error
    except saved_states.Refused as error:
        raise BadInput(str(error)) from error
    return 0


def _do(options: argparse.Namespace, state: Path) -> None:
    last = status.read(state)
    template = last.template if last else ""
    if options.way == "delete":
        saved_states.delete(state, options.name)
        return
    for name in FOREIGN:
        if name in os.environ:
            sentence = "names a server of your own, whose data is no part of this"
            sys.stderr.write(f"{name} in your shell {sentence}\n")
    if options.way == "save":
        saved_states.save(state, options.name, template)
    elif options.way == "load":
        saved_states.load(state, options.name)
    else:
        saved_states.reset(state)


def _list(state: Path) -> int:
    saved = list(saved_states.listed(state))
    if not saved:
        sys.stdout.write(f"nothing is saved; `{PROGRAM} state save NAME` saves the data\n")
    for each in saved:
        size = f"{each.size_bytes / MB:.1f} MB"
        sys.stdout.write(ROW.format(each.name, each.at, size, each.template).rstrip() + "\n")
    return 0
