"""The commands of `python -m local`, or `spillway`, and what all of them refuse alike."""

import argparse
import errno
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from local.commands import (
    clean,
    env,
    event,
    explain,
    invoke,
    logs,
    queues,
    redrive,
    send,
    state,
    status,
    trace,
)
from local.commands.up import add as add_up
from local.commands.up import down, up
from local.daemon import arguments
from local.daemon.arguments import PROGRAM
from local.machine.plan import BadInput
from local.spillway import mailbox, reconcile, recount
from local.spillway.extension import EXTENSION
from local.spillway.new_domain import command as new_domain
from local.spillway.story import command as story

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
# What the user can do something about, where the state directory is.
OF_DIRECTORY = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}


def main() -> int:
    """Run the command that the arguments name; return its exit code."""
    options = _parser().parse_args()
    try:
        options.state = _state(options)
        code: int = options.command(options)
    except BadInput as error:
        return _refuse(str(error))
    except psutil.AccessDenied as error:
        return _refuse(f"process {error.pid} is another user's; only they can stop {options.state}")
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader, such as `head`, has seen enough
        return 0
    except OSError as error:
        if error.errno not in OF_DIRECTORY:
            raise
        return _refuse(
            f"{error.filename or options.state} cannot be used ({error.strerror});"
            " choose a directory of your own with --state"
        )
    return code


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return EXIT_USAGE


def _state(options: argparse.Namespace) -> Path:
    """Return the state directory; raises BadInput outside of any project."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise BadInput("the folder of this shell is gone; change to one that is there") from None
    if options.state:
        if options.state.is_file():
            raise BadInput(f"{options.state} is no folder; choose another with --state")
        return Path(options.state).resolve()
    template: Path = options.template
    state = template.parent / ".local"
    if options.needs_project and not template.exists() and not state.is_dir():
        raise BadInput(
            f"{template.parent.resolve()} has no {template.name}, and nothing was started there;"
            f" use `{PROGRAM}` in a project's folder, or give --state"
        )
    return state.resolve()


def _no_options(_parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command needs no options of its own."""


@dataclass(frozen=True, slots=True)
class Command:
    """A word after `python -m local`, or `spillway`."""

    name: str
    run: Callable[[argparse.Namespace], int]
    sentence: str
    examples: tuple[str, ...]
    add_options: Callable[[argparse.ArgumentParser], None] = _no_options
    is_of_backend: bool = False  # and of no use in other projects
    # Where the state is beside it; unneeded where there may be neither.
    template: Literal["read", "located", "none", "unneeded"] = "located"

    @property
    def needs_project(self) -> bool:
        return self.template not in ("read", "unneeded")


