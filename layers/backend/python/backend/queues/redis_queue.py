"""A queue on Redis or Valkey: a sorted set by time of visibility, one Lua script a transition.

Ready, delayed and in flight are one set, so no sweeper has to live for the queue to move. All times
are the server's. The receipt handle carries the receive count: a receive makes older handles void.
"""

import json
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import OutOfMemoryError

from backend.errors import QueueFull, QueueUnavailable
from backend.queues import NO_ATTRIBUTES, Depth, Message, limits
from backend.redis_scripts import Script, ScriptServer, client
from backend.settings import settings

SENT_AT_ONCE_MAX = (
    500  # messages in one script: about a millisecond in which the server serves nobody
)
LOOK_AGAIN_S = 5.0  # longest sleep: what a killed receiver held comes back without anybody's wake
WAIT_ANSWER_S = LOOK_AGAIN_S + 1.0  # a waiting call is answered when its time is over, not before
DELETED_AT_ONCE_MAX = 500  # as SENT_AT_ONCE_MAX

_SCRIPTS = Path(__file__).parent / "scripts"
SEND = Script(_SCRIPTS / "send.lua")
RECEIVE = Script(_SCRIPTS / "receive.lua")
DELETE = Script(_SCRIPTS / "delete.lua")
RELEASE = Script(_SCRIPTS / "release.lua")
DEPTH = Script(_SCRIPTS / "depth.lua")


class Keys:
    """The names under which Redis holds one queue; the scripts say what is in them."""

    def __init__(self, queue: str) -> None:
        self.visible_at = f"queue:{queue}:visible_at"
        self.entries = f"queue:{queue}:entries"
        self.progress = f"queue:{queue}:progress"
        self.delayed = f"queue:{queue}:delayed"
        self.wake = f"queue:{queue}:wake"
        self.filling = f"queue:{queue}:filling"

    def all(self) -> list[str]:
        return [
            *(self.visible_at, self.entries, self.progress),
            *(self.delayed, self.wake, self.filling),
        ]


