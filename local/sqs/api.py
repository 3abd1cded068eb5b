"""The SQS API: what boto3 and `aws sqs` send (AWS JSON 1.0), each action in a thread.

Long polls block, so threads are many and bounded; what each action does is in `actions`.
"""

import asyncio
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor

import orjson

from local.gateway.request import Request
from local.sqs.actions import Actions, Refused
from local.template import Template

log = logging.getLogger(__name__)

TARGET = "AmazonSQS."
THREADS_MAX = 32  # long polls at a time; each has a connection to Redis
WAITING_MAX = 256  # requests for a thread, over which callers are told to come again


class SqsApi:
    """Answers the actions of SQS on a template's queues."""

    def __init__(self, template: Template) -> None:
        self._actions = Actions(template)
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="sqs")
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, request: Request) -> None:
        if len(self._tasks) >= WAITING_MAX:
            busy = Refused("ServiceUnavailable", "all threads are busy; retry", status=503)
            _reply(request, busy.status, busy.body(), busy.header())
            return
        request.dropped = lambda: _leave(request)
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Start no more actions; those in hand end within a second."""
        self._actions.stopping.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, request: Request) -> None:
        action = request.fields["x-amz-target"].removeprefix(TARGET)
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(
                self._threads, self._actions.run, action, request.body
            )
        except Refused as refused:
            _reply(request, refused.status, refused.body(), refused.header())
        except Exception:
            failed = Refused("InternalFailure", "see the gateway's log", status=500)
            _reply(request, failed.status, failed.body(), failed.header())
            log.exception("the SQS action %s failed", action)
        else:
            _reply(request, 200, orjson.dumps(answer), "")


def _reply(request: Request, status: int, body: bytes, lines: str) -> None:
    lines += f"x-amzn-RequestId: {uuid.uuid4()}\r\nContent-Type: application/x-amz-json-1.0\r\n"
    request.reply(status, lines, body)


def _leave(request: Request) -> None:
    request.reply = lambda status, header_lines, body: None
