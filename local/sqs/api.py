"""The SQS API: AWS JSON 1.0, or the query protocol of older SDKs; each action in a thread.

Long polls block, so they have threads of their own, many and bounded; what each action does is in
`actions`.
"""

import asyncio
import logging
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson

from local.http.request import Request
from local.sqs import query
from local.sqs.actions import Actions
from local.sqs.refusals import Refused
from local.template import Template
from redis_sqs.carrier import Carrier

log = logging.getLogger(__name__)

TARGET = "AmazonSQS."
RECEIVES_MAX = 32  # long polls at a time; each has a connection to Redis
OTHERS_MAX = 8  # actions at a time that do not wait
WAITING_MAX = 256  # requests of either kind, over which callers are told to come again


@dataclass(frozen=True, slots=True)
class _Lane:
    """The threads for one kind of action, and its requests in hand."""

    threads: ThreadPoolExecutor
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class SqsApi:
    """Answers the actions of SQS on a template's queues."""

    def __init__(self, template: Template, carrier: Carrier) -> None:
        self.actions = Actions(template, carrier)
        self._receives = _Lane(ThreadPoolExecutor(RECEIVES_MAX, thread_name_prefix="sqs-receive"))
        self._others = _Lane(ThreadPoolExecutor(OTHERS_MAX, thread_name_prefix="sqs"))

    def handle(self, request: Request) -> None:
        call = _Call(request)
        try:
            action = call.read(self.actions)
        except Refused as refused:
            call.refuse(refused)
            return
        lane = self._receives if action == "ReceiveMessage" else self._others
        if len(lane.tasks) >= WAITING_MAX:
            call.refuse(Refused("ServiceUnavailable", "all threads are busy", status=503))
            return
        task = asyncio.get_running_loop().create_task(self._answer(call, lane))
        lane.tasks.add(task)
        task.add_done_callback(lane.tasks.discard)

    def stop(self) -> None:
        """Start no more actions; those in hand end within a second."""
        self.actions.stop()
        for lane in (self._receives, self._others):
            lane.threads.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, call: "_Call", lane: _Lane) -> None:
        gone = threading.Event()
        call.request.dropped = lambda: _leave(call.request, gone)
        loop = asyncio.get_running_loop()
        trace = call.request.fields.get("x-amzn-trace-id", "")
        try:
            answer = await loop.run_in_executor(
                lane.threads, self.actions.run, call.action, call.body, gone, trace
            )
        except Refused as refused:
            call.refuse(refused)
        except Exception:  # edge: a request; its client is answered in any case
            log.exception("the SQS action %s failed", call.action)
            call.refuse(Refused("InternalFailure", "see the gateway's log", status=500))
        else:
            call.answer(answer)


class _Call:
    """One call in the protocol that its caller speaks."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.action = request.fields.get("x-amz-target", "").removeprefix(TARGET)
        self.body = request.body
        self._is_query = not self.action

    def read(self, actions: Actions) -> str:
        """Return the action. Raises Refused where a form is none, or names no action."""
        if self._is_query:
            self.action, fields = query.read(self.request)
            shape = actions.shape_of(self.action)
            self.body = orjson.dumps(query.as_json(fields, shape, self.action))
        return self.action

    def answer(self, answer: dict[str, Any]) -> None:
        content = query.answer(self.action, answer) if self._is_query else orjson.dumps(answer)
        self._reply(200, content, "")

    def refuse(self, refused: Refused) -> None:
        content = query.refusal(refused) if self._is_query else refused.body()
        self._reply(refused.status, content, refused.header())

    def _reply(self, status: int, body: bytes, lines: str) -> None:
        kind = "text/xml" if self._is_query else "application/x-amz-json-1.0"
        lines += f"x-amzn-RequestId: {uuid.uuid4()}\r\nContent-Type: {kind}\r\n"
        self.request.reply(status, lines, body)


def _leave(request: Request, gone: threading.Event) -> None:
    gone.set()
    request.reply = lambda status, header_lines, body: None
