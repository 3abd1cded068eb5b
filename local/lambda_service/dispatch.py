"""The dispatch of events to execution environments, and the bounded wait of the others.

A function has a pool: environments that are idle (last in, first out), a bounded queue of events
with a deadline, and its concurrency, which counts both. Sockets are in `environments`, whose turn
it is in `turns`, and when a queue is refused in part in `overload`.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from local.lambda_service.overload import Overload
from local.lambda_service.throttle import TokenBucket
from local.lambda_service.turns import Turns
from local.template import Function
from local.template.debugging import UNHURRIED_S

CONCURRENCY_DEFAULT = 1000  # AWS's account default
UNRESERVED_MIN = 100  # what AWS lets no reservation take from the functions without one
# Row 2.3, scaling: a function gets so many environments at once, and the same again in ten seconds.
SCALING_BURST = 1000
SCALING_PER_S = 100.0
KEPT_WARM_S = 300.0  # AWS does not say how long; some minutes without work are seen
# Row 1.33, integration time-out; the function itself goes on.
INTEGRATION_TIMEOUT_S = 29.0
# The environment kills itself at its deadline; this long after it the connection is cut.
DEADLINE_GRACE_S = 2.0


class End(Enum):
    """The kind of an invocation's end."""

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


# Row 2.2, throttled: the reason that Lambda gives.
THROTTLED = Outcome(
    End.THROTTLED, error={"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}
)
ACCOUNT_THROTTLED = Outcome(End.THROTTLED, error={"Reason": "ConcurrentInvocationLimitExceeded"})
EXPIRED = Outcome(End.EXPIRED)
TIMED_OUT = Outcome(End.TIMED_OUT)


class Invocation:
    """One event on its way; `ended` is called once, unless `abandon` came before."""

    __slots__ = (
        "caller",
        "client_context",
        "deadline_s",
        "ended",
        "ended_s",
        "event",
        "has_slot",
        "init",
        "is_repeatable",
        "log",
        "outcome",
        "patience_s",
        "queued_s",
        "request_id",
        "span_id",
        "started_s",
        "trace",
    )

    def __init__(
        self,
        request_id: str,
        trace: str,
        event: bytes,
        ended: Callable[[Outcome], None],
        patience_s: float = INTEGRATION_TIMEOUT_S,
    ) -> None:
        self.request_id = request_id
        self.trace = trace  # as _X_AMZN_TRACE_ID has it
        self.span_id = ""  # of the handler's span
        self.event = event  # JSON
        self.ended: Callable[[Outcome], None] | None = ended
        self.patience_s = patience_s  # how long whoever waits does so, once the event has started
        self.caller = ""  # who takes turns with others; "" where nobody knows
        self.is_repeatable = False  # a write that its client may send again
        self.has_slot = False  # of its own: what others have in flight does not keep it waiting
        self.client_context: object = None  # what the caller of the Invoke API says of itself
        self.log = b""  # the function's log of this event, known when it ends
        self.queued_s = 0.0  # the monotonic clock, as all of these
        self.started_s = 0.0
        self.deadline_s = 0.0
        self.ended_s = 0.0  # of the handler
        self.init: tuple[float, float] | None = None  # of a new environment: since when, and ms
        self.outcome: Outcome | None = None

    def end(self, outcome: Outcome) -> None:
        """Tell whoever waits, if anybody still does."""
        self.outcome = outcome
        ended, self.ended = self.ended, None
        if ended is not None:
            ended(outcome)


class Environment(Protocol):
    """An execution environment as a pool sees it."""

    invocation: Invocation | None
    machine: str  # the host or container it runs on
    host: tuple[str, object]  # the process there that keeps it alive
    generation: int  # of the code it has imported, among those of its host

    def start(self, invocation: Invocation) -> None:
        """Send the event."""

    def retire(self) -> None:
        """Take no event any more: the host has environments with newer code."""

    def cut(self) -> None:
        """Close the connection: the environment did not keep its deadline."""


class Meter(Protocol):
    """The receiver of a pool's reports."""

    def waited(self, seconds: float) -> None: ...
    def worked(self, seconds: float) -> None: ...
    def throttled(self) -> None: ...
    def shed(self) -> None: ...
    def timed_out(self) -> None: ...


class Account:
    """The concurrency that functions without a reservation share, and the overload of them all."""

    def __init__(self, functions: Iterable[Function], concurrency: int) -> None:
        reserved = sum(function.reserved_concurrency or 0 for function in functions)
        self.unreserved = concurrency - reserved
        self.sharing: list[Pool] = []
        self.overloads: list[Overload] = []  # of the functions with a priority
        self._most = 0  # events in flight at most: those that have ended meanwhile included

    def take(self) -> bool:
        """Count one more event, unless the concurrency is used up."""
        if self._most >= self.unreserved:
            self._most = sum(pool.in_flight for pool in self.sharing)
        if self._most >= self.unreserved:
            return False
        self._most += 1
        return True


class Pool:
    """The environments of one function and the events that wait for them."""

    def __init__(
        self,
        function: Function,
        meter: Meter,
        *,
        queue_deadline_s: float,
        account: Account | None = None,
    ) -> None:
        self.function = function
        self.environments: set[Environment] = set()
        self._idle: list[Environment] = []
        self._turns: Turns[Invocation] = Turns()
        self._slots: deque[Invocation] = deque()  # a queue that goes first: one event a route
        self._waiting = 0  # of the queue, without the abandoned
        self._meter = meter
        self.queue_deadline_s = UNHURRIED_S if function.is_debugged else queue_deadline_s
        self._reserved = function.reserved_concurrency
        self._account = account or Account([], CONCURRENCY_DEFAULT)
        if self._reserved is None:
            self._account.sharing.append(self)
        self._overload = Overload(function.priority, self._account.overloads)
        self._scaling = TokenBucket(SCALING_PER_S, SCALING_BURST, 0.0)
        self._warm = 0  # environments that AWS would have by now
        self._peak = 0  # of the events in flight, since `_warm` was last set to it
        self._cools_s = 0.0  # when that is to be done again

    @property
    def waiting(self) -> int:
        """Events in the queue."""
        return self._waiting

    @property
    def busy(self) -> int:
        """Environments with an event in hand."""
        return len(self.environments) - len(self._idle)

    @property
    def in_flight(self) -> int:
        """Events that AWS would have an environment for: in hand or in the queue."""
        return len(self.environments) - len(self._idle) + self._waiting

    @property
    def concurrency(self) -> int:
        """Events that the function may have in flight at most."""
        return self._account.unreserved if self._reserved is None else self._reserved

    def invoke(self, invocation: Invocation, now_s: float) -> None:
        """Start the event, queue it, or end it at once where there is no room for it."""
        if self._overload.yields and not invocation.has_slot:
            self._meter.shed()
            invocation.end(EXPIRED)
            return
        throttled = self._throttled(now_s)
        if throttled is not None and not (invocation.has_slot and self._reserved is None):
            self._meter.throttled()
            invocation.end(throttled)
            return
        invocation.queued_s = now_s
        self._turns.came(invocation.caller, now_s)
        if self._idle and self._may_start(invocation.caller, now_s):
            self._start(self._idle.pop(), invocation, now_s)
        else:
            (self._slots if invocation.has_slot else self._turns).append(invocation)
            self._waiting += 1
            if self._reserved is None and self._overload.is_on:
                self._drop_beyond(self._overload.room(len(self.environments)))

    def abandon(self, invocation: Invocation) -> None:
        """Give up an event whose answer nobody awaits; one that still waits is never started."""
        if invocation.ended is not None and not invocation.started_s:
            self._waiting -= 1
        invocation.ended = None

    def free(self, environment: Environment, now_s: float) -> None:
        """Give the next event to an environment that is new or has answered."""
        self.environments.add(environment)
        if environment.invocation is not None:
            worked_s = now_s - environment.invocation.started_s
            self._meter.worked(worked_s)
            self._overload.worked(worked_s)
        environment.invocation = None
        self._idle.append(environment)
        while self._idle and (invocation := self._next(now_s)):
            self._start(self._idle.pop(), invocation, now_s)

    def lost(self, environment: Environment) -> None:
        """Forget an environment that has gone; the caller has ended what it had in hand."""
        self.environments.discard(environment)
        if environment in self._idle:
            self._idle.remove(environment)

    def sweep(self, now_s: float) -> None:
        """End what has waited or run for too long; called several times a second."""
        if now_s >= self._cools_s:
            self._warm, self._peak, self._cools_s = self._peak, 0, now_s + KEPT_WARM_S
        if not (self._waiting and self.environments):
            self._overload.is_over()
        self._overload.look_round(now_s)
        for line in (self._slots, *self._turns.lines):
            while line and self._is_over(line[0], now_s):
                self._expire(line.popleft())
        self._turns.tidy()
        self._end_running(now_s)

    def _end_running(self, now_s: float) -> None:
        for environment in tuple(self.environments):
            invocation = environment.invocation
            if invocation is None:
                continue
            lasted_s = now_s - invocation.started_s
            is_impatient = lasted_s > invocation.patience_s and not self.function.is_debugged
            if invocation.ended is not None and is_impatient:
                self._meter.timed_out()
                invocation.end(TIMED_OUT)
            if now_s > invocation.deadline_s + DEADLINE_GRACE_S:
                environment.cut()

    def _throttled(self, now_s: float) -> Outcome | None:
        """Return how AWS would refuse one more event now; None where it would run it."""
        in_flight = self.in_flight
        if self._reserved is None:
            if not self._account.take():
                return ACCOUNT_THROTTLED
        elif in_flight >= self._reserved:
            return THROTTLED
        if in_flight >= self._peak:
            if in_flight >= self._warm:
                if not self._scaling.take(now_s):
                    return ACCOUNT_THROTTLED
                self._warm = in_flight + 1
            self._peak = in_flight + 1
        return None

    def _start(self, environment: Environment, invocation: Invocation, now_s: float) -> None:
        invocation.started_s = now_s
        invocation.deadline_s = now_s + self.function.timeout_s
        self._meter.waited(now_s - invocation.queued_s)
        environment.start(invocation)

    def _next(self, now_s: float) -> Invocation | None:
        """Return the oldest event of whoever has the turn, and end the overdue on the way.

        Under overload it is the newest.
        """
        overload = self._overload
        while self._waiting:
            has_slot = bool(self._slots)
            invocation = (
                self._slots.popleft()
                if has_slot
                else self._turns.take(
                    lambda caller: self._may_start(caller, now_s), is_newest=overload.is_on
                )
            )
            if invocation is None:
                break
            if self._is_over(invocation, now_s):
                self._expire(invocation)
                continue
            self._waiting -= 1
            if not has_slot:
                overload.waited(now_s - invocation.queued_s, now_s)
            return invocation
        if not self._waiting:
            overload.is_over()
        return None

    def _drop_beyond(self, room: float) -> None:
        while self._waiting - len(self._slots) > room:
            self._expire(self._turns.drop())

    def _may_start(self, caller: str, now_s: float) -> bool:
        return self._turns.may_start(caller, self.environments, now_s)

    def _is_over(self, invocation: Invocation, now_s: float) -> bool:
        if invocation.ended is None:
            return True
        patience_s = self.queue_deadline_s
        if self._overload.is_on and not invocation.has_slot:
            patience_s = min(patience_s, self._overload.share_s)
        return now_s - invocation.queued_s > patience_s

    def _expire(self, invocation: Invocation) -> None:
        if invocation.ended is not None:
            self._waiting -= 1
            self._meter.shed()
            invocation.end(EXPIRED)
