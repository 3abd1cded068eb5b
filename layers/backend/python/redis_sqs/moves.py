"""Move tasks of dead-letter queues on Redis: messages go back to where they came from.

As SQS's StartMessageMoveTask: at a bounded rate, one task a queue; a moved message has a new id and
a new time of sending. Each step is one script, so a process that dies between two loses nothing.
"""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import redis

from redis_sqs import REGION
from redis_sqs.errors import QueueUnavailable
from redis_sqs.kinds import FIFO, MOVE_END, MOVE_START, keys, kind_of
from redis_sqs.redis_queue import arn_of
from redis_sqs.redis_scripts import Script, server_at

RATE_MAX_PER_S = 500  # SQS's
STEPS_PER_S = 10
CHOSEN_MAX = 1_000  # ids of one task: as many as a person picks
STEP_MAX = 100  # messages in one script: about two milliseconds in which nobody else is served
SILENT_MAX_S = 15.0  # a step comes every second at least; after so long its process has gone

RUNNING, COMPLETED, CANCELED, FAILED = "RUNNING", "COMPLETED", "CANCELLED", "FAILED"
NOT_RUNNING, NO_SOURCE = -1, -2  # what a step answers
_TEXTS = ("handle", "destination", "status", "failure", "beat_ms")
_NUMBERS = ("rate_per_s", "moved", "to_move", "started_ms")


class TaskRunning(Exception):
    """The refusal while another task moves messages of the same queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A move task as it stands, or as it ended."""

    handle: str
    source: str  # the dead-letter queue
    destination: str  # a queue's name, or empty: where each message came from
    status: str  # RUNNING COMPLETED CANCELLED FAILED
    rate_per_s: int
    moved: int
    to_move: int  # how many were visible at its start, or chosen
    started_ms: int  # epoch
    failure: str


class Moves:
    """The move tasks of one dead-letter queue, one at a time; the last one is remembered."""

    def __init__(
        self, source: str, origins: Sequence[str], *, redis_url: str, region: str = REGION
    ) -> None:
        """Keep the queues: `origins` are those whose dead-letter queue `source` is."""
        self._source = source
        self._origins = origins
        self._arns = [arn_of(origin, region) for origin in origins]
        self._kind = kind_of(source)
        self._task = keys(source, ("move_task",))
        self._handle = str(uuid.uuid4())
        self._rate_per_s = RATE_MAX_PER_S
        self._destination = ""
        self._chosen: Sequence[str] = ()
        self._server = server_at(redis_url)

    def run(self, *, rate_per_s: int = RATE_MAX_PER_S, destination: str = "") -> Task:
        """Start a task and do it; returns it as it ended. Raises as `start` and `do` do."""
        self.start(rate_per_s=rate_per_s, destination=destination)
        return self.do()

    def start(
        self,
        *,
        rate_per_s: int = RATE_MAX_PER_S,
        destination: str = "",
        chosen: Sequence[str] = (),
    ) -> str:
        """Begin a task, which `do` has to do at once; returns its handle. Raises TaskRunning.

        With `chosen` it moves the messages with these ids, those that are visible then. Raises
        ValueError for a FIFO queue: one message would overtake the others of its group.
        """
        if chosen and self._kind is FIFO:
            raise ValueError("messages of a FIFO queue go back all together, in their order")
        if len(chosen) > CHOSEN_MAX:
            raise ValueError(f"choose at most {CHOSEN_MAX:,} messages, or all")
        names = [*self._task, *keys(self._source, ("visible_at",))]
        about: tuple[str | int, ...] = ("destination", destination, "rate_per_s", rate_per_s)
        if chosen:
            about += ("to_move", len(chosen))
        silent_ms = round(SILENT_MAX_S * 1000)
        if not self._run(MOVE_START, names, self._handle, silent_ms, *about):
            raise TaskRunning(f"there is already a task running on {self._source}")
        self._rate_per_s, self._destination, self._chosen = rate_per_s, destination, chosen
        return self._handle

    def do(self) -> Task:
        """Move what is visible now and becomes visible meanwhile; returns the task as it ended.

        Raises QueueUnavailable when Redis does not answer; what was moved until then is moved.
        """
        status, failure = CANCELED, ""
        try:
            moved = self._move_all()
            if moved == NO_SOURCE:
                status = FAILED
                failure = "a message tells no queue that it came from; name a destination"
            elif moved != NOT_RUNNING:
                status = COMPLETED
        except QueueUnavailable as error:
            status, failure = FAILED, str(error)
            raise
        finally:
            self._run(MOVE_END, self._task, self._handle, status, failure)
        last = self.last()
        assert last is not None  # it was started
        return last

    def cancel(self, handle: str = "") -> bool:
        """Have the task that runs, or none but that of `handle`, stop before its next step.

        False when it does not run.
        """
        return bool(self._run(MOVE_END, self._task, handle, CANCELED, ""))

    def last(self) -> Task | None:
        """Return the task that runs, or the last one; None where none was ever started."""
        handle, destination, status, failure, beat_ms, *numbers = self._call(
            "HMGET", *self._task, *_TEXTS, *_NUMBERS
        )
        if status is None:
            return None
        if status == RUNNING and time.time() - int(beat_ms) / 1000 > SILENT_MAX_S:
            status, failure = FAILED, "its process has gone; start another"
        rate_per_s, moved, to_move, started_ms = map(int, numbers)
        return Task(
            handle=handle,
            source=self._source,
            destination=destination,
            status=status,
            rate_per_s=rate_per_s,
            moved=moved,
            to_move=to_move,
            started_ms=started_ms,
            failure=failure or "",
        )

    def _move_all(self) -> int:
        """Step until nothing is left; returns what the last step answered."""
        names = keys(self._source, self._kind.keys)
        for queue in [self._destination] if self._destination else self._origins:
            names += keys(queue, self._kind.keys)
        arns = [""] if self._destination else self._arns
        moved, due_s = 0, time.monotonic()
        for step in self._steps():
            moved = self._run(self._kind.move, [*names, *self._task], self._handle, step, *arns)
            if moved < 0 or (moved == 0 and not self._chosen):
                break
            due_s += moved / self._rate_per_s
            time.sleep(max(0.0, due_s - time.monotonic()))
        return moved

    def _steps(self) -> Iterator[str | int]:
        """Yield what each step may move: so many, without end, or the next of the chosen."""
        most = min(STEP_MAX, max(1, self._rate_per_s // STEPS_PER_S))
        if not self._chosen:
            yield from repeat(most)
        for start in range(0, len(self._chosen), most):
            yield json.dumps(self._chosen[start : start + most])

    def _run(self, script: Script, names: Sequence[str], *arguments: str | int) -> int:
        try:
            return int(self._server.run(script, names, arguments))
        except redis.RedisError as error:
            raise QueueUnavailable(f"Queue {self._source} does not answer; retry.") from error

    def _call(self, *command: str) -> Any:
        try:
            return self._server.call(*command)
        except redis.RedisError as error:
            raise QueueUnavailable(f"Queue {self._source} does not answer; retry.") from error
