"""`python -m local.gateway`: the command line of the gateway's process."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

import uvloop

from local.frames import AddressError
from local.gateway.process import QUEUE_DEADLINE_MS, Gateway, PortTaken
from local.gateway.responses import UnknownVariable
from local.template import TemplateError, load

EXIT_USAGE = 2  # what the user has to change


def main() -> int:
    """Run the gateway until a signal; the exit code tells why it ended."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    arguments = _arguments()
    state = Path(arguments.state)
    runtime = arguments.runtime or f"unix:{(state / 'run' / 'gateway.sock').resolve()}"
    try:
        template = load(arguments.template, allow_unsupported=arguments.allow_unsupported)
        gateway = Gateway(
            template,
            state=state,
            host=arguments.host,
            port=arguments.port,
            console_port=arguments.console_port,
            runtime=runtime,
            queue_deadline_s=arguments.queue_deadline_ms / 1000,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(gateway.run())
    except (TemplateError, UnknownVariable, PortTaken, AddressError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - one sentence for whoever started this
        return EXIT_USAGE
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.gateway", description=__doc__)
    parser.add_argument("--template", default="template.yaml", help="the SAM template to serve")
    parser.add_argument("--state", default=".local", help="directory of sockets and logs")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=5002, help="port of the API")
    parser.add_argument("--console-port", type=_port, default=5080, help="port of /metrics")
    parser.add_argument("--runtime", help="unix:/path or tcp:host:port where environments dial in")
    parser.add_argument(
        "--queue-deadline-ms",
        type=int,
        default=os.environ.get("QUEUE_DEADLINE_MS", str(QUEUE_DEADLINE_MS)),
        help="how long an event may wait for an environment",
    )
    parser.add_argument(
        "--allow-unsupported",
        action="store_true",
        help="leave out what the template has and this machine cannot emulate",
    )
    return parser.parse_args()


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65_536:
        raise argparse.ArgumentTypeError(f"{text} is no port; choose 1 to 65535")
    return port


if __name__ == "__main__":
    sys.exit(main())
