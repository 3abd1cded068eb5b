"""Queues as a person works on them: looked into, sent to, moved back, deleted from and purged.

What changes something goes through the actions of the SQS API, so that SQS's limits hold here too.
"""

import asyncio
import base64
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import orjson

from local.console import fields
from local.console.answers import Page, Refused, as_json, in_thread, number
from local.console.pages import Console
from local.machine.queue_depths import QueuesUnreadable, depth_of
from local.sqs import refusals
from local.sqs.actions import Actions
from local.sqs.move_tasks import RATE_MAX_PER_S, origins_of
from local.template import Queue, Template
from local.template.intrinsics import QUEUE_URL
from redis_sqs import QueueUnavailable, Typed
from redis_sqs.carrier import Carrier
from redis_sqs.moves import CHOSEN_MAX
from redis_sqs.peek import PEEKED_MAX, WaitingMessage
from redis_sqs.redis_queue import Drop, RedisQueue

SHOWN = 20  # messages of one look
SHOWN_MAX = 50
AT_ONCE = 10  # messages in one reading; each may have a megabyte
LOOK_BYTES_MAX = 4 * 1024 * 1024  # of bodies in one look
BODY_SHOWN = 4_096  # characters of a body in the list
STATES = ("visible", "delayed", "in_flight", "retrying")
Parameters = Mapping[str, str]
ELSEWHERE = "these queues are Amazon SQS's, which shows no message that is not received"


def add_queue_work(
    console: Console, template: Template, carrier: Carrier, actions: Actions
) -> None:
    """Serve what is below `/api/queues/{name}`, and the last move task of each queue."""
    queues = Queues(template, carrier, actions)
    console.add_view("/api/queues/{name}", in_thread(queues.about))
    console.add_view("/api/queues/{name}/messages", in_thread(queues.messages))
    console.add_view("/api/queues/{name}/messages/{id}", in_thread(queues.message))
    console.add_view("/api/move_tasks", in_thread(queues.move_tasks))
    for word, change in {
        "send": queues.send,
        "purge": queues.purge,
        "delete": queues.delete,
        "redrive": queues.redrive,
        "cancel": queues.cancel,
    }.items():
        console.add_action(f"/api/queues/{{name}}/{word}", _action(change))


