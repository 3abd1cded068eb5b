"""`python -m queue_workers`: the command line of one worker process."""

import argparse
import logging
import os
import sys

from local.daemon import arguments
from local.machine.queue_carrier import CarrierError, carrier_of
from local.runtime.frames import AddressError
from local.template import TemplateError
from local.template.options import chosen
from queue_workers.metrics import PortTaken
from queue_workers.worker import Worker

EXIT_USAGE = 2  # what the user has to change
METRICS_PORT = 9100  # of worker 0; the others follow
INDEX_MAX = 999  # mappings poll with a thousand at most, as on AWS
NICENESS = 19  # HTTP first: clients wait for it, while messages may wait and be caught up with


def main() -> int:
    """Run one worker until a signal; the exit code tells why it ended."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    options = _options()
    port = options.metrics_port or METRICS_PORT + options.index
    os.nice(NICENESS)
    try:
        template = chosen(options)
        metrics_address = (options.metrics_host, port)
        carrier = carrier_of(os.environ)
        Worker(
            template, options.state, options.index, metrics_address, carrier, options.python
        ).run()
    except (TemplateError, AddressError, CarrierError, PortTaken) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m queue_workers",
        description="Run one worker on the queues of a SAM template: receive, invoke, delete.",
        epilog="example: python -m queue_workers --template template.yaml --index 0",
    )
    arguments.add_template(parser)
    arguments.add_debug(parser)
    arguments.add_state(parser, "sockets")
    arguments.add_python(parser)
    arguments.add_number(
        parser, "--index", bounds=(0, INDEX_MAX), default=0, what="number of this worker, from 0"
    )
    arguments.add_host(parser, "--metrics-host")
    parser.add_argument(
        "--metrics-port",
        type=arguments.port,
        metavar="PORT",
        help=f"port of /metrics (default: {METRICS_PORT} plus the index)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
