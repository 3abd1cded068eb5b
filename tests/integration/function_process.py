"""A handler in a process of its own, as Lambda has it: events in by pipe, answers out.

The tests start one with `FunctionProcess`; run as a program this module is that process.
"""

import base64
import importlib
import itertools
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from redis_sqs import Message, Queue

ROOT = Path(__file__).parents[2]
REMAINING_MS = 5_000
_request_numbers = itertools.count(1)


class FunctionProcess:
    """Handler `handler` (dotted) with `environment`; its settings are read when it starts."""

    def __init__(self, handler: str, environment: Mapping[str, str]) -> None:
        path = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/backend/python")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.function_process", handler],
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, event: Mapping[str, Any]) -> None:
        """Give an event without waiting for its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(event) + "\n")
        self.process.stdin.flush()

    def has_answered(self, *, within_s: float) -> bool:
        """Wait so long for an answer that `end` would return at once."""
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], within_s)[0])

    def end(self) -> Any:
        """Wait for the answer; raises HandlerError where the handler raised."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise ProcessDied
        answer = json.loads(line)
        if "error" in answer:
            raise HandlerError(answer["error"])
        return answer["result"]

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Give an event and wait for the answer."""
        self.begin(event)
        return self.end()

    def request(self, method: str, resource: str, **parts: Any) -> "HttpAnswer":
        """Send a REST event; the parts are those of `rest_event`."""
        answer = self.invoke(rest_event(method, resource, **parts))
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        return HttpAnswer(status=answer["statusCode"], headers=headers, text=answer["body"])

    def consume(self, messages: Sequence[Message]) -> list[str]:
        """Send an SQS event; returns the ids of the messages to deliver again."""
        answer = self.invoke(sqs_event(messages))
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def kill(self) -> None:
        """Kill it where it stands."""
        self.process.kill()
        self.process.communicate()


class HandlerError(Exception):
    """The error that the handler raised, as Lambda reports it: its message."""


class ProcessDied(Exception):
    """The process ended before it answered."""


@dataclass(frozen=True)
class HttpAnswer:
    """A view's response, its header names in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def rest_event(
    method: str,
    resource: str,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    tenant: str | None = None,
    client: str | None = None,
    scope: str = "",
) -> dict[str, Any]:
    """Return the event of API Gateway's REST API, authorised for `tenant` where one is given."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    number = next(_request_numbers)
    is_binary = isinstance(body, bytes)
    if is_binary:  # as the gateway gives a body of a binary type
        body = base64.b64encode(body).decode()
    context: dict[str, Any] = {
        "httpMethod": method,
        "resourcePath": resource,
        "requestId": f"00000000-0000-4000-8000-{number:012}",
        "stage": "prod",
    }
    if tenant is not None:
        context["authorizer"] = {"principalId": client or tenant, "tenant": tenant, "scope": scope}
    return {
        "resource": resource,
        "path": resource.format_map(path or {}),
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} if query else None,
        "pathParameters": path,
        "stageVariables": None,
        "requestContext": context,
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": is_binary,
    }


def sqs_event(messages: Sequence[Message]) -> dict[str, Any]:
    """Return the event that an event source mapping makes of messages."""
    return {
        "Records": [
            {
                "messageId": each.message_id,
                "receiptHandle": each.receipt_handle,
                "body": each.body,
                "attributes": {
                    "ApproximateReceiveCount": str(each.receive_count),
                    "SentTimestamp": str(each.sent_at_ms),
                    "ApproximateFirstReceiveTimestamp": str(each.first_received_at_ms),
                    "SenderId": "AIDAEXAMPLE",
                    **each.system,
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:000000000000:queue",
                "awsRegion": "eu-west-1",
            }
            for each in messages
        ]
    }


def receive_all(queue: Queue) -> list[Message]:
    """Return everything that is visible on `queue`."""
    messages: list[Message] = []
    while batch := queue.receive(10):
        messages += batch
    return messages


class Context:
    """The second argument of a handler, as far as anybody asks."""

    function_name: ClassVar[str] = "Function"
    aws_request_id: ClassVar[str] = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return REMAINING_MS


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the handler prints must not look like an answer
    module, _, attribute = sys.argv[1].rpartition(".")
    handler = getattr(importlib.import_module(module), attribute)
    for line in sys.stdin:
        try:
            answer = {"result": handler(json.loads(line), Context())}
        except Exception as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
