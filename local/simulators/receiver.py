"""A receiver of webhooks: `python -m local.simulators.receiver` prints each as a line of JSON.

For people who try webhooks on one machine: it says whether the signature holds.
"""

import argparse
import base64
import binascii
import hmac
import sys
import time
from collections.abc import Callable
from functools import partial

import msgspec

from local.daemon import arguments
from local.simulators import serving
from local.simulators.exchange import Exchange, Refusal, server_of

PREFIX = "whsec_"
TOLERANCE_S = 300  # Standard Webhooks' libraries take nothing older or newer
ANSWERS = (204, 200, 302, 410, 429, 500, 503)  # what senders treat each in another way


def secret(text: str) -> bytes:
    """Return the key of a Standard Webhooks secret; a type for argparse."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(PREFIX) or not key:
        raise argparse.ArgumentTypeError(f"{text!r} is no secret: {PREFIX} and base64")
    return key


def judgement(exchange: Exchange, key: bytes | None, now_s: float) -> str:
    """Return "good", or why a webhook must not be trusted."""
    if key is None:
        return "not checked: give --secret"
    sent_at = exchange.header("webhook-timestamp")
    signed = f"{exchange.header('webhook-id')}.{sent_at}.".encode() + exchange.body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    signatures = exchange.header("webhook-signature").split()
    if not any(hmac.compare_digest(each.encode(), expected.encode()) for each in signatures):
        return "bad: not signed with this secret"
    if not sent_at.isdigit() or abs(now_s - int(sent_at)) > TOLERANCE_S:
        return "bad: too old or too new"
    return "good"


def receive(
    exchange: Exchange, *, key: bytes | None, status: int, show: Callable[[str], object]
) -> None:
    """Show one webhook and answer it."""
    if exchange.method != "POST":
        raise Refusal(405, "method_not_allowed", "Webhooks are sent by POST.")
    line = {
        "webhook_id": exchange.header("webhook-id"),
        "signature": judgement(exchange, key, time.time()),
        "body": exchange.body.decode("utf-8", "replace"),
    }
    show(msgspec.json.encode(line).decode() + "\n")
    exchange.answer(status, b"")


async def _serve(options: argparse.Namespace) -> None:
    def show(line: str) -> None:
        sys.stdout.write(line)
        sys.stdout.flush()

    dispatch = partial(receive, key=options.secret, status=options.answer, show=show)
    server = server_of(dispatch)
    door = serving.Door("HTTP", "--port", options.port, server.connection, server.connections)
    await serving.serve(options.listen, door)


def main() -> int:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m local.simulators.receiver", description=__doc__
    )
    arguments.add_host(parser, "--listen")
    arguments.add_port(parser, "--port", 9999, "port that takes webhooks")
    parser.add_argument(
        "--secret", type=secret, metavar="whsec_...", help="the endpoint's, to check signatures"
    )
    parser.add_argument(
        "--answer",
        type=int,
        choices=ANSWERS,
        default=ANSWERS[0],
        help="status to answer with (default: %(default)s)",
    )
    return serving.run("receiver", _serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
