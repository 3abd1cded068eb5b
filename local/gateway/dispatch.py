"""Which event goes to which execution environment, and what becomes of those that wait.

A function has a pool: environments that are idle (last in, first out), a bounded queue of events
with a deadline, and its concurrency, which counts both. Sockets are in `environments`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from local.template import Function

# AWS's account default; a function without a reservation may use all of it.
CONCURRENCY_DEFAULT = 1000
# 1.33: what an integration may take; the function itself goes on.
INTEGRATION_TIMEOUT_S = 29.0
# The environment kills itself at its deadline; this long after it the connection is cut.
DEADLINE_GRACE_S = 2.0


class End(Enum):
    """How an invocation ended."""

    RESULT = "the handler returned"
    ERROR = "the handler raised or its environment died"
    THROTTLED = "the function's concurrency is used up"
    EXPIRED = "no environment became free in time"
    TIMED_OUT = "the integration took too long"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an invocation, with the result or Lambda's error object."""

    end: End
    result: Any = None
    error: dict[str, Any] | None = None


THROTTLED = Outcome(End.THROTTLED)
EXPIRED = Outcome(End.EXPIRED)
TIMED_OUT = Outcome(End.TIMED_OUT)


class Invocation:
    """One event on its way; `ended` is called once, unless `abandon` came before."""

    __slots__ = ("deadline_s", "ended", "event", "queued_s", "request_id", "started_s", "trace")

    def __init__(
        self, request_id: str, trace: str, event: bytes, ended: Callable[[Outcome], None]
    ) -> None:
        self.request_id = request_id
        self.trace = trace
        self.event = event  # JSON
        self.ended: Callable[[Outcome], None] | None = ended
        self.queued_s = 0.0  # the monotonic clock, as all of these
        self.started_s = 0.0
        self.deadline_s = 0.0

    def end(self, outcome: Outcome) -> None:
        """Tell whoever waits, if anybody still does."""
        ended, self.ended = self.ended, None
        if ended is not None:
            ended(outcome)


class Environment(Protocol):
    """An execution environment as a pool sees it."""

    invocation: Invocation | None
    machine: str  # the host or container it runs on

    def start(self, invocation: Invocation) -> None:
        """Send the event."""

    def cut(self) -> None:
        """Close the connection: the environment did not keep its deadline."""


class Meter(Protocol):
    """What a pool reports."""

    def waited(self, seconds: float) -> None: ...
    def throttled(self) -> None: ...
    def timed_out(self) -> None: ...


class Pool:
    """The environments of one function and the events that wait for them."""

    def __init__(self, function: Function, meter: Meter, *, queue_deadline_s: float) -> None:
        self.function = function
        self.environments: set[Environment] = set()
        self._idle: list[Environment] = []
        self._queue: deque[Invocation] = deque()
        self._waiting = 0  # of the queue, without the abandoned
        self._meter = meter
        self._queue_deadline_s = queue_deadline_s
        reserved = function.reserved_concurrency
        self._concurrency = CONCURRENCY_DEFAULT if reserved is None else reserved

    @property
    def waiting(self) -> int:
        """Events in the queue."""
        return self._waiting

    @property
    def busy(self) -> int:
        """Environments with an event in hand."""
        return len(self.environments) - len(self._idle)

    def invoke(self, invocation: Invocation, now_s: float) -> None:
        """Start the event, queue it, or end it at once where the concurrency is used up."""
        if self.busy + self._waiting >= self._concurrency:
            self._meter.throttled()
            invocation.end(THROTTLED)
            return
        invocation.queued_s = now_s
        if self._idle:
            self._start(self._idle.pop(), invocation, now_s)
        else:
            self._queue.append(invocation)
            self._waiting += 1

    def abandon(self, invocation: Invocation) -> None:
        """Nobody waits for the answer any more; an event that waits is never started."""
        if invocation.ended is not None and not invocation.started_s:
            self._waiting -= 1
        invocation.ended = None

    def free(self, environment: Environment, now_s: float) -> None:
        """An environment is new, or has answered: it takes the next event."""
        self.environments.add(environment)
        environment.invocation = None
        invocation = self._next(now_s)
        if invocation is None:
            self._idle.append(environment)
        else:
            self._start(environment, invocation, now_s)

    def lost(self, environment: Environment) -> None:
        """An environment has gone; what it had in hand was ended by the caller."""
        self.environments.discard(environment)
        if environment in self._idle:
            self._idle.remove(environment)

    def sweep(self, now_s: float) -> None:
        """End what has waited or run for too long; called several times a second."""
        while self._queue and self._is_over(self._queue[0], now_s):
            self._expire(self._queue.popleft())
        for environment in tuple(self.environments):
            invocation = environment.invocation
            if invocation is None:
                continue
            if invocation.ended is not None and (
                now_s - invocation.started_s > INTEGRATION_TIMEOUT_S
            ):
                self._meter.timed_out()
                invocation.end(TIMED_OUT)
            if now_s > invocation.deadline_s + DEADLINE_GRACE_S:
                environment.cut()

    def _start(self, environment: Environment, invocation: Invocation, now_s: float) -> None:
        invocation.started_s = now_s
        invocation.deadline_s = now_s + self.function.timeout_s
        self._meter.waited(now_s - invocation.queued_s)
        environment.start(invocation)

    def _next(self, now_s: float) -> Invocation | None:
        """The oldest event that somebody still waits for; the overdue are ended on the way."""
        while self._queue:
            invocation = self._queue.popleft()
            if self._is_over(invocation, now_s):
                self._expire(invocation)
                continue
            self._waiting -= 1
            return invocation
        return None

    def _is_over(self, invocation: Invocation, now_s: float) -> bool:
        return invocation.ended is None or now_s - invocation.queued_s > self._queue_deadline_s

    def _expire(self, invocation: Invocation) -> None:
        if invocation.ended is not None:
            self._waiting -= 1
            invocation.end(EXPIRED)
