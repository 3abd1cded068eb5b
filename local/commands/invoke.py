"""The command `invoke`: one event for one function of the running system."""

import argparse
import base64
import http.client
import json
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

from local.commands import debugged_invoke
from local.daemon import arguments
from local.daemon.arguments import PROGRAM
from local.lambda_service.invoke_request import LONGEST_S
from local.machine import status
from local.machine.plan import BadInput
from local.machine.wiring import INVOKE_URL


def run(options: argparse.Namespace) -> int:
    """Print what the function returned; 1 where it failed or was not run."""
    last = status.read(options.state)
    if last is None or not status.supervisor_pid(options.state):
        raise BadInput(f"the system is not running; start it with `{PROGRAM} up`")
    event = _event(options.event)
    if options.debug:
        return debugged_invoke.run(options, event)
    answer, body = _ask(last.variables[INVOKE_URL], options, event)
    if answer.status == 404:
        raise BadInput(f"{json.loads(body)['message']}; `{PROGRAM} explain` lists functions")
    if answer.status >= 300:
        kind = answer.getheader("x-amzn-ErrorType", "")
        sys.stderr.write(f"not invoked: {answer.status} {kind}: {json.loads(body)['message']}\n")
        return 1
    tail = answer.getheader("X-Amz-Log-Result", "")
    sys.stderr.write(base64.b64decode(tail).decode(errors="replace"))
    request_id = answer.getheader("x-amzn-RequestId")
    sys.stdout.write(f"{body.decode() if answer.status == 200 else f'accepted as {request_id}'}\n")
    return 1 if answer.getheader("X-Amz-Function-Error") else 0


def _event(source: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise BadInput(f"{source} cannot be read: {error.strerror}") from error


def _ask(
    url: str, options: argparse.Namespace, event: bytes
) -> tuple[http.client.HTTPResponse, bytes]:
    headers = {"X-Amz-Invocation-Type": "Event" if options.asynchronous else "RequestResponse"}
    if options.tail:
        headers["X-Amz-Log-Type"] = "Tail"
    path = f"/2015-03-31/functions/{quote(options.function, safe='')}/invocations"
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=LONGEST_S)
    try:
        connection.request("POST", path, event, headers)
        answer = connection.getresponse()
        return answer, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise BadInput(f"{url} does not answer ({error}); see `{PROGRAM} status`") from error
    finally:
        connection.close()


def add(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("function", help="its name, ARN or logical id")
    parser.add_argument(
        "--event", default="/dev/null", metavar="FILE", help="JSON file, or - (default: {})"
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--async", dest="asynchronous", action="store_true", help="do not wait for the answer"
    )
    ways.add_argument(
        "--tail", action="store_true", help="print the end of the function's log, too"
    )
    ways.add_argument(
        "--debug",
        action="store_true",
        help="run it in an environment of its own, where debugpy waits for an editor to attach",
    )
    parser.add_argument(
        "--debug-port",
        type=arguments.port,
        metavar="PORT",
        help="where (default: 5678, or the next free one)",
    )
