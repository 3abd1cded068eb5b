"""The command `mailbox`: what mails and text messages were sent, and one of them as it reads."""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from local.daemon import arguments
from local.daemon.arguments import PROGRAM
from local.daemon.logs import printable
from local.machine.plan import BadInput
from local.machine.running import running
from local.simulators.reading import read

TIMEOUT_S = 5  # a page of a thousand takes milliseconds
LINES_MAX = 1_000
ROW = "{sequence:>7}  {time:<20} {channel:<6} {to:<36} {subject}"
HEAD = ROW.format(sequence="no.", time="received (UTC)", channel="by", to="to", subject="subject")


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument(
        "number",
        nargs="?",
        type=arguments.number(1, 10**9),
        help="a message's number: it is shown whole (default: the list)",
    )
    parser.add_argument("--to", metavar="ADDRESS", help="only messages to this address")
    arguments.add_number(
        parser,
        *("-n", "--lines"),
        bounds=(1, LINES_MAX),
        default=20,
        what="how many of the last messages to list",
        unit="LINES",
    )


def run(options: argparse.Namespace) -> int:
    """Print the last messages, or one of them."""
    last, _ = running(options.state)
    addresses = [each.address for each in last.processes if each.name == "mailbox"]
    if not addresses:
        raise BadInput(
            "this system has no mailbox of its own: if it sends mails, it sends them elsewhere"
        )
    base = addresses[0].split()[1].removesuffix("/messages")
    try:
        lines = _one(base, options.number) if options.number else _list(base, options)
    except HTTPError as error:
        raise BadInput(f"no message {options.number}; `{PROGRAM} mailbox` lists them") from error
    except URLError as error:
        raise BadInput(f"the mailbox does not answer; `{PROGRAM} status` says why") from error
    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)
    return 0


def _list(base: str, options: argparse.Namespace) -> list[str]:
    if options.to:
        messages = [each for each in _all(base) if options.to in each["to"].split(", ")]
    else:
        messages = _get(f"{base}/messages?last={options.lines}")["messages"]
    return [HEAD, *(_row(each) for each in messages[-options.lines :])]


def _one(base: str, number: int) -> list[str]:
    message = _get(f"{base}/messages/{number}")
    if message.get("channel") == "sms":
        return [f"To: {message['to']}", "", *message["raw"].splitlines()]
    mail = read(message["raw"].encode(message["charset"]))
    head = [f"{name}: {value}" for name, value in mail.headers]
    return [*head, "", *(mail.text or mail.html).splitlines()]


def _all(base: str) -> Iterator[Any]:
    after: int | None = 0
    while after is not None:
        page = _get(f"{base}/messages?after={after}")
        yield from page["messages"]
        after = page["next"]


def _row(message: Any) -> str:
    received = datetime.fromtimestamp(message["received_ms"] / 1000, UTC)
    return ROW.format(time=f"{received:%Y-%m-%d %H:%M:%S}", **message)


def _get(url: str) -> Any:
    with urlopen(url, timeout=TIMEOUT_S) as response:
        return json.load(response)
