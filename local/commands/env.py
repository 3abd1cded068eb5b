"""The command `env`: the running system's settings as shell exports, for programs beside it."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable

from local.machine.running import running
from local.runtime.handler import import_folders
from local.spillway.keys import (
    demo_clients,
    private_key,
    unsubscribe_key,
    webhook_secret,
    webhook_secrets_key,
)
from local.template import Template


def show(options: argparse.Namespace) -> int:
    """Print one `export` a line; keys are among them, so the output is for a shell only."""
    last, template = running(options.state)
    keys = options.state / "keys"
    provided: dict[str, Callable[[], str]] = {
        "TOKEN_PRIVATE_KEY": lambda: private_key(keys),
        "PROVIDER_WEBHOOK_SECRET": lambda: webhook_secret(keys),
        "UNSUBSCRIBE_KEY": lambda: unsubscribe_key(keys),
        "WEBHOOK_SECRETS_KEY": lambda: webhook_secrets_key(keys),
        "WEBHOOKS_TO_LOOPBACK": lambda: "yes",
        "TEST_CLOCKS": lambda: "yes",
        "REPORTS_URL": lambda: (options.state / "data" / "reports").absolute().as_uri(),
        "OAUTH_CLIENTS": demo_clients,
    }
    settings = {
        **last.variables,
        "PYTHONPATH": os.pathsep.join(_code_folders(template)),
        **{name: make() for name, make in provided.items() if name in template.provides},
        # Chalice 1.34's reloader starts itself again from inside --project-dir, where a relative
        # one is no more; this tells it that it is that second process already.
        "CHALICE_WORKER": "true",
    }
    for name, value in settings.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0


def _code_folders(template: Template) -> list[str]:
    """Return where the functions' modules are, absolute: Chalice changes its folder."""
    folders = [
        str(folder)
        for function in template.functions.values()
        for folder in import_folders(function)
    ]
    return list(dict.fromkeys(folders))
