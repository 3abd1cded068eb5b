"""The steps that drive a running project as its users would, from request to mail.

A step is a table of `projects.toml`: `request = "POST /orders"`, `call = "dynamodb.scan"` with
boto3's parameters, `invoke = "FUNCTION"`, or what a `log`, a `queue` or the `mailbox` has. Each may
say the `status` and what it `has` in the end; `keep` takes parts of an answer that later steps
write as `${NAME}`.
"""

import json
import re
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from string import Template as Text
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from local.template.intrinsics import REGION
from pytest_spillway.aws import Aws

Step = dict[str, Any]
ARRIVES_S = 30.0  # an asynchronous event, a state machine with waits of its own
LOOK_S = 0.25
ANSWERS_S = 35.0  # a little more than a gateway waits
REASON_MAX = 160
BAD = 400  # and above, where a step expects no status by name
READING = ("GET", "HEAD")


class Differs(Exception):
    """A step that did not come out as on AWS; the message says how."""


def drive(aws: Aws, mailbox: str, steps: list[Step]) -> None:
    """Take the steps one after the other. Raises Differs."""
    values: dict[str, str] = {}
    for step in steps:
        _take(aws, mailbox, _filled(step, values), values)


def _take(aws: Aws, mailbox: str, step: Step, values: dict[str, str]) -> None:
    """Take a step, one that only reads until it has what it should or the time is over."""
    kind, action = next((name, _KINDS[name]) for name in _KINDS if name in step)
    is_repeated = kind != "invoke" and (kind != "request" or step[kind].startswith(READING))
    ends_s = time.monotonic() + step.get("within_s", ARRIVES_S)
    while True:
        status, text = action(aws, mailbox, step)
        is_expected = status == step["status"] if "status" in step else status < BAD
        if is_expected and step.get("has", "") in text:
            break
        if not is_repeated or time.monotonic() > ends_s:
            raise Differs(f"{step[kind]} answers {status}: {text[-REASON_MAX:]}")
        time.sleep(LOOK_S)
    for name, pattern in step.get("keep", {}).items():
        match = re.search(pattern, text)
        if match is None:
            raise Differs(f"{step[kind]} has no {name}: {text[-REASON_MAX:]}")
        values[name] = match[1]


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    return Text(value).safe_substitute(values) if isinstance(value, str) else value


def _request(aws: Aws, _mailbox: str, step: Step) -> tuple[int, str]:
    """Send a request; headers are sent as they are written, and a redirection is the answer."""
    method, _, path = step["request"].partition(" ")
    url = path if "://" in path else (aws.urls[step["api"]] if "api" in step else aws.url) + path
    body = step.get("body", "")
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {"Content-Type": "application/json", **step.get("headers", {})}
    if step.get("is_signed"):
        headers |= _signature(method, url, text)
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=ANSWERS_S)
    try:
        target = urlunsplit(("", "", place.path or "/", place.query, ""))
        connection.request(method, target, text.encode() or None, headers)
        answer = connection.getresponse()
        return answer.status, f"{answer.headers}{answer.read().decode(errors='replace')}"
    except (OSError, HTTPException) as error:
        raise Differs(f"{step['request']}: {error}") from error
    finally:
        connection.close()


def _signature(method: str, url: str, text: str) -> dict[str, str]:
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - only some need it
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    request = AWSRequest(method, url, data=text.encode())
    SigV4Auth(Credentials("local", "local"), "execute-api", REGION).add_auth(request)
    return dict(request.headers.items())


def _call(aws: Aws, _mailbox: str, step: Step) -> tuple[int, str]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only some need it

    service, _, operation = step["call"].partition(".")
    try:
        answer = getattr(aws.client(service), operation)(**step.get("with", {}))
    except (BotoCoreError, ClientError) as error:
        return 400, str(error)
    content = {
        name: each.read().decode(errors="replace") if hasattr(each, "read") else each
        for name, each in answer.items()
        if name != "ResponseMetadata"
    }
    return 200, json.dumps(content, default=str)


def _invoke(aws: Aws, _mailbox: str, step: Step) -> tuple[int, str]:
    answer = aws.invoke(step["invoke"], step.get("event"))
    return (500, str(answer.error)) if answer.error else (200, json.dumps(answer.result))


def _log(aws: Aws, _mailbox: str, step: Step) -> tuple[int, str]:
    return 200, aws.logs(step["log"])


def _queue(aws: Aws, _mailbox: str, step: Step) -> tuple[int, str]:
    return 200, " ".join(message.body for message in aws.queue(step["queue"]).messages)


def _mails(_aws: Aws, mailbox: str, _step: Step) -> tuple[int, str]:
    with urlopen(f"{mailbox}/messages", timeout=ANSWERS_S) as answer:
        return answer.status, answer.read().decode(errors="replace")


_KINDS: dict[str, Callable[[Aws, str, Step], tuple[int, str]]] = {
    "request": _request,
    "call": _call,
    "invoke": _invoke,
    "log": _log,
    "queue": _queue,
    "mailbox": _mails,
}
