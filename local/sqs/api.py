"""The SQS API: what boto3 and `aws sqs` send (AWS JSON 1.0), each action in a thread.

Long polls block, so they have threads of their own, many and bounded; what each action does is in
`actions`.
"""

import asyncio
import logging
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape

import orjson

from local.http.request import Request
from local.sqs.actions import Actions
from local.sqs.refusals import Refused
from local.template import Template
from redis_sqs.carrier import Carrier

log = logging.getLogger(__name__)

TARGET = "AmazonSQS."
QUERY = "application/x-www-form-urlencoded"
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
        action = request.fields.get("x-amz-target", "").removeprefix(TARGET)
        if not action:
            _refuse_query(request)
            return
        lane = self._receives if action == "ReceiveMessage" else self._others
        if len(lane.tasks) >= WAITING_MAX:
            _refuse(request, Refused("ServiceUnavailable", "all threads are busy", status=503))
            return
        task = asyncio.get_running_loop().create_task(self._answer(request, action, lane))
        lane.tasks.add(task)
        task.add_done_callback(lane.tasks.discard)

    def stop(self) -> None:
        """Start no more actions; those in hand end within a second."""
        self.actions.stop()
        for lane in (self._receives, self._others):
            lane.threads.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, request: Request, action: str, lane: _Lane) -> None:
        gone = threading.Event()
        request.dropped = lambda: _leave(request, gone)
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(
                lane.threads, self.actions.run, action, request.body, gone
            )
        except Refused as refused:
            _refuse(request, refused)
        except Exception:
            log.exception("the SQS action %s failed", action)
            _refuse(request, Refused("InternalFailure", "see the gateway's log", status=500))
        else:
            _reply(request, 200, orjson.dumps(answer), "")


def _refuse(request: Request, refused: Refused) -> None:
    _reply(request, refused.status, refused.body(), refused.header())


def _refuse_query(request: Request) -> None:
    """Answer an SDK from before SQS's JSON protocol so that it shows the reason."""
    sentence = "SQS's query protocol is not emulated; update the SDK (boto3 from 1.28.82)"
    error_xml = (
        f"<Type>Sender</Type><Code>InvalidAction</Code><Message>{escape(sentence)}</Message>"
    )
    body = f"<ErrorResponse><Error>{error_xml}</Error></ErrorResponse>"
    request.reply(400, "Content-Type: text/xml\r\n", body.encode())


def _reply(request: Request, status: int, body: bytes, lines: str) -> None:
    lines += f"x-amzn-RequestId: {uuid.uuid4()}\r\nContent-Type: application/x-amz-json-1.0\r\n"
    request.reply(status, lines, body)


def _leave(request: Request, gone: threading.Event) -> None:
    gone.set()
    request.reply = lambda status, header_lines, body: None
