"""`python -m local.services`: the other services of AWS for one template, on one port.

Without an address of others it is the emulator itself, which runs in this process.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from local.daemon import arguments
from local.services import emulator
from local.services.contents import Contents
from local.services.delivery import Delivery
from local.services.setting_up import set_up
from local.template import TemplateError, service_values
from local.template.options import chosen
from local.template.service_kinds import PENDING

log = logging.getLogger(__name__)

EXIT_USAGE = 2


def main() -> int:
    """Run the services until a signal."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    options = _options()
    state: Path = options.state.resolve()
    try:
        template = chosen(options, PENDING)
    except TemplateError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    service_values.path_of(state).unlink(missing_ok=True)
    endpoint = options.endpoint or f"http://127.0.0.1:{options.port}"
    delivery = Delivery(options.gateway)
    contents = Contents(emulator.objects_of(state))
    remember = _do_nothing if options.endpoint else contents.remember
    threading.Thread(
        target=set_up, args=(template, state, endpoint, delivery, remember), daemon=True
    ).start()
    if options.endpoint:
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    else:
        emulator.run(state, options.port, delivery, contents, mailbox=options.mailbox)
    return 0


def _do_nothing() -> None:
    """Remember nothing of services that are not ours."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m local.services",
        description="Run AWS's other services for a SAM template, and make its resources in them.",
        epilog="example: python -m local.services --template template.yaml --port 4566",
    )
    arguments.add_template(parser)
    arguments.add_debug(parser)
    arguments.add_state(parser, "what the services keep")
    arguments.add_port(parser, "--port", 4566, "port of the services")
    parser.add_argument(
        "--endpoint", metavar="URL", help="services that run elsewhere, in the place of ours"
    )
    parser.add_argument(
        "--gateway",
        metavar="URL",
        default="http://127.0.0.1:3001",
        help="where functions and queues are (default: %(default)s)",
    )
    parser.add_argument(
        "--mailbox", metavar="HOST:PORT", default="", help="the SMTP server that gets SES's mails"
    )
    return parser.parse_args()


if __name__ == "__main__":
    # Credentials of a person are for nobody here.
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        if variable not in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            del os.environ[variable]
    sys.exit(main())
