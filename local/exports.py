"""The command `env`: the running system's settings as shell exports, for programs beside it."""

import argparse
import shlex
import sys

from local import status
from local.plan import BadInput
from local.wiring import demo_clients, private_key


def show(options: argparse.Namespace) -> int:
    """Print one `export` a line; the token key is among them, so the output is for a shell only."""
    last = status.read(options.state)
    if last is None or not status.supervisor_pid(options.state):
        raise BadInput("the system is not running; start it with `python -m local up`")
    settings = {
        **last.variables,
        "TOKEN_PRIVATE_KEY": private_key(options.state),
        "OAUTH_CLIENTS": demo_clients(),
    }
    for name, value in settings.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0
