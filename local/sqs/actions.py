"""What each action of SQS does: its JSON in, its JSON out, or Refused as SQS words it."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson

from local.sqs.digest import md5, md5_of_attributes
from local.sqs.messages import Json, flat, given, message, wanted
from local.template import Queue, Template
from local.template.intrinsics import ACCOUNT_ID, QUEUE_URL, REGION
from local.wiring import BACKEND_LAYER

BATCH_MAX = 10
BATCH_BYTES_MAX = 1_048_576  # as much as one message
WAIT_MAX_S = 20
WAIT_SLICE_S = 1.0  # an empty receive costs 150 us
VISIBILITY_MAX_S = 43_200
INSTANCES_MAX = 64  # of a thread: queues, times the visibility timeouts that receivers ask for


class Refused(Exception):
    """An error as SQS answers it; `code` is what SDKs show."""

    def __init__(self, code: str, message: str, *, kind: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.kind = kind or code  # in the JSON protocol some have another name than they had
        self.status = status

    def body(self) -> bytes:
        return orjson.dumps({"__type": f"com.amazonaws.sqs#{self.kind}", "message": str(self)})

    def header(self) -> str:
        return (
            f"x-amzn-query-error: {self.code};{'Sender' if self.status < 500 else 'Receiver'}\r\n"
        )


class Actions:
    """The actions on one template's queues; may be called by many threads."""

    def __init__(self, template: Template) -> None:
        # Not everybody who runs a gateway has the functions' shared package on the path.
        if str(BACKEND_LAYER) not in sys.path:
            sys.path.insert(0, str(BACKEND_LAYER))
        from backend import errors, queues  # noqa: PLC0415

        self._backend, self._errors = queues, errors
        self._queues = {queue.name: queue for queue in template.queues.values()}
        self._mine = threading.local()
        self.stopping = threading.Event()
        self._actions: dict[str, Callable[[Json], Json]] = {
            "ChangeMessageVisibility": self._change_visibility,
            "ChangeMessageVisibilityBatch": self._batch_of(self._change_visibility),
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._batch_of(self._delete),
            "GetQueueAttributes": self._attributes,
            "GetQueueUrl": self._url,
            "ListQueues": self._list,
            "PurgeQueue": self._purge,
            "ReceiveMessage": self._receive,
            "SendMessage": self._send,
            "SendMessageBatch": self._send_batch,
        }

    def run(self, action: str, body: bytes) -> Json:
        """Do one action. Raises Refused."""
        if action not in self._actions:
            known = ", ".join(self._actions)
            raise Refused("InvalidAction", f"{action} is not emulated; there are {known}")
        try:
            asked = orjson.loads(body or b"{}")
            return self._actions[action](asked)
        except self._errors.QueueFull as error:
            raise Refused("OverLimit", str(error), status=403) from error
        except self._errors.Unavailable as error:
            raise Refused("ServiceUnavailable", str(error), status=503) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused("MissingParameter", f"a parameter is missing or odd: {error}") from error
        except ValueError as error:
            raise Refused("InvalidParameterValue", str(error)) from error

    def _queue(self, asked: Json) -> Queue:
        name = self._backend.name_of(asked["QueueUrl"])
        if name not in self._queues:
            raise Refused(
                "AWS.SimpleQueueService.NonExistentQueue",
                "The specified queue does not exist.",
                kind="QueueDoesNotExist",
            )
        return self._queues[name]

    def _connected(self, queue: Queue, visibility_timeout_s: int | None = None) -> Any:
        """This thread's connection to a queue, which belongs to no other thread."""
        known: dict[tuple[str, int], Any] = self._mine.__dict__.setdefault("known", {})
        if visibility_timeout_s is None:
            visibility_timeout_s = queue.visibility_timeout_s
        key = (queue.name, visibility_timeout_s)
        if key not in known:
            if len(known) >= INSTANCES_MAX:
                known.clear()
            url = f"{QUEUE_URL}{queue.name}"
            # A queue without a mapping has no worker that declares it.
            self._backend.declare(
                url,
                delay_s=queue.delay_s,
                message_bytes_max=queue.message_bytes_max,
                deduplicates_content=queue.deduplicates_content,
                deduplicates_by_group=queue.deduplicates_by_group,
            )
            known[key] = self._backend.connect(
                url,
                visibility_timeout_s=visibility_timeout_s,
                max_receive_count=queue.max_receive_count or 0,
                dead_letter_url=f"{QUEUE_URL}{queue.dead_letter}" if queue.dead_letter else None,
                retention_s=queue.retention_s,
            )
        return known[key]

    def _send(self, asked: Json) -> Json:
        attributes = given(asked.get("MessageAttributes") or {})
        message_id = self._connected(self._queue(asked)).send(
            asked["MessageBody"],
            delay_s=asked.get("DelaySeconds"),
            attributes={name: self._backend.Typed(*typed) for name, typed in attributes.items()},
            group=asked.get("MessageGroupId", ""),
            deduplication_id=asked.get("MessageDeduplicationId", ""),
        )
        answer = {"MessageId": message_id, "MD5OfMessageBody": md5(asked["MessageBody"])}
        if attributes:
            answer["MD5OfMessageAttributes"] = md5_of_attributes(flat(attributes))
        return answer

    def _receive(self, asked: Json) -> Json:
        queue = self._queue(asked)
        visibility_s = asked.get("VisibilityTimeout")
        if visibility_s is not None:
            _check("VisibilityTimeout", visibility_s, 0, VISIBILITY_MAX_S)
        wait_s = _check("WaitTimeSeconds", asked.get("WaitTimeSeconds", 0), 0, WAIT_MAX_S)
        most = _check("MaxNumberOfMessages", asked.get("MaxNumberOfMessages", 1), 1, BATCH_MAX)
        received = self._wait_for(self._connected(queue, visibility_s), most, wait_s)
        shown = wanted(asked.get("MessageAttributeNames"))
        system = asked.get("MessageSystemAttributeNames") or asked.get("AttributeNames")
        messages = [message(each, shown, wanted(system)) for each in received]
        return {"Messages": messages} if messages else {}

    def _wait_for(self, queue: Any, most: int, wait_s: int) -> list[Any]:
        """Receive in short waits, so that a thread ends soon after `stopping` is set."""
        give_up_s = time.monotonic() + wait_s
        while True:
            left_s = max(0.0, give_up_s - time.monotonic())
            received: list[Any] = queue.receive(most, wait_s=min(left_s, WAIT_SLICE_S))
            if received or left_s <= WAIT_SLICE_S or self.stopping.is_set():
                return received

    def _delete(self, asked: Json) -> Json:
        self._connected(self._queue(asked)).delete([asked["ReceiptHandle"]])
        return {}

    def _purge(self, asked: Json) -> Json:
        queue = self._queue(asked)
        if not self._connected(queue).purge():
            sentence = f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds."
            raise Refused(
                "AWS.SimpleQueueService.PurgeQueueInProgress",
                sentence,
                kind="PurgeQueueInProgress",
                status=403,
            )
        return {}

    def _change_visibility(self, asked: Json) -> Json:
        after_s = _check("VisibilityTimeout", asked["VisibilityTimeout"], 0, VISIBILITY_MAX_S)
        self._connected(self._queue(asked)).release(asked["ReceiptHandle"], after_s=after_s)
        return {}

    def _batch_of(self, action: Callable[[Json], Json]) -> Callable[[Json], Json]:
        """The action for each of up to ten entries, whose failures are told one by one."""

        def run_all(asked: Json) -> Json:
            self._queue(asked)
            successful: list[Json] = []
            failed: list[Json] = []
            for entry in _entries(asked):
                try:
                    done = action({**entry, "QueueUrl": asked["QueueUrl"]})
                    successful.append({"Id": entry["Id"], **done})
                except ValueError as error:
                    refused = {"Code": "InvalidParameterValue", "Message": str(error)}
                    failed.append({"Id": entry["Id"], "SenderFault": True, **refused})
            return {"Successful": successful, "Failed": failed}

        return run_all

    def _send_batch(self, asked: Json) -> Json:
        size = sum(len(entry["MessageBody"].encode()) for entry in _entries(asked))
        if size > BATCH_BYTES_MAX:
            sentence = f"Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes."
            raise _batch_error("BatchRequestTooLong", f"{sentence} You have sent {size} bytes.")
        return self._batch_of(self._send)(asked)

    def _attributes(self, asked: Json) -> Json:
        queue = self._queue(asked)
        is_asked = wanted(asked.get("AttributeNames"))
        depth = self._connected(queue).depth()
        found = {
            "ApproximateNumberOfMessages": depth.visible,
            "ApproximateNumberOfMessagesDelayed": depth.delayed,
            "ApproximateNumberOfMessagesNotVisible": depth.in_flight,
            "DelaySeconds": queue.delay_s,
            "MaximumMessageSize": queue.message_bytes_max,
            "MessageRetentionPeriod": queue.retention_s,
            "QueueArn": _arn(queue.name),
            "VisibilityTimeout": queue.visibility_timeout_s,
        }
        if queue.is_fifo:
            found |= {"FifoQueue": "true"}
        if queue.dead_letter:
            redrive = {
                "deadLetterTargetArn": _arn(queue.dead_letter),
                "maxReceiveCount": queue.max_receive_count,
            }
            found["RedrivePolicy"] = orjson.dumps(redrive).decode()
        return {"Attributes": {name: str(each) for name, each in found.items() if is_asked(name)}}

    def _url(self, asked: Json) -> Json:
        return {"QueueUrl": QUEUE_URL + self._queue({"QueueUrl": asked["QueueName"]}).name}

    def _list(self, asked: Json) -> Json:
        prefix = asked.get("QueueNamePrefix", "")
        return {"QueueUrls": [QUEUE_URL + name for name in self._queues if name.startswith(prefix)]}


def _entries(asked: Json) -> list[Json]:
    entries: list[Json] = asked["Entries"]
    if not entries:
        raise _batch_error("EmptyBatchRequest", "There should be at least one entry.")
    if len(entries) > BATCH_MAX:
        sentence = f"Maximum number of entries per request are 10. You have sent {len(entries)}."
        raise _batch_error("TooManyEntriesInBatchRequest", sentence)
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise _batch_error("BatchEntryIdsNotDistinct", "Two entries have one Id.")
    return entries


def _batch_error(kind: str, sentence: str) -> Refused:
    return Refused(f"AWS.SimpleQueueService.{kind}", sentence, kind=kind)


def _check(name: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or not low <= value <= high:
        raise ValueError(
            f"Value {value} for parameter {name} is invalid. Reason: Must be >= {low} and <= {high}"
        )
    return value


def _arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}"
