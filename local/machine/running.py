"""The system that runs in a state directory, for commands that need one."""

from pathlib import Path

from local.daemon.arguments import PROGRAM
from local.machine import status
from local.machine.plan import BadInput
from local.machine.status import Status
from local.template import Template, load, service_values


def running(state: Path) -> tuple[Status, Template]:
    """Return the status and the template of the running system; raises BadInput without one."""
    last = status.read(state)
    if last is None or not status.supervisor_pid(state):
        raise BadInput(f"the system is not running; start it with `{PROGRAM} up`")
    template = load(
        last.template,
        dict(last.parameters),
        allow_unsupported=last.allow_unsupported,
        values=service_values.read(state),
    )
    return last, template
