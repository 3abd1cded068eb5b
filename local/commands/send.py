"""The command `send`: one message of one's own on a queue of the running system."""

import argparse
import base64
import binascii
import sys

from local.daemon import arguments
from local.machine.plan import BadInput
from local.machine.queue_carrier import carrier_of
from local.machine.running import running
from local.template.intrinsics import QUEUE_URL
from redis_sqs import QueueUnavailable, Typed
from redis_sqs.limits import DELAY_MAX_S


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("queue", help="a queue of the template")
    parser.add_argument(
        "body", nargs="?", default="-", help="the message, or - for standard input (default)"
    )
    parser.add_argument(
        "--attribute",
        dest="attributes",
        type=_attribute,
        action="append",
        default=[],
        metavar="NAME[:TYPE]=VALUE",
        help="a message attribute; TYPE is String (default), Number or Binary, whose value is"
        " base64; may be given again",
    )
    parser.add_argument("--group", default="", help="message group id; a FIFO queue needs one")
    parser.add_argument(
        "--deduplication-id",
        default="",
        metavar="ID",
        help="of a FIFO queue that does not deduplicate by content",
    )
    parser.add_argument(
        "--delay",
        type=arguments.number(0, DELAY_MAX_S),
        metavar="SECONDS",
        help="how long nobody receives it (default: the queue's own delay)",
    )


def run(options: argparse.Namespace) -> int:
    """Send the message and print its id."""
    last, template = running(options.state)
    if options.queue not in (names := sorted(each.name for each in template.queues.values())):
        raise BadInput(f"there is no queue {options.queue!r}; there are: {', '.join(names) or '-'}")
    body = _standard_input() if options.body == "-" else options.body
    queue = carrier_of(last.variables).connect(f"{QUEUE_URL}{options.queue}")
    try:
        id_ = queue.send(
            body,
            delay_s=options.delay,
            attributes=dict(options.attributes),
            group=options.group,
            deduplication_id=options.deduplication_id,
        )
    except ValueError as error:
        raise BadInput(f"not sent: {error}") from error
    except QueueUnavailable as error:
        raise BadInput(f"{error} See `{arguments.PROGRAM} status`.") from error
    sys.stdout.write(f"{id_}\n")
    return 0


def _standard_input() -> str:
    """Return all of it, without the newline that ends a text file."""
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise BadInput("not sent: standard input is no UTF-8 text") from error


def _attribute(text: str) -> tuple[str, str | Typed]:
    """Return the attribute in NAME=VALUE or NAME:TYPE=VALUE, as argparse's types do."""
    label, value = arguments.assignment(text)
    name, colon, data_type = label.partition(":")
    if not colon:
        return name, value
    if not data_type.startswith("Binary"):
        return name, Typed(data_type, value)
    try:
        return name, Typed(data_type, base64.b64decode(value, validate=True))
    except binascii.Error as error:
        raise argparse.ArgumentTypeError(f"{value!r} is no base64") from error
