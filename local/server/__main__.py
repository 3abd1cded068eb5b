"""`python -m local.server`: the command line of the gateway's process."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

import uvloop

from local.daemon import arguments
from local.gateway.variables import UnknownVariable
from local.http.limits import LIMITS, Limits
from local.lambda_service.asynchronous import RETRY_LONGEST_S, RETRY_S
from local.lambda_service.dispatch import CONCURRENCY_DEFAULT
from local.machine.queue_carrier import CarrierError, carrier_of
from local.runtime.frames import AddressError
from local.server import tracing
from local.server.addresses import Addresses
from local.server.process import QUEUE_DEADLINE_MS, Gateway, PortTaken
from local.template import TemplateError
from local.template.options import chosen
from local.traces.export import BadEndpoint

EXIT_USAGE = 2  # what the user has to change
UNUSABLE = (UnknownVariable, AddressError, CarrierError, BadEndpoint)
CONCURRENCY_MAX = 100_000  # more than any account of AWS has
QUEUE_DEADLINE_LONGEST_MS = 900_000  # no function may run longer than 15 minutes either
CLIENT_DEADLINE_LONGEST_MS = 3_600_000  # an hour; slower clients hold connections for nothing


def main() -> int:
    """Run the gateway until a signal; the exit code tells why it ended."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    options = _options()
    state: Path = options.state
    runtime = options.runtime or f"unix:{(state / 'run' / 'gateway.sock').resolve()}"
    # Nobody knows whose Redis the default address is.
    has_carrier = bool({"REDIS_URL", "REDIS_URL_FILE"} & os.environ.keys())
    try:
        template = chosen(options)
        gateway = Gateway(
            template,
            state,
            Addresses(
                host=options.host,
                ports=(options.port, *options.api_port),
                console_port=options.console_port,
                invoke_port=options.invoke_port,
                otlp_port=options.otlp_port,
                runtime=runtime,
            ),
            queue_deadline_s=options.queue_deadline_ms / 1000,
            concurrency=options.account_concurrency,
            retry_s=options.async_retry_s,
            limits=Limits(
                head_s=options.head_deadline_ms / 1000,
                body_s=options.body_deadline_ms / 1000,
                idle_s=options.idle_deadline_ms / 1000,
                write_s=options.write_deadline_ms / 1000,
            ),
            carrier=carrier_of(os.environ) if has_carrier else None,
            python=options.python,
            console_views=options.console_views,
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(gateway.run())
    except (*UNUSABLE, TemplateError, PortTaken) as error:
        print(error, file=sys.stderr)  # noqa: T201 - one sentence for whoever started this
        return EXIT_USAGE
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.server",
        description="Serve the API of a SAM template: HTTP here, events to the environments"
        " that dial in.",
        epilog="example: python -m local.server --template template.yaml --port 5002",
    )
    arguments.add_template(parser)
    arguments.add_debug(parser)
    arguments.add_state(parser, "sockets and logs")
    arguments.add_python(parser)
    arguments.add_host(parser)
    arguments.add_port(parser, "--port", 5002, "port of the API")
    parser.add_argument(
        "--api-port",
        type=arguments.port,
        action="append",
        default=[],
        metavar="PORT",
        help="port of the second API of the template; given again, of the third",
    )
    arguments.add_port(parser, "--console-port", 5080, "port of the console and /metrics")
    arguments.add_port(parser, "--invoke-port", 3001, "port of the Lambda Invoke API")
    parser.add_argument(
        "--otlp-port",
        type=arguments.port,
        metavar="PORT",
        help=f"port that takes spans by OTLP (default: {tracing.PORT}, or the next free one)",
    )
    parser.add_argument(
        "--runtime",
        metavar="ADDRESS",
        help="unix:/path or tcp:host:port where environments dial in"
        " (default: run/gateway.sock in the state directory)",
    )
    parser.add_argument(
        "--console-views",
        default="",
        metavar="MODULE",
        help="module whose `add_views` gives the console more views (default: none)",
    )
    _add_limits(parser)
    return parser.parse_args()


def _add_limits(parser: argparse.ArgumentParser) -> None:
    arguments.add_number(
        parser,
        "--account-concurrency",
        bounds=(1, CONCURRENCY_MAX),
        default=CONCURRENCY_DEFAULT,
        what="events that all functions together may have in flight",
        variable="ACCOUNT_CONCURRENCY",
    )
    arguments.add_number(
        parser,
        "--async-retry-s",
        bounds=(1, RETRY_LONGEST_S),
        default=RETRY_S,
        what="pause before an asynchronous event's first retry, doubled before the second",
        unit="S",
        variable="ASYNC_RETRY_S",
    )
    arguments.add_number(
        parser,
        "--queue-deadline-ms",
        bounds=(1, QUEUE_DEADLINE_LONGEST_MS),
        default=QUEUE_DEADLINE_MS,
        what="how long an event may wait for an environment",
        unit="MS",
        variable="QUEUE_DEADLINE_MS",
    )
    _add_deadline(parser, "head", LIMITS.head_s, "send the head of a request")
    _add_deadline(parser, "body", LIMITS.body_s, "send its body")
    _add_deadline(parser, "idle", LIMITS.idle_s, "keep a connection without a request")
    _add_deadline(parser, "write", LIMITS.write_s, "read its answer")


def _add_deadline(parser: argparse.ArgumentParser, name: str, default_s: float, what: str) -> None:
    arguments.add_number(
        parser,
        f"--{name}-deadline-ms",
        bounds=(1, CLIENT_DEADLINE_LONGEST_MS),
        default=int(default_s * 1000),
        what=f"how long a client may take to {what}",
        unit="MS",
    )


if __name__ == "__main__":
    sys.exit(main())
