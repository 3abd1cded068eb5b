"""Redrive as actions of the SQS API: a task moves dead letters in a thread, and ends with us."""

import base64
import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import Any

import orjson

from local.sqs.checks import check_number
from local.sqs.messages import Json
from local.sqs.refusals import Refused
from local.template import Template
from local.template.intrinsics import ACCOUNT_ID, REGION
from redis_sqs import QueueUnavailable
from redis_sqs.carrier import Carrier
from redis_sqs.moves import TaskRunning

log = logging.getLogger(__name__)

RATE_MAX_PER_S = 500  # SQS's own; also as many as this machine handles
LISTED_MAX = 10


def origins_of(template: Template) -> dict[str, list[str]]:
    """Return the queues of each dead-letter queue, by its name."""
    origins: dict[str, list[str]] = {}
    for queue in template.queues.values():
        if queue.dead_letter is not None:
            origins.setdefault(queue.dead_letter, []).append(queue.name)
    return origins


class MoveTasks:
    """The actions on the move tasks of a template's dead-letter queues; for many threads."""

    def __init__(self, template: Template, carrier: Carrier) -> None:
        self._carrier = carrier
        self._names = {arn_of(queue.name): queue.name for queue in template.queues.values()}
        self._origins = origins_of(template)
        self._started: dict[str, str] = {}  # handle of the last task, by dead-letter queue

    def start(self, request: Json) -> Json:
        source = self._queue(request, "SourceArn")
        if source not in self._origins:
            raise ValueError("Source queue must be configured as a Dead Letter Queue.")
        destination = self._queue(request, "DestinationArn") if "DestinationArn" in request else ""
        rate_per_s = request.get("MaxNumberOfMessagesPerSecond", RATE_MAX_PER_S)
        handle = self.begin(source, destination=destination, rate_per_s=rate_per_s)
        return {"TaskHandle": _handle_of(handle, source)}

    def begin(
        self, source: str, *, destination: str, rate_per_s: int, chosen: Sequence[str] = ()
    ) -> str:
        """Start a task in a thread: of all messages, or of those with the `chosen` ids.

        Returns its handle; raises ValueError in SQS's words.
        """
        if destination == source:
            raise ValueError("Source queue arn and destination queue arn cannot be the same.")
        if destination and destination.endswith(".fifo") != source.endswith(".fifo"):
            raise ValueError("The source queue and destination queue must be of the same type.")
        check_number("MaxNumberOfMessagesPerSecond", rate_per_s, 1, RATE_MAX_PER_S)
        moves = self._carrier.moves(source, self._origins[source])
        try:
            handle = moves.start(rate_per_s=rate_per_s, destination=destination, chosen=chosen)
        except TaskRunning as error:
            raise ValueError(
                "There is already a task running. Only one active task is allowed for a source"
                " queue arn at a given time."
            ) from error
        self._started[source] = handle
        threading.Thread(target=self._do, args=(moves,), daemon=True).start()
        return handle

    def cancel(self, request: Json) -> Json:
        try:
            handle_parts = orjson.loads(base64.b64decode(request["TaskHandle"], validate=True))
            task, source = str(handle_parts["taskId"]), self._names.get(handle_parts["sourceArn"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError("Value for parameter TaskHandle is invalid.") from error
        if source is None or not self._carrier.moves(source, []).cancel(task):
            raise _missing("Task does not exist or has ended; only a running one is cancelled.")
        last = self._carrier.moves(source, []).last()
        return {"ApproximateNumberOfMessagesMoved": last.moved if last else 0}

    def list(self, request: Json) -> Json:
        source = self._queue(request, "SourceArn")
        check_number("MaxResults", request.get("MaxResults", 1), 1, LISTED_MAX)
        last = self._carrier.moves(source, []).last()
        return {"Results": [_entry_of(last)] if last else []}

    def stop(self) -> None:
        """End the tasks that run here; what they moved is moved."""
        for source, handle in tuple(self._started.items()):
            with contextlib.suppress(QueueUnavailable):
                self._carrier.moves(source, []).cancel(handle)

    def _do(self, moves: Any) -> None:
        try:
            moves.do()
        except QueueUnavailable as error:
            log.warning("a move task has failed: %s", error)

    def _queue(self, request: Json, parameter: str) -> str:
        name = self._names.get(request[parameter])
        if name is None:
            sentence = f"The resource that you specified for the {parameter} parameter"
            raise _missing(f"{sentence} doesn't exist.")
        return name


def arn_of(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}"


def _entry_of(task: Any) -> Json:
    entry = {
        "Status": task.status,
        "SourceArn": arn_of(task.source),
        "MaxNumberOfMessagesPerSecond": task.rate_per_s,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_ms,
    }
    if task.status == "RUNNING":
        entry["TaskHandle"] = _handle_of(task.handle, task.source)
    if task.destination:
        entry["DestinationArn"] = arn_of(task.destination)
    if task.failure:
        entry["FailureReason"] = task.failure
    return entry


def _handle_of(task: str, source: str) -> str:
    return base64.b64encode(orjson.dumps({"taskId": task, "sourceArn": arn_of(source)})).decode()


def _missing(sentence: str) -> Refused:
    return Refused("ResourceNotFoundException", sentence, status=404)
