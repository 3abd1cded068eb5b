"""The command line of a function's host."""

import argparse
import os

from local.daemon import arguments

ENVIRONMENTS_MAX = 1_000  # what AWS gives an account unless it asks for more
PID_MAX = 1 << 22  # Linux's own
IMPORT_MAX_S = 30  # three times what Lambda allows: here all functions import at once
IMPORT_RETRY_S = 15  # long enough to read the log, short enough to wait for after a repair


def parse_options(words: list[str] | None) -> argparse.Namespace:
    """Return the options among the words of a command line; exit where they are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m local.runtime.host",
        description="Run the execution environments of one function of a SAM template.",
        epilog="example: python -m local.runtime.host --template template.yaml"
        " --function PaymentsFunction --connect unix:.local/run/gateway.sock --environments 2",
    )
    arguments.add_template(parser)
    arguments.add_debug(parser)
    parser.add_argument("--function", required=True, help="logical id of the function")
    parser.add_argument(
        "--connect",
        required=True,
        metavar="ADDRESS",
        help="where environments dial in: unix:/path or tcp:host:port",
    )
    parser.add_argument(
        "--environments",
        type=arguments.number(1, ENVIRONMENTS_MAX),
        metavar="NUMBER",
        help="processes (default: the template's)",
    )
    parser.add_argument(
        "--state",
        type=arguments.directory,
        help="where each environment keeps a temporary directory (default: the system's)",
    )
    parser.add_argument(
        "--reload",
        action="store_true",
        default=os.environ.get("RELOAD", "") not in ("", "0"),
        help="import the handler again when a file of it has changed (or RELOAD=1)",
    )
    parser.add_argument(
        "--end-with",
        type=arguments.number(1, PID_MAX),
        metavar="PID",
        help="end when this process, which started the host, has gone",
    )
    _add_import(parser)
    _add_debugger(parser)
    return parser.parse_args(words)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--import-max-s",
        type=float,
        default=IMPORT_MAX_S,
        metavar="S",
        help="seconds that the import of the handler may take, if its time-out is not longer"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--import-retry-s",
        type=float,
        default=IMPORT_RETRY_S,
        metavar="S",
        help="seconds until a failed import of the handler is tried again (default: %(default)s)",
    )
    parser.add_argument(
        "--import-only",
        action="store_true",
        help="end after the import of the handler, which `up` and `status` tell where it fails",
    )
    parser.add_argument(
        "--must-import",
        action="store_true",
        help="end when the handler cannot be imported, where AWS would answer each event with why",
    )


def _add_debugger(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--debug-port",
        type=arguments.port,
        metavar="PORT",
        help="where a debugger attaches to the function of --debug",
    )
    parser.add_argument(
        "--debug-waits", action="store_true", help="take no event before a debugger is attached"
    )
