"""A queue on Redis or Valkey: a sorted set by time of visibility, one Lua script a transition.

Ready, delayed and in flight are one set, so no sweeper has to live for the queue to move. All times
are the server's. The receipt handle carries the receive count: a receive makes older handles void.
"""

import functools
import hashlib
import json
import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from itertools import zip_longest
from typing import Any

import redis
from redis.exceptions import OutOfMemoryError

from redis_sqs import NO_ATTRIBUTES, REGION, Attributes, Depth, Message, entries, limits
from redis_sqs.carrier import DEPTH_MAX
from redis_sqs.disorder import COPY, scattered
from redis_sqs.errors import QueueFull, QueueUnavailable
from redis_sqs.kinds import DEPTH, DEPTH_KEYS, FIFO, keys, kind_of
from redis_sqs.redis_scripts import Script, client, server_at

SENT_AT_ONCE_MAX = (
    500  # messages in one script: about a millisecond in which the server serves nobody
)
DELETED_AT_ONCE_MAX = 500  # as SENT_AT_ONCE_MAX
LOOK_AGAIN_S = 5.0  # longest sleep: what a killed receiver held comes back without anybody's wake
WAIT_ANSWER_S = LOOK_AGAIN_S + 1.0  # a waiting call is answered when its time is over, not before
BURYING_S = 0.5  # how much longer a receive may take for messages that it finds dead
OVER_LIMIT = -2  # what receive.lua answers with too many in flight
REMEMBERED_MS = 300_000  # SQS's five minutes of deduplication
PURGED_AGAIN_MS = 60_000  # SQS's pause between two purges
TRAITS_KNOWN_S = 60.0  # a change of attributes takes SQS as long
# Whoever declares them may only just be starting. A standard queue does without for a while.
FIFO_TRAITS_MISSING_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The attributes of a queue that its senders obey. Whoever knows the template declares them."""

    delay_s: int = 0
    message_bytes_max: int = limits.MESSAGE_BYTES_MAX
    deduplicates_content: bool = False
    deduplicates_by_group: bool = False


def _grouped(group: str) -> dict[str, str]:
    return {"MessageGroupId": group} if group and limits.is_group(group) else {}


def _traced(system: dict[str, str], trace: str | None) -> dict[str, str]:
    return {**system, "AWSTraceHeader": trace} if trace else system


def arn_of(name: str, region: str) -> str:
    """Return the ARN of a queue, as a dead letter names where it came from."""
    return f"arn:aws:sqs:{region}:000000000000:{name}"


class Release(IntEnum):
    """The end of a release, as the scripts answer it."""

    DONE = 1
    STALE = 0  # the handle is not the newest one; of a FIFO queue also: it is expired
    VISIBLE = -1  # the message is not in flight


class Drop(IntEnum):
    """The end of a deletion by id, as the scripts answer it."""

    DONE = 1
    ABSENT = 0
    CHANGED = -1  # the message is in flight, or was received since it was looked at


class RedisQueue:
    """A redis_sqs.Queue on Redis. Threads may share an instance."""

    def __init__(  # noqa: PLR0913  # SQS's own attributes of a queue, each with its default
        self,
        name: str,
        *,
        visibility_timeout_s: float = 30,
        max_receive_count: int = 5,
        dead_letter: str | None = None,
        retention_s: int = 345_600,
        fill_s: float = 0,
        receive_max: int = limits.BATCH_MAX,
        depth_max: int = DEPTH_MAX,
        in_flight_max: int = limits.IN_FLIGHT_MAX,
        disorder: float = 0,
        redis_url: str,
        region: str = REGION,
    ) -> None:
        self.name = name
        self._kind = kind_of(name)
        self._is_fifo = self._kind is FIFO
        self.receive_max = receive_max
        self._keys = keys(name, self._kind.keys)
        self._send_keys = [*self._keys, *keys(name, self._kind.more_send_keys)]
        self._delete_keys = keys(name, self._kind.delete_keys)
        dead_letter_keys = keys(dead_letter, self._kind.keys) if dead_letter else []
        self._receive_keys = [*self._keys, *dead_letter_keys]
        self._limits = (
            round(visibility_timeout_s * 1000),
            max_receive_count,
            retention_s * 1000,
            arn_of(name, region),
            round(fill_s * 1000),
            in_flight_max,
        )
        self._depth_max = depth_max
        self._disorder = disorder
        self._traits = Traits()
        self._traits_until_s = 0.0  # monotonic
        self._server = server_at(redis_url)
        self._waiting = _waiting_at(redis_url)

    def send(
        self,
        body: str,
        *,
        delay_s: int | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        group: str = "",
        deduplication_id: str = "",
        trace: str = "",
        is_promised: bool = False,
    ) -> str:
        """Send one message and return its id; `trace` arrives as its AWSTraceHeader.

        Nobody waits for the answer of a promised one, but on a FIFO queue.
        """
        if self._is_fifo:
            return self.send_in_order(
                body,
                delay_s=delay_s,
                attributes=attributes,
                group=group,
                deduplication_id=deduplication_id,
                trace=trace,
            )[0]
        traits = self._known_traits()
        limits.check_messages([body], attributes, delay_s, traits.message_bytes_max)
        entry = entries.encode(body, attributes, _traced(_grouped(group), trace))
        wait_s = traits.delay_s if delay_s is None else delay_s
        return self._send([entry], wait_s, is_promised=is_promised)[0]

    def send_in_order(
        self,
        body: str,
        *,
        delay_s: int | None = None,
        attributes: Attributes = NO_ATTRIBUTES,
        group: str = "",
        deduplication_id: str = "",
        trace: str = "",
    ) -> tuple[str, str]:
        """Send one message to a FIFO queue and return its id and its SequenceNumber.

        Where its deduplication id was sent before, both are the earlier message's.
        """
        traits = self._known_traits()
        limits.check_messages([body], attributes, delay_s, traits.message_bytes_max)
        id_, number = self._send_fifo(
            [body], delay_s, [attributes], group, deduplication_id, [trace]
        )
        return id_, _sequence_number(number)

    def send_batch(
        self,
        bodies: Sequence[str],
        *,
        delay_s: int | None = None,
        group: str = "",
        traces: Sequence[str] = (),
        attributes: Sequence[Attributes] = (),
        groups: Sequence[str] = (),
        is_promised: bool = False,
    ) -> list[str]:
        """Send all of `bodies`, each in its trace and with its attributes if there are some."""
        traits = self._known_traits()
        limits.check_each(bodies, attributes, delay_s, traits.message_bytes_max)
        ids: list[str] = []
        for start in range(0, len(bodies), SENT_AT_ONCE_MAX):
            part = bodies[start : start + SENT_AT_ONCE_MAX]
            its_traces = traces[start : start + len(part)]
            its_attributes = attributes[start : start + len(part)]
            if self._is_fifo:
                ids += self._send_fifo(part, delay_s, its_attributes, group, "", its_traces)[::2]
                continue
            sent = [
                entries.encode(body, about or NO_ATTRIBUTES, _traced(_grouped(own or group), trace))
                for body, about, trace, own in zip_longest(
                    part, its_attributes, its_traces, groups[start : start + len(part)]
                )
            ]
            wait_s = traits.delay_s if delay_s is None else delay_s
            ids += self._send(sent, wait_s, is_promised=is_promised)
        return ids

    def receive(self, max_messages: int = 10, *, wait_s: float = 0) -> list[Message]:
        """Take up to `max_messages`, waiting at most `wait_s` for the first."""
        limits.check_receive(max_messages, wait_s, self.receive_max)
        give_up_at = time.monotonic() + wait_s
        width = self._kind.fields
        while True:
            next_visible_ms, *flat = self._run(
                self._kind.receive, self._receive_keys, max_messages, *self._limits
            )
            left_s = give_up_at - time.monotonic()
            if next_visible_ms == OVER_LIMIT and not wait_s:
                raise QueueFull(f"Queue {self.name} has too many messages in flight; delete some.")
            # Something is visible yet nothing was taken: what was looked at had to be buried.
            only_buried = next_visible_ms == 0
            if flat or left_s <= (-BURYING_S if only_buried else 0):
                return [_message(*flat[i : i + width]) for i in range(0, len(flat), width)]
            self._sleep(left_s if next_visible_ms < 0 else min(left_s, next_visible_ms / 1000))

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        """Delete the messages whose newest handle is among `receipt_handles`."""
        expired: list[str] = []
        for start in range(0, len(receipt_handles), DELETED_AT_ONCE_MAX):
            part = receipt_handles[start : start + DELETED_AT_ONCE_MAX]
            answer = self._run(self._kind.delete, self._delete_keys, *part)
            if self._is_fifo:
                expired += answer
        return expired

    def release(self, receipt_handle: str, *, after_s: int, reason: str = "") -> bool:
        """Make the message visible in `after_s`, where it is in flight by this handle."""
        return self.change_visibility(receipt_handle, after_s, reason) is Release.DONE

    def change_visibility(self, receipt_handle: str, after_s: int, reason: str = "") -> Release:
        """Release, and say why nothing was done where nothing was."""
        limits.check_release(after_s)
        names = keys(self.name, self._kind.release_keys)
        answer = self._run(self._kind.release, names, receipt_handle, after_s * 1000, reason)
        return Release(answer)

    def drop(self, message_id: str, receive_count: int) -> Drop:
        """Delete a message that was looked at with this receive count, unless it is in flight."""
        names = keys(self.name, self._kind.drop_keys)
        return Drop(self._run(self._kind.drop, names, message_id, receive_count))

    def depth(self) -> Depth:
        """Count the messages by state."""
        names = keys(self.name, DEPTH_KEYS)
        visible, delayed, in_flight, retrying, oldest_age_ms = self._run(DEPTH, names)
        return Depth(
            visible=visible,
            delayed=delayed,
            in_flight=in_flight,
            retrying=retrying,
            oldest_age_s=oldest_age_ms / 1000,
        )

    def purge(self) -> bool:
        """Delete every message; False, and nothing deleted, within a minute of the last time."""
        names = [*self._keys, *keys(self.name, ("purged",))]
        return bool(self._run(self._kind.purge, names, PURGED_AGAIN_MS))

    def declare(self, traits: Traits) -> None:
        """Tell all senders what the queue is like; they know within a minute."""
        self._call("SET", *keys(self.name, ("traits",)), json.dumps(asdict(traits)))

    def _known_traits(self) -> Traits:
        if time.monotonic() >= self._traits_until_s:
            declared = self._call("GET", *keys(self.name, ("traits",)))
            self._traits = Traits(**json.loads(declared)) if declared else Traits()
            is_missed = self._is_fifo and not declared
            known_s = FIFO_TRAITS_MISSING_S if is_missed else TRAITS_KNOWN_S
            self._traits_until_s = time.monotonic() + known_s
        return self._traits

    def _send(self, sent: list[str], delay_s: int, *, is_promised: bool) -> list[str]:
        # The ids are made here, so that a call repeated after a lost answer sends nothing twice.
        ids = [str(uuid.uuid4()) for _ in sent]
        flat = [part for pair in zip(ids, sent, strict=True) for part in pair]
        if self._disorder:
            for late_ms, part in scattered(flat, self._disorder):
                self._run_send(delay_s * 1000 + late_ms, *part)
        elif is_promised:
            self._post_send(delay_s * 1000, *flat)
        else:
            self._run_send(delay_s * 1000, *flat)
        return ids

    def _run_send(self, *arguments: str | int) -> list[str]:
        sent: list[str] = self._run(self._kind.send, self._send_keys, self._depth_max, *arguments)
        if not sent:
            raise QueueFull(f"Queue {self.name} holds {self._depth_max} messages; retry later.")
        return sent

    def _post_send(self, *arguments: str | int) -> None:
        try:
            self._server.post(self._kind.send, self._send_keys, (self._depth_max, *arguments))
        except redis.RedisError as error:
            raise QueueUnavailable(f"Queue {self.name} does not answer; retry.") from error

    def _send_fifo(
        self,
        bodies: Sequence[str],
        delay_s: int | None,
        attributes: Sequence[Attributes],
        group: str,
        deduplication_id: str,
        traces: Sequence[str],
    ) -> list[str]:
        """Send `bodies` and return id and number of each by turns."""
        flat: list[str] = []
        for body, attached, trace in zip_longest(bodies, attributes, traces):
            id_ = deduplication_id
            if not id_ and self._traits.deduplicates_content:
                id_ = hashlib.sha256(body.encode()).hexdigest()
            limits.check_fifo(group, id_, delay_s)
            about = {"MessageGroupId": group, "MessageDeduplicationId": id_}
            system = _traced(about, trace)
            deduplication_key = f"{group} {id_}" if self._traits.deduplicates_by_group else id_
            flat += [
                str(uuid.uuid4()),
                entries.encode(body, attached or NO_ATTRIBUTES, system),
                group,
                deduplication_key,
            ]
        return self._run_send(self._traits.delay_s * 1000, REMEMBERED_MS, *flat)

    def _run(self, script: Script, names: Sequence[str], *arguments: str | int) -> Any:
        try:
            return self._server.run(script, names, arguments)
        except OutOfMemoryError as error:
            raise QueueFull(f"Queue {self.name}: Redis is out of memory; retry later.") from error
        except redis.RedisError as error:
            raise QueueUnavailable(f"Queue {self.name} does not answer; retry.") from error

    def _call(self, *command: str) -> Any:
        try:
            return self._server.call(*command)
        except redis.RedisError as error:
            raise QueueUnavailable(f"Queue {self.name} does not answer; retry.") from error

    def _sleep(self, at_most_s: float) -> None:
        """Wait for a token of the wake list, which one send gives to one receiver."""
        # BLPOP's 0 means for ever; the server rounds times up to a millisecond anyway.
        timeout_s = max(0.001, min(LOOK_AGAIN_S, math.ceil(at_most_s * 1000) / 1000))
        try:
            self._waiting.blpop(keys(self.name, ("wake",)), timeout=timeout_s)
        except redis.RedisError as error:
            raise QueueUnavailable(f"Queue {self.name} does not answer; retry.") from error


@functools.cache
def _waiting_at(url: str) -> redis.Redis:
    """Return the client on which all queues at `url` wait: a connection for each that does."""
    return client(url, answer_timeout_s=WAIT_ANSWER_S, connections_max=None)


def _message(
    id_: str, entry: str, receive_count: int, sent_ms: str, first_ms: str, number: str = ""
) -> Message:
    about, _, body = entry.partition("\n")
    attributes, system = entries.decode(about) if about else ({}, {})
    moved_from = system.pop(entries.MOVED_FROM, "")
    return Message(
        message_id=id_.removesuffix(COPY),
        body=body,
        receipt_handle=f"{id_}:{receive_count}",
        receive_count=receive_count,
        sent_at_ms=int(sent_ms),
        first_received_at_ms=int(first_ms),
        attributes=attributes,
        system=system | {"SequenceNumber": _sequence_number(number)} if number else system,
        moved_from=moved_from.removesuffix(COPY),
    )


def _sequence_number(number: str) -> str:
    return number.zfill(20)
