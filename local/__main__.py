"""`python -m local`: starts, shows and stops the system on this machine."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from local.commands import env, explain, invoke, queues, redrive, send
from local.commands.up import down, up
from local.daemon import arguments, logs
from local.machine import plan, status
from local.runtime import import_failures
from local.spillway import mailbox, reconcile, recount
from local.spillway.extension import EXTENSION
from local.spillway.story import command as story

EXIT_PROBLEM = 1
EXIT_USAGE = 2
EXIT_NOT_RUNNING = 3
EXIT_INTERRUPTED = 130
LINES_MAX = 1_000_000


def main() -> int:
    options = _parser().parse_args()
    options.state = (options.state or options.template.parent / ".local").resolve()
    try:
        code: int = options.command(options)
    except plan.BadInput as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader, such as `head`, has seen enough
        return 0
    return code


def show_status(options: argparse.Namespace) -> int:
    """Print one line a process."""
    last = status.read(options.state)
    if last is None or not status.supervisor_pid(options.state):
        print("not running; start it with `python -m local up`")
        return EXIT_NOT_RUNNING
    print(f"{'process':<24}{'pid':>8}  {'state':<12}{'restarts':>8}  address")
    for each in last.processes:
        pid = each.pid or "-"
        print(f"{each.name:<24}{pid:>8}  {each.state:<12}{each.restarts:>8}  {each.address}")
    failing = import_failures.noted(options.state)
    for name, sentence in failing.items():
        print(f"{name} cannot be imported: {sentence}")
    all_run = (
        not failing
        and last.phase == "ready"
        and all(each.state == "running" for each in last.processes)
    )
    return 0 if all_run else EXIT_PROBLEM


def show_logs(options: argparse.Namespace) -> int:
    """Print the last lines of one log or of all, and what is appended to them."""
    folder = options.state / "logs"
    if not folder.is_dir():
        raise plan.BadInput(f"there is no {folder}; `python -m local up` starts what writes logs")
    known = sorted(str(path.relative_to(folder))[: -len(".log")] for path in folder.rglob("*.log"))
    # Lines about each request or event would drown the rest; they are shown where one is named.
    names = [options.name] if options.name else [name for name in known if name != "access"]
    if options.name and options.name not in known:
        sentence = f"there is no log {options.name!r}; a function's comes with its first event"
        raise plan.BadInput(f"{sentence}; there are: {', '.join(known)}")
    paths = {logs.path_of(options.state, name): name for name in names}
    heads = {path: f"{name:<20} " if len(paths) > 1 else "" for path, name in paths.items()}
    appended = logs.follow(list(paths))
    written = ((path, line) for path in heads for line in logs.tail(path, options.lines))
    for path, line in chain(written, appended if options.follow else ()):
        if options.name or not logs.is_of_platform(line):
            print(f"{heads[path]}{line}", flush=True)
    return 0


def _up_options(parser: argparse.ArgumentParser) -> None:
    plan.add_options(parser, EXTENSION)
    parser.add_argument(
        "--install",
        action="store_true",
        help="install each function's requirements.txt into a folder of its own first",
    )
    parser.add_argument(
        "--reload",
        action="store_true",
        help="import a function again when a file of it has changed (or RELOAD=1)",
    )
    parser.add_argument("--foreground", action="store_true", help="stay; Ctrl-C stops it")


def _logs_options(parser: argparse.ArgumentParser) -> None:
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


def _no_options(_parser: argparse.ArgumentParser) -> None:
    """Of a command that needs none but those of all."""


@dataclass(frozen=True, slots=True)
class Command:
    """A word after `python -m local`."""

    name: str
    run: Callable[[argparse.Namespace], int]
    sentence: str
    examples: tuple[str, ...]
    add_options: Callable[[argparse.ArgumentParser], None] = _no_options
    reads_template: bool = False  # others ask what runs already


COMMANDS = (
    Command(
        "up",
        up,
        "start the system in the background and wait until it is ready",
        (
            "python -m local up",
            "python -m local up --template mine.yaml --port 5102",
            "WORKER_0_PORT=9200 python -m local up   # metrics of the first of five workers",
        ),
        _up_options,
        reads_template=True,
    ),
    Command(
        "down",
        down,
        "stop everything that `up` started, and nothing else",
        ("python -m local down",),
    ),
    Command(
        "status",
        show_status,
        "one line a process; exits 0 when all run, 1 when not, 3 when the system is down",
        ("python -m local status",),
    ),
    Command(
        "explain",
        explain.show,
        "what was understood of a template, and what differs from AWS",
        ("python -m local explain", "python -m local explain --template mine.yaml --json"),
        explain.add,
        reads_template=True,
    ),
    Command(
        "logs",
        show_logs,
        "the end of the logs; without a name all, but for lines about each request or event",
        (
            "python -m local logs gateway -n 50",
            "python -m local logs --follow",
            "python -m local logs functions/ApiFunction   # START, END and REPORT of each event",
        ),
        _logs_options,
    ),
    Command(
        "queues",
        queues.show,
        "depth, dead letters and age of every queue; or the messages of one, and their failures",
        ("python -m local queues", "python -m local queues payments-dlq"),
        queues.add,
    ),
    Command(
        "send",
        send.run,
        "put a message of one's own on a queue and print its id",
        (
            """python -m local send payments '{"payment_id":"pay_nobody","tenant":"demo"}'""",
            "python -m local send orders.fifo --group ada --attribute retries:Number=3 < body.json",
        ),
        send.add,
    ),
    Command(
        "redrive",
        redrive.run,
        "move the messages of a dead-letter queue back; exits 1 when not all were moved",
        (
            "python -m local redrive payments-dlq --rate 50",
            "python -m local redrive --list",
            "python -m local redrive payments-dlq --cancel",
        ),
        redrive.add,
    ),
    Command(
        "invoke",
        invoke.run,
        "give a function an event and print its answer; exits 1 when the function failed",
        (
            "python -m local invoke ApiFunction --event event.json --tail",
            "echo '{}' | python -m local invoke PaymentsReconciler --event - --async",
        ),
        invoke.add,
    ),
    Command(
        "reconcile",
        reconcile.run,
        "compare payments with the provider's record and balances; exits 1 when they differ",
        ("python -m local reconcile",),
    ),
    Command(
        "recount",
        recount.run,
        "count all events again from what is kept of them; exits 1 when another number was counted",
        ("python -m local recount",),
    ),
    Command(
        "story",
        story.run,
        "all that is known of one payment, notification, event, request or message, by time",
        ("python -m local story pay_ye2jzhvrs6dw426cewyadrpubu",),
        story.add,
    ),
    Command(
        "mailbox",
        mailbox.run,
        "the mails and text messages that were sent, or one of them as it reads",
        ("python -m local mailbox --to ada@example.com", "python -m local mailbox 7"),
        mailbox.add,
    ),
    Command(
        "env",
        env.show,
        "the running system's settings as shell exports",
        ('eval "$(python -m local env)"',),
    ),
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="Start, show and stop the system on this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        one = commands.add_parser(
            command.name,
            help=command.sentence,
            description=f"{command.sentence[0].upper()}{command.sentence[1:]}.",
            epilog="\n  ".join(("examples:", *command.examples)),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.add_argument(
            "--state", type=Path, help="state directory (default: .local beside the template)"
        )
        if command.reads_template:
            arguments.add_template(one)
        else:
            one.add_argument(
                "--template",
                type=Path,
                default=Path("template.yaml"),
                help="the template that `up` was given (default: %(default)s)",
            )
        command.add_options(one)
        one.set_defaults(command=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