class RedisQueue:
    """Implements backend.queues.Queue. Threads may share an instance, CONNECTIONS_MAX at once."""

    def __init__(  # noqa: PLR0913  # SQS's own attributes of a queue, each with its default
        self,
        name: str,
        *,
        visibility_timeout_s: float = 30,
        max_receive_count: int = 5,
        dead_letter: str | None = None,
        retention_s: int = 345_600,
        fill_s: float = 0,
        depth_max: int = settings.queue_depth_max,
        redis_url: str = settings.redis_url,
    ) -> None:
        self.name = name
        self._keys = Keys(name)
        self._receive_keys = [*self._keys.all(), *(Keys(dead_letter).all() if dead_letter else [])]
        self._visibility_ms = round(visibility_timeout_s * 1000)
        self._max_receive_count = max_receive_count
        self._retention_ms = retention_s * 1000
        self._fill_ms = round(fill_s * 1000)
        self._depth_max = depth_max
        self._server = ScriptServer(redis_url)
        self._waiting = client(redis_url, answer_timeout_s=WAIT_ANSWER_S)

    def send(
        self, body: str, *, delay_s: int = 0, attributes: Mapping[str, str] = NO_ATTRIBUTES
    ) -> str:
        """Send one message and return its id."""
        limits.check_messages([body], attributes, delay_s)
        about = json.dumps(dict(attributes)) if attributes else ""
        return self._send([f"{about}\n{body}"], delay_s)[0]

    def send_batch(self, bodies: Sequence[str], *, delay_s: int = 0) -> list[str]:
        """Send all of `bodies` and return their ids, in their order."""
        limits.check_messages(bodies, NO_ATTRIBUTES, delay_s)
        ids: list[str] = []
        for start in range(0, len(bodies), SENT_AT_ONCE_MAX):
            part = bodies[start : start + SENT_AT_ONCE_MAX]
            ids += self._send([f"\n{body}" for body in part], delay_s)
        return ids

    def receive(self, max_messages: int = 10, *, wait_s: float = 0) -> list[Message]:
        """Take up to `max_messages`, waiting at most `wait_s` for the first."""
        limits.check_receive(max_messages, wait_s)
        give_up_at = time.monotonic() + wait_s
        while True:
            next_visible_ms, *flat = self._run(
                RECEIVE,
                self._receive_keys,
                max_messages,
                self._visibility_ms,
                self._max_receive_count,
                self._retention_ms,
                self.name,
                self._fill_ms,
            )
            left_s = give_up_at - time.monotonic()
            if flat or left_s <= 0:
                return [_message(*flat[i : i + 5]) for i in range(0, len(flat), 5)]
            self._sleep(left_s if next_visible_ms < 0 else min(left_s, next_visible_ms / 1000))

    def delete(self, receipt_handles: Sequence[str]) -> None:
        """Delete the messages whose newest handle is among `receipt_handles`."""
        keys = [self._keys.visible_at, self._keys.entries, self._keys.progress]
        for start in range(0, len(receipt_handles), DELETED_AT_ONCE_MAX):
            self._run(DELETE, keys, *receipt_handles[start : start + DELETED_AT_ONCE_MAX])

    def release(self, receipt_handle: str, *, after_s: int, reason: str = "") -> None:
        """Make the message visible in `after_s`, unless the handle is not its newest."""
        limits.check_release(after_s)
        keys = [self._keys.visible_at, self._keys.progress, self._keys.wake]
        self._run(RELEASE, keys, receipt_handle, after_s * 1000, reason)

    def depth(self) -> Depth:
        """Count the messages by state."""
        keys = [self._keys.visible_at, self._keys.progress, self._keys.delayed]
        visible, delayed, in_flight, oldest_age_ms = self._run(DEPTH, keys)
        return Depth(
            visible=visible,
            delayed=delayed,
            in_flight=in_flight,
            oldest_age_s=oldest_age_ms / 1000,
        )

    def _send(self, entries: list[str], delay_s: int) -> list[str]:
        # The ids are made here, so that a call repeated after a lost answer sends nothing twice.
        ids = [str(uuid.uuid4()) for _ in entries]
        flat = [part for pair in zip(ids, entries, strict=True) for part in pair]
        if not self._run(SEND, self._keys.all(), self._depth_max, delay_s * 1000, *flat):
            raise QueueFull(f"Queue {self.name} holds {self._depth_max} messages; retry later.")
        return ids

    def _run(self, script: Script, keys: Sequence[str], *arguments: str | int) -> Any:
        try:
            return self._server.run(script, keys, arguments)
        except OutOfMemoryError as error:
            raise QueueFull(f"Queue {self.name}: Redis is out of memory; retry later.") from error
        except redis.RedisError as error:
            raise QueueUnavailable(f"Queue {self.name} does not answer; retry.") from error

    def _sleep(self, at_most_s: float) -> None:
        """Wait for a token of the wake list, which one send gives to one receiver."""
        # BLPOP's 0 means for ever; the server rounds times up to a millisecond anyway.
        timeout_s = max(0.001, min(LOOK_AGAIN_S, math.ceil(at_most_s * 1000) / 1000))
        try:
            self._waiting.blpop([self._keys.wake], timeout=timeout_s)
        except redis.RedisError as error:
            raise QueueUnavailable(f"Queue {self.name} does not answer; retry.") from error


def _message(id_: str, entry: str, receive_count: int, sent_ms: str, first_ms: str) -> Message:
    attributes, _, body = entry.partition("\n")
    return Message(
        message_id=id_,
        body=body,
        receipt_handle=f"{id_}:{receive_count}",
        receive_count=receive_count,
        sent_at_ms=int(sent_ms),
        first_received_at_ms=int(first_ms),
        attributes=json.loads(attributes) if attributes else {},
    )
