"""The steps that drive a running project as its users would, from request to mail.

A step is a table of `projects.toml`: `request = "POST /orders"`, `call = "dynamodb.scan"` with
boto3's parameters, `invoke = "FUNCTION"`, or what a `log`, a `queue` or the `mailbox` has. Each may
say what it `has` in the end; `keep` takes parts of an answer that later steps write as `${NAME}`.
"""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from string import Template as Text
from typing import Any

from pytest_spillway.aws import Aws

Step = dict[str, Any]
ARRIVES_S = 30.0  # an asynchronous event, a state machine with waits of its own
LOOK_S = 0.25
ANSWERS_S = 35.0  # a little more than a gateway waits
REASON_MAX = 160
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
    kind, taken = next((name, _KINDS[name]) for name in _KINDS if name in step)
    is_repeated = kind != "invoke" and (kind != "request" or step[kind].startswith(READING))
    ends_s = time.monotonic() + step.get("within_s", ARRIVES_S)
    while True:
        status, text = taken(aws, mailbox, step)
        if status == step.get("status", status) and step.get("has", "") in text:
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
    method, _, path = step["request"].partition(" ")
    url = path if "://" in path else (aws.urls[step["api"]] if "api" in step else aws.url) + path
    headers = {"Content-Type": "application/json", **step.get("headers", {})}
    body = step.get("body")
    text = body if isinstance(body, str) else json.dumps(body)
    data = None if body is None else text.encode()
    request = urllib.request.Request(url, data, headers, method=method)
    if step.get("is_signed"):
        _sign(request)
    opener = urllib.request.build_opener(_Unfollowed)
    try:
        with opener.open(request, timeout=ANSWERS_S) as answer:
            return answer.status, f"{answer.headers}{answer.read().decode(errors='replace')}"
    except urllib.error.HTTPError as error:
        return error.code, f"{error.headers}{error.read().decode(errors='replace')}"
    except OSError as error:
        raise Differs(f"{step['request']}: {error}") from error


def _sign(request: urllib.request.Request) -> None:
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - as below
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    signed = AWSRequest(request.get_method(), request.full_url, data=request.data)
    SigV4Auth(Credentials("local", "local"), "execute-api", "eu-west-1").add_auth(signed)
    for name, value in signed.headers.items():
        request.add_header(name, value)


class _Unfollowed(urllib.request.HTTPRedirectHandler):
    """A handler that gives redirections back as they are."""

    def redirect_request(self, *_about: Any) -> None:
        """Follow none."""


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
    with urllib.request.urlopen(f"{mailbox}/messages", timeout=ANSWERS_S) as answer:
        return answer.status, answer.read().decode(errors="replace")


_KINDS: dict[str, Callable[[Aws, str, Step], tuple[int, str]]] = {
    "request": _request,
    "call": _call,
    "invoke": _invoke,
    "log": _log,
    "queue": _queue,
    "mailbox": _mails,
}
