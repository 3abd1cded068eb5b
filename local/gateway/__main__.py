"""`python -m local.gateway`: the command line of the gateway's process."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

import uvloop

from local import arguments
from local.frames import AddressError
from local.gateway.process import QUEUE_DEADLINE_MS, Gateway, PortTaken
from local.gateway.responses import UnknownVariable
from local.template import TemplateError, load

EXIT_USAGE = 2  # what the user has to change
QUEUE_DEADLINE_LONGEST_MS = 900_000  # no function may run longer than 15 minutes either


def main() -> int:
    """Run the gateway until a signal; the exit code tells why it ended."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    options = _options()
    state: Path = options.state
    runtime = options.runtime or f"unix:{(state / 'run' / 'gateway.sock').resolve()}"
    try:
        template = load(options.template, allow_unsupported=options.allow_unsupported)
        gateway = Gateway(
            template,
            state=state,
            host=options.host,
            port=options.port,
            console_port=options.console_port,
            runtime=runtime,
            queue_deadline_s=options.queue_deadline_ms / 1000,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(gateway.run())
    except (TemplateError, UnknownVariable, PortTaken, AddressError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - one sentence for whoever started this
        return EXIT_USAGE
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.gateway",
        description="Serve the REST API of a SAM template: HTTP here, events to the environments"
        " that dial in.",
        epilog="example: python -m local.gateway --template template.yaml --port 5002",
    )
    parser.add_argument(
        "--template", default="template.yaml", help="SAM template (default: %(default)s)"
    )
    parser.add_argument(
        "--state",
        type=arguments.directory,
        default=".local",
        help="directory of sockets and logs (default: %(default)s)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=arguments.port,
        default=5002,
        metavar="PORT",
        help="port of the API (default: %(default)s)",
    )
    parser.add_argument(
        "--console-port",
        type=arguments.port,
        default=5080,
        metavar="PORT",
        help="port of the console and /metrics (default: %(default)s)",
    )
    parser.add_argument(
        "--runtime",
        metavar="ADDRESS",
        help="unix:/path or tcp:host:port where environments dial in"
        " (default: run/gateway.sock in the state directory)",
    )
    parser.add_argument(
        "--queue-deadline-ms",
        type=arguments.number(1, QUEUE_DEADLINE_LONGEST_MS),
        default=os.environ.get("QUEUE_DEADLINE_MS", str(QUEUE_DEADLINE_MS)),
        metavar="MS",
        help="how long an event may wait for an environment"
        " (or QUEUE_DEADLINE_MS; default: %(default)s)",
    )
    parser.add_argument(
        "--allow-unsupported",
        action="store_true",
        help="leave out what the template has and this machine cannot emulate",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