COMMANDS = (
    Command(
        "up",
        up,
        "start the system in the background and wait until it is ready",
        (
            f"{PROGRAM} up",
            f"{PROGRAM} up --template mine.yaml --port 5102",
            f"WORKER_0_PORT=9200 {PROGRAM} up   # metrics of the first of five workers",
        ),
        add_up,
        template="read",
    ),
    Command(
        "down",
        down,
        "stop everything that `up` started, and nothing else",
        (f"{PROGRAM} down",),
    ),
    Command(
        "status",
        status.show,
        "one line a process; exits 0 when all run, 1 when not, 3 when the system is down",
        (f"{PROGRAM} status",),
    ),
    Command(
        "explain",
        explain.show,
        "what was understood of a template, and what differs from AWS",
        (f"{PROGRAM} explain", f"{PROGRAM} explain --template mine.yaml --json"),
        explain.add,
        template="read",
    ),
    Command(
        "logs",
        logs.show,
        "the end of the logs; without a name all, but for lines about each request or event",
        (
            f"{PROGRAM} logs gateway -n 50",
            f"{PROGRAM} logs --follow",
            f"{PROGRAM} logs functions/ApiFunction   # START, END and REPORT of each event",
        ),
        logs.add,
    ),
    Command(
        "queues",
        queues.show,
        "depth, dead letters and age of every queue; or the messages of one, and their failures",
        (f"{PROGRAM} queues", f"{PROGRAM} queues payments-dlq"),
        queues.add,
    ),
    Command(
        "send",
        send.run,
        "put a message of one's own on a queue and print its id",
        (
            f"""{PROGRAM} send payments '{{"payment_id":"pay_nobody","tenant":"demo"}}'""",
            f"{PROGRAM} send orders.fifo --group ada --attribute retries:Number=3 < body.json",
        ),
        send.add,
    ),
    Command(
        "redrive",
        redrive.run,
        "move the messages of a dead-letter queue back; exits 1 when not all were moved",
        (
            f"{PROGRAM} redrive payments-dlq --rate 50",
            f"{PROGRAM} redrive --list",
            f"{PROGRAM} redrive payments-dlq --cancel",
        ),
        redrive.add,
    ),
    Command(
        "invoke",
        invoke.run,
        "give a function an event and print its answer; exits 1 when the function failed",
        (
            f"{PROGRAM} invoke ApiFunction --event event.json --tail",
            f"echo '{{}}' | {PROGRAM} invoke PaymentsReconciler --event - --async",
            f"{PROGRAM} invoke ApiFunction --event event.json --debug   # an editor attaches",
        ),
        invoke.add,
    ),
    Command(
        "event",
        event.show,
        "a sample event of a source, for `invoke`; without a name the list of them",
        (f"{PROGRAM} event sqs > event.json", f"{PROGRAM} event"),
        event.add,
        template="unneeded",
    ),
    Command(
        "state",
        state.run,
        "save the data of the system under a name, load, list, delete or reset it",
        (f"{PROGRAM} state save before", f"{PROGRAM} state load before", f"{PROGRAM} state list"),
        state.add,
    ),
    Command(
        "reconcile",
        reconcile.run,
        "compare payments with the provider's record and balances; exits 1 when they differ",
        (f"{PROGRAM} reconcile",),
        is_of_backend=True,
    ),
    Command(
        "recount",
        recount.run,
        "count all events again from what is kept of them; exits 1 when another number was counted",
        (f"{PROGRAM} recount",),
        is_of_backend=True,
    ),
    Command(
        "story",
        story.run,
        "all that is known of one payment, notification, event, request or message, by time",
        (f"{PROGRAM} story pay_ye2jzhvrs6dw426cewyadrpubu",),
        story.add,
        is_of_backend=True,
    ),
    Command(
        "trace",
        trace.show,
        "where the time of one request went, as a waterfall; exits 1 when it is not known",
        (
            f"{PROGRAM} trace 4bf92f3577b34da6a3ce929d0e0e4736",
            f"{PROGRAM} trace 1-4bf92f35-77b34da6a3ce929d0e0e4736",
        ),
        trace.add,
    ),
    Command(
        "traces",
        trace.show_list,
        "the newest traces, a line each",
        (f"{PROGRAM} traces --status error", f"{PROGRAM} traces --route /v1/payments --min-ms 500"),
        trace.add_list,
    ),
    Command(
        "mailbox",
        mailbox.run,
        "the mails and text messages that were sent, or one of them as it reads",
        (f"{PROGRAM} mailbox --to ada@example.com", f"{PROGRAM} mailbox 7"),
        mailbox.add,
        template="none",
        is_of_backend=True,
    ),
    Command(
        "new-domain",
        new_domain.run,
        "write the folder, entries and tests of a new domain into this checkout",
        (f"{PROGRAM} new-domain orders",),
        new_domain.add,
        is_of_backend=True,
    ),
    Command(
        "clean",
        clean.run,
        "what old logs, reports, journals and left files take; frees them with --yes",
        (f"{PROGRAM} clean", f"{PROGRAM} clean --yes"),
        clean.add,
    ),
    Command(
        "env",
        env.show,
        "the running system's settings as shell exports",
        (f'(eval "$({PROGRAM} env)"; chalice --project-dir functions/payments local)',),
    ),
)


def _parser() -> argparse.ArgumentParser:
    parser = arguments.Parser(
        prog=PROGRAM, description="Start, show and stop the system on this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    is_at_home = EXTENSION.is_at_home(arguments.default_template().parent)
    for command in COMMANDS:
        # Without the sentence a command is not listed.
        is_listed = is_at_home or not command.is_of_backend
        listed: dict[str, Any] = {"help": command.sentence} if is_listed else {}
        one = commands.add_parser(
            command.name,
            **listed,
            description=f"{command.sentence[0].upper()}{command.sentence[1:]}.",
            epilog="\n  ".join(("examples:", *command.examples)),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_places(one, command)
        command.add_options(one)
        one.set_defaults(command=command.run, needs_project=command.needs_project)
    return parser


def _add_places(parser: argparse.ArgumentParser, command: Command) -> None:
    if command.template == "unneeded":
        parser.set_defaults(state=None, template=arguments.default_template())
        return
    parser.add_argument(
        "--state", type=Path, help="state directory (default: .local beside the template)"
    )
    if command.template == "read":
        arguments.add_template(parser)
    elif command.template == "located":
        parser.add_argument(
            "--template",
            type=Path,
            default=arguments.default_template(),
            help="the template of the system (default: %(default)s)",
        )
    else:
        parser.set_defaults(template=arguments.default_template())
