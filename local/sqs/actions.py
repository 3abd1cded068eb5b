"""The actions of SQS: JSON in, JSON out, or Refused in SQS's words."""

import threading
import time
from collections.abc import Callable
from typing import Any

import orjson

from local.aws_models import parameters
from local.sqs.attempts import Attempts
from local.sqs.checks import (
    BATCH_MAX,
    check_attempt,
    check_names,
    check_number,
    check_order,
    check_sent,
    differing,
    entries_of,
    handle_of,
    page_of,
    trace_of,
)
from local.sqs.connections import Connections
from local.sqs.digest import md5, md5_of_attributes
from local.sqs.messages import Json, flat, message, requested, size_of, typed
from local.sqs.move_tasks import MoveTasks, arn_of
from local.sqs.refusals import (
    PREFIX,
    Refused,
    invalid_handle,
    no_such_queue,
    parsed,
    queue_exists,
    worded,
)
from local.template import Queue, Template
from local.template.intrinsics import ACCOUNT_ID, QUEUE_URL
from local.traces.context import of_header
from redis_sqs import Typed, name_of
from redis_sqs.carrier import Carrier
from redis_sqs.redis_queue import Release

BATCH_BYTES_MAX = 1_048_576  # as much as one message
WAIT_MAX_S = 20
WAIT_SLICE_S = 1.0  # an empty receive costs 150 us
VISIBILITY_MAX_S = 43_200