class Queues:
    """The queues of one template on Redis; may be called by many threads."""

    def __init__(self, template: Template, carrier: Carrier, actions: Actions) -> None:
        self._template = template
        self._carrier = carrier
        self._actions = actions
        self._by_name = {queue.name: queue for queue in template.queues.values()}
        self._origins = origins_of(template)
        self._moves = {name: carrier.moves(name, []) for name in self._origins}

    def about(self, parameters: Parameters) -> dict[str, Any]:
        """Return what a queue is like, how full it is, and its last move task."""
        queue = self._queue(parameters)
        with _refusing():
            depth = depth_of(queue, os.environ)
        return {
            "name": queue.name,
            "is_fifo": queue.is_fifo,
            "visibility_timeout_s": queue.visibility_timeout_s,
            "max_receive_count": queue.max_receive_count,
            "retention_s": queue.retention_s,
            "delay_s": queue.delay_s,
            "dead_letter": queue.dead_letter,
            "origins": self._origins.get(queue.name, []),
            "destinations": [
                name
                for name, each in self._by_name.items()
                if each.is_fifo == queue.is_fifo and name != queue.name
            ],
            **{name: getattr(depth, name) for name in STATES},
            "rate_max_per_s": RATE_MAX_PER_S,
            "chosen_max": CHOSEN_MAX,
            "is_shown": self._carrier.kind == "redis",
            "move_task": self._last_task(queue.name),
        }

    def messages(self, parameters: Parameters) -> dict[str, Any]:
        """Return messages in the order in which they become visible; none is received.

        They end early where they are large.
        """
        queue = self._on_redis(parameters)
        first = number(parameters, "first", 0, PEEKED_MAX)
        count = max(1, number(parameters, "count", SHOWN, SHOWN_MAX))
        listed: list[dict[str, Any]] = []
        left_bytes, has_more = LOOK_BYTES_MAX, False
        with _refusing():
            for message in self._carrier.peek(_url(queue), first=first, at_once=AT_ONCE):
                if has_more := len(listed) == count or left_bytes <= 0:
                    break
                listed.append(_shown(message, BODY_SHOWN))
                left_bytes -= listed[-1]["body_bytes"]
        return {"messages": listed, "next": first + len(listed), "has_more": has_more}

    def message(self, parameters: Parameters) -> dict[str, Any]:
        """Return one message with its whole body."""
        queue = self._on_redis(parameters)
        with _refusing():
            message = self._carrier.peek_one(_url(queue), parameters["id"])
        if message is None:
            raise Refused(404, f"the message is not on {queue.name}, or not any more")
        return _shown(message, len(message.body))

    def move_tasks(self, parameters: Parameters) -> dict[str, Any]:
        """Return the last move task of each dead-letter queue that ever had one."""
        tasks = [task for name in self._origins if (task := self._last_task(name))]
        return {"move_tasks": tasks}

    def send(self, parameters: Parameters, body: Any) -> dict[str, Any]:
        """Send a message; SQS's rules say what may be in it."""
        queue = self._on_redis(parameters)
        request = {
            "QueueUrl": _url(queue),
            "MessageBody": fields.text(body, "body"),
            "DelaySeconds": fields.number(body, "delay_s", None),
            "MessageGroupId": fields.text(body, "group", None),
            "MessageDeduplicationId": fields.text(body, "deduplication_id", None),
            "MessageAttributes": _attributes(fields.table(body, "attributes")),
        }
        named = {name: value for name, value in request.items() if value not in (None, {})}
        return self._run("SendMessage", named)

    def purge(self, parameters: Parameters, body: Any) -> dict[str, Any]:
        """Delete every message, where the name is repeated in `confirm`."""
        queue = self._on_redis(parameters)
        if fields.text(body, "confirm", "") != queue.name:
            raise Refused(400, f"to delete every message of {queue.name}, confirm with its name")
        return self._run("PurgeQueue", {"QueueUrl": _url(queue)})

    def delete(self, parameters: Parameters, body: Any) -> dict[str, Any]:
        """Delete one message that was looked at, unless somebody has received it since."""
        queue = self._on_redis(parameters)
        message_id = fields.text(body, "id")
        receive_count = fields.number(body, "receive_count")
        with _refusing():
            connected = RedisQueue(queue.name, redis_url=self._carrier.redis_url)
            end = connected.drop(message_id, receive_count)
        if end is Drop.CHANGED:
            raise Refused(409, "it is in flight, or was received since you looked; look again")
        return {"deleted": int(end)}

    def redrive(self, parameters: Parameters, body: Any) -> dict[str, Any]:
        """Begin to move dead letters back: all, or those in `ids`."""
        queue = self._on_redis(parameters)
        if queue.name not in self._origins:
            raise Refused(400, f"{queue.name} is no dead-letter queue of a queue of the template")
        destination = fields.text(body, "to", "")
        if destination and destination not in self._by_name:
            raise Refused(400, f"there is no queue {destination!r} to move messages to")
        rate_per_s = fields.number(body, "rate_per_s", RATE_MAX_PER_S)
        chosen = fields.texts(body, "ids")
        if "ids" in body and not chosen:
            raise Refused(400, "no message is chosen")
        with _refusing():
            self._actions.move_tasks.begin(
                queue.name, destination=destination, rate_per_s=rate_per_s, chosen=chosen
            )
        return {"move_task": self._last_task(queue.name)}

    def cancel(self, parameters: Parameters, body: Any) -> dict[str, Any]:
        """Stop the move task that runs; what it moved is moved, the rest stays."""
        queue = self._on_redis(parameters)
        with _refusing():
            is_canceled = queue.name in self._moves and self._moves[queue.name].cancel()
        if not is_canceled:
            raise Refused(409, f"no task moves messages of {queue.name}")
        return {"move_task": self._last_task(queue.name)}

    def _last_task(self, name: str) -> dict[str, Any] | None:
        if name not in self._moves or self._carrier.kind != "redis":
            return None
        with _refusing():
            task = self._moves[name].last()
        return asdict(task) if task else None

    def _run(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        with _refusing():
            return self._actions.run(action, orjson.dumps(request), threading.Event())

    def _queue(self, parameters: Parameters) -> Queue:
        queue = self._by_name.get(parameters["name"])
        if queue is None:
            there_are = ", ".join(sorted(self._by_name)) or "none"
            raise Refused(404, f"there is no such queue; there are: {there_are}")
        return queue

    def _on_redis(self, parameters: Parameters) -> Queue:
        if self._carrier.kind != "redis":
            raise Refused(409, ELSEWHERE)
        return self._queue(parameters)


def _action(
    change: Callable[[Parameters, Any], dict[str, Any]],
) -> Callable[[Parameters, Any], Any]:
    async def action(parameters: Parameters, body: Any) -> Page:
        return as_json(await asyncio.to_thread(change, parameters, body))

    return action


@contextmanager
def _refusing() -> Iterator[None]:
    """Refuse what the queues refuse, in their words."""
    try:
        with refusals.worded():
            yield
    except refusals.Refused as refused:
        raise Refused(refused.status, str(refused)) from refused
    except (QueueUnavailable, QueuesUnreadable) as error:
        raise Refused(503, str(error)) from error


def _url(queue: Queue) -> str:
    return f"{QUEUE_URL}{queue.name}"


def _attributes(values: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return attributes as SQS takes them; the value of a Binary one is base64 already."""
    attributes = {}
    for name, each in values.items():
        data_type, value = fields.text(each, "type", "String"), fields.text(each, "value")
        key = "BinaryValue" if data_type.startswith("Binary") else "StringValue"
        attributes[name] = {"DataType": data_type, key: value}
    return attributes


def _shown(message: WaitingMessage, body_max: int) -> dict[str, Any]:
    return {
        "id": message.message_id,
        "state": message.state,
        "visible_at_ms": message.visible_at_ms,
        "receive_count": message.receive_count,
        "sent_at_ms": message.sent_at_ms,
        "first_received_at_ms": message.first_received_at_ms,
        "reason": message.reason,
        "attributes": {name: _typed(value) for name, value in message.attributes.items()},
        "system": dict(message.system),
        "body": message.body[:body_max],
        "body_bytes": len(message.body.encode()),
        "is_whole": len(message.body) <= body_max,
    }


def _typed(value: str | Typed) -> dict[str, str]:
    if isinstance(value, str):
        return {"type": "String", "value": value}
    text = value.value if isinstance(value.value, str) else base64.b64encode(value.value).decode()
    return {"type": value.data_type, "value": text}
