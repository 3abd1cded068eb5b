"""`python -m queue_workers`: the command line of one worker process."""

import argparse
import logging
import os
import sys
from pathlib import Path

from local.frames import AddressError
from local.template import TemplateError, load
from queue_workers.metrics import PortTaken
from queue_workers.worker import Worker

EXIT_USAGE = 2  # what the user has to change
METRICS_PORT = 9100  # of worker 0; the others follow
NICENESS = 19  # HTTP first: clients wait for it, while messages may wait and be caught up with


def main() -> int:
    """Run one worker until a signal; the exit code tells why it ended."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    arguments = _arguments()
    port = arguments.metrics_port or METRICS_PORT + arguments.index
    os.nice(NICENESS)
    try:
        template = load(arguments.template, allow_unsupported=arguments.allow_unsupported)
        Worker(template, arguments.state, arguments.index, (arguments.metrics_host, port)).run()
    except (TemplateError, AddressError, PortTaken) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m queue_workers", description=__doc__)
    parser.add_argument("--template", type=Path, default=Path("template.yaml"))
    parser.add_argument("--state", type=Path, default=Path(".local"), help="directory of sockets")
    parser.add_argument("--index", type=int, default=0, help="number of this worker, from 0")
    parser.add_argument("--metrics-host", default="127.0.0.1", help="address of /metrics")
    parser.add_argument("--metrics-port", type=int, help="default: 9100 plus the index")
    parser.add_argument(
        "--allow-unsupported",
        action="store_true",
        help="leave out what the template has and this machine cannot emulate",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