class Actions:
    """The actions on one template's queues; may be called by many threads."""

    def __init__(self, template: Template, carrier: Carrier) -> None:
        self._connections = Connections(carrier)
        self._queues = {queue.name: queue for queue in template.queues.values()}
        self.move_tasks = MoveTasks(template, carrier)
        self._attempts = Attempts()
        self._shapes = parameters.table("sqs")
        self._started_s = str(int(time.time()))
        self._mine = threading.local()
        self._stopping = threading.Event()
        self._actions: dict[str, Callable[[Json], Json]] = {
            "CancelMessageMoveTask": self.move_tasks.cancel,
            "ChangeMessageVisibility": self._change_visibility,
            "ChangeMessageVisibilityBatch": self._batch_of(self._change_visibility),
            "CreateQueue": self._create,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._batch_of(self._delete),
            "GetQueueAttributes": self._attributes,
            "GetQueueUrl": self._url,
            "ListDeadLetterSourceQueues": self._list_sources,
            "ListMessageMoveTasks": self.move_tasks.list,
            "ListQueueTags": self._tags,
            "ListQueues": self._list,
            "PurgeQueue": self._purge,
            "ReceiveMessage": self._receive,
            "SendMessage": self._send,
            "SendMessageBatch": self._send_batch,
            "StartMessageMoveTask": self.move_tasks.start,
        }

    def run(self, action: str, body: bytes, gone: threading.Event, trace: str = "") -> Json:
        """Do one action, unless its caller is `gone`. Raises Refused.

        `trace` is the header by which SDKs in a function tell of their trace, as on AWS.
        """
        self._mine.gone = gone
        self._mine.trace = trace if of_header(trace) else ""
        request = parsed(body, action, self.shape_of(action))
        with worded():
            return {} if gone.is_set() else self._actions[action](request)

    def shape_of(self, action: str) -> Json:
        """Return the parameters of an action. Raises Refused where it is not emulated, or none."""
        if action not in self._actions:
            reason = "is not emulated" if action in self._shapes else "is no action of SQS"
            names = ", ".join(self._actions)
            raise Refused("InvalidAction", f"{action} {reason}; there are {names}")
        shape: Json = self._shapes[action]
        return shape

    def stop(self) -> None:
        """Have long polls and move tasks end soon."""
        self._stopping.set()
        self.move_tasks.stop()

    def _queue(self, request: Json) -> Queue:
        name = name_of(request["QueueUrl"])
        if name not in self._queues:
            raise no_such_queue()
        return self._queues[name]

    def _send(self, request: Json) -> Json:
        queue = self._queue(request)
        check_sent(request, queue)
        attributes = typed(request.get("MessageAttributes") or {})
        system = typed(request.get("MessageSystemAttributes") or {})
        connected = self._connections.to(queue)
        send = connected.send_in_order if queue.is_fifo else connected.send
        sent = send(
            request["MessageBody"],
            delay_s=request.get("DelaySeconds"),
            attributes={name: Typed(*value) for name, value in attributes.items()},
            group=request.get("MessageGroupId", ""),
            deduplication_id=request.get("MessageDeduplicationId", ""),
            trace=trace_of(system) or self._mine.trace,
        )
        digests = {
            "MD5OfMessageBody": md5(request["MessageBody"]),
            "MD5OfMessageAttributes": attributes and md5_of_attributes(flat(attributes)),
            "MD5OfMessageSystemAttributes": system and md5_of_attributes(flat(system)),
        }
        id_, number = sent if queue.is_fifo else (sent, "")
        answer = {"MessageId": id_, "SequenceNumber": number, **digests}
        return {name: value for name, value in answer.items() if value}

    def _receive(self, request: Json) -> Json:
        queue = self._queue(request)
        visibility_s = request.get("VisibilityTimeout")
        if visibility_s is not None:
            check_number("VisibilityTimeout", visibility_s, 0, VISIBILITY_MAX_S)
        wait_s = check_number(
            "WaitTimeSeconds",
            request.get("WaitTimeSeconds", queue.wait_s),
            0,
            WAIT_MAX_S,
            f"Must be >= 0 and <= {WAIT_MAX_S}, if provided.",
        )
        most = check_number(
            "MaxNumberOfMessages",
            request.get("MaxNumberOfMessages", 1),
            1,
            BATCH_MAX,
            f"Must be between 1 and {BATCH_MAX}, if provided.",
        )
        system = request.get("MessageSystemAttributeNames") or request.get("AttributeNames") or []
        members = self._shapes["ReceiveMessage"]["members"]
        check_names(system, members["MessageSystemAttributeNames"])
        attempt_id = check_attempt(request, is_fifo=queue.is_fifo)
        received = self._again(queue, attempt_id, visibility_s) if attempt_id else []
        if not received:
            received = self._wait_for(self._connections.to(queue, visibility_s), most, wait_s)
        if attempt_id:
            self._attempts.keep(queue.name, attempt_id, received)
        shown = requested(request.get("MessageAttributeNames"))
        messages = [message(each, queue.name, shown, requested(system)) for each in received]
        return {"Messages": messages} if messages else {}

    def _again(self, queue: Queue, attempt_id: str, visibility_s: int | None) -> list[Any]:
        """Return what the attempt received before, hidden anew; nothing if that has changed."""
        received = self._attempts.earlier(queue.name, attempt_id)
        hidden_s = queue.visibility_timeout_s if visibility_s is None else visibility_s
        connection = self._connections.to(queue)
        answers = [connection.change_visibility(each.receipt_handle, hidden_s) for each in received]
        return received if all(each is Release.DONE for each in answers) else []

    def _wait_for(self, queue: Any, most: int, wait_s: int) -> list[Any]:
        """Receive in short waits: not long after the end, nor for a caller that has gone."""
        give_up_s = time.monotonic() + wait_s
        while True:
            left_s = max(0.0, give_up_s - time.monotonic())
            received: list[Any] = queue.receive(most, wait_s=min(left_s, WAIT_SLICE_S))
            is_over = self._stopping.is_set() or self._mine.gone.is_set()
            if received or left_s <= WAIT_SLICE_S or is_over:
                return received

    def _delete(self, request: Json) -> Json:
        queue = self._queue(request)
        if self._connections.to(queue).delete([handle_of(request, queue)]):
            raise invalid_handle(request["ReceiptHandle"], "The receipt handle has expired.")
        return {}

    def _purge(self, request: Json) -> Json:
        queue = self._queue(request)
        if not self._connections.to(queue).purge():
            sentence = f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds."
            raise Refused(f"{PREFIX}PurgeQueueInProgress", sentence, status=403)
        return {}

    def _change_visibility(self, request: Json) -> Json:
        if "VisibilityTimeout" not in request:  # botocore's model does not ask it of an entry
            sentence = "The request must contain the parameter VisibilityTimeout."
            raise Refused("MissingParameter", sentence)
        after_s = check_number(
            "VisibilityTimeout", request["VisibilityTimeout"], 0, VISIBILITY_MAX_S
        )
        queue = self._queue(request)
        handle = handle_of(request, queue)
        answer = self._connections.to(queue).change_visibility(handle, after_s)
        if answer is Release.VISIBLE:
            raise Refused(f"{PREFIX}MessageNotInflight", "The specified message isn't in flight.")
        if answer is Release.STALE:
            reason = "Message does not exist or is not available for visibility timeout change."
            raise invalid_handle(request["ReceiptHandle"], reason)
        return {}

    def _batch_of(self, action: Callable[[Json], Json]) -> Callable[[Json], Json]:
        """Return the action on each of up to ten entries, whose failures it names one by one."""

        def run_all(request: Json) -> Json:
            self._queue(request)
            successful: list[Json] = []
            failed: list[Json] = []
            for entry in entries_of(request):
                try:
                    with worded():
                        done = action({**entry, "QueueUrl": request["QueueUrl"]})
                    successful.append({"Id": entry["Id"], **done})
                except Refused as refused:
                    failed.append(refused.entry(entry["Id"]))
            return {"Successful": successful, "Failed": failed}

        return run_all

    def _send_batch(self, request: Json) -> Json:
        entries = entries_of(request)
        check_order(entries, self._queue(request))
        size = sum(size_of(entry) for entry in entries)
        if size > BATCH_BYTES_MAX:
            sentence = f"Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes."
            raise Refused(f"{PREFIX}BatchRequestTooLong", f"{sentence} You have sent {size} bytes.")
        return self._batch_of(self._send)(request)

    def _attributes(self, request: Json) -> Json:
        queue = self._queue(request)
        names = request.get("AttributeNames", [])
        check_names(names, self._shapes["GetQueueAttributes"]["members"]["AttributeNames"])
        is_shown = requested(names)
        values = {name: each for name, each in self._values(queue).items() if is_shown(name)}
        return {"Attributes": values} if values else {}

    def _values(self, queue: Queue) -> dict[str, str]:
        """Return the attributes of a queue."""
        depth = self._connections.to(queue).depth()
        values = {
            "ApproximateNumberOfMessages": depth.visible,
            "ApproximateNumberOfMessagesDelayed": depth.delayed,
            "ApproximateNumberOfMessagesNotVisible": depth.in_flight + depth.retrying,
            "CreatedTimestamp": self._started_s,
            "DelaySeconds": queue.delay_s,
            "LastModifiedTimestamp": self._started_s,
            "MaximumMessageSize": queue.message_bytes_max,
            "MessageRetentionPeriod": queue.retention_s,
            "QueueArn": arn_of(queue.name),
            "ReceiveMessageWaitTimeSeconds": queue.wait_s,
            "SqsManagedSseEnabled": str(queue.is_encrypted_by_sqs).lower(),
            "VisibilityTimeout": queue.visibility_timeout_s,
        }
        if queue.is_fifo:
            by_group = queue.deduplicates_by_group
            values |= {
                "ContentBasedDeduplication": str(queue.deduplicates_content).lower(),
                "DeduplicationScope": "messageGroup" if by_group else "queue",
                "FifoQueue": "true",
                "FifoThroughputLimit": queue.throughput_limit,
            }
        values |= queue.others
        if queue.dead_letter:
            redrive = {
                "deadLetterTargetArn": arn_of(queue.dead_letter),
                "maxReceiveCount": queue.max_receive_count,
            }
            values["RedrivePolicy"] = orjson.dumps(redrive).decode()
        return {name: str(each) for name, each in values.items()}

    def _tags(self, request: Json) -> Json:
        tags = self._queue(request).tags
        return {"Tags": dict(tags)} if tags else {}

    def _url(self, request: Json) -> Json:
        if request.get("QueueOwnerAWSAccountId", ACCOUNT_ID) != ACCOUNT_ID:
            raise no_such_queue()
        return {"QueueUrl": QUEUE_URL + self._queue({"QueueUrl": request["QueueName"]}).name}

    def _create(self, request: Json) -> Json:
        """Return the URL of a queue that is there already; only templates make queues here.

        As on AWS its attributes must be those that are wished, and its tags stay as they are.
        """
        name = request["QueueName"]
        if name not in self._queues:
            sentence = f"{name} is no queue of the template, which alone makes queues here"
            raise Refused(f"{PREFIX}UnsupportedOperation", f"{sentence}; add an AWS::SQS::Queue.")
        wishes = request.get("Attributes") or {}
        check_names(wishes, self._shapes["GetQueueAttributes"]["members"]["AttributeNames"])
        if different := differing(wishes, self._values(self._queues[name])):
            raise queue_exists(different)
        return {"QueueUrl": QUEUE_URL + name}

    def _list(self, request: Json) -> Json:
        prefix = request.get("QueueNamePrefix", "")
        urls = [QUEUE_URL + name for name in self._queues if name.startswith(prefix)]
        page = page_of(urls, request, "QueueUrls")
        return page if page["QueueUrls"] else {}  # SQS names no list where there is none

    def _list_sources(self, request: Json) -> Json:
        dead_letter = self._queue(request).name
        sources = [queue for queue in self._queues.values() if queue.dead_letter == dead_letter]
        return page_of([QUEUE_URL + queue.name for queue in sources], request, "queueUrls")
