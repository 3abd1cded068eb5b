"""The turns of commands: one that works for long stands back now and then, for others to run.

Such a command runs in a greenlet of its own. It calls `check` between two chunks of rows and
between two parts of a long filter or bulk. There it lets the loop go on if its turn is over, and
comes back behind it; if its time is over, it ends.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from time import monotonic

from greenlet import getcurrent, greenlet

from local.documents.errors import DocumentsError

TURN_S = 0.01  # longer than a short command waits for the processor
COMMAND_S = 60  # no command takes longer, whatever its maxTimeMS; standing back counts
PAUSED_MAX = 100  # commands that stand back: each holds a chunk of rows


class Turns:
    """The command that runs now, and those that stand back."""

    def __init__(self) -> None:
        self._paused: deque[tuple[greenlet, bool]] = deque()  # with True for those that write
        self._idle: list[greenlet] = []  # no more than once were at work
        self._is_resuming = False
        self._deadline_s = self._ends_s = math.inf
        self._writes = False
        self._rollbacks = 0
        self.pauses = 0  # of all commands so far: who counts them knows that others ran
        self.is_stopping = False  # what stands back stays there
        self.may_write: Callable[[], bool] = lambda: True
        self.begin_writing: Callable[[], None] = lambda: None

    def take(self, command: Callable[[], None]) -> None:
        """Run a command to its end, or until it stands back."""
        worker = self._idle.pop() if self._idle else greenlet(self._work)
        worker.switch(command)

    def _work(self, command: Callable[[], None]) -> None:
        """Run one command after another: a new greenlet for each would cost 10 us."""
        current = getcurrent()
        assert current.parent is not None
        while True:  # up to the end of the process
            command()
            self._idle.append(current)
            command = current.parent.switch()

    def begin(self, limit_ms: int = 0, *, writes: bool = False) -> None:
        """Begin the time of the command that calls; a limit of 0 is none of its own."""
        now_s = monotonic()
        self._writes = writes
        self._deadline_s = now_s + (min(limit_ms / 1000, COMMAND_S) if limit_ms else COMMAND_S)
        self._ends_s = math.inf if getcurrent().parent is None else now_s + TURN_S

    def check(self) -> bool:
        """Stand back if the turn is over; return True if others ran. Raises DocumentsError."""
        now_s = monotonic()
        if now_s > self._deadline_s:
            raise DocumentsError(50, "operation exceeded time limit")
        if now_s <= self._ends_s:
            return False
        self._stand_back()
        return True

    def _stand_back(self) -> None:
        if len(self._paused) >= PAUSED_MAX:
            raise DocumentsError(
                146, f"more than {PAUSED_MAX} commands take long; make an index or try again"
            )
        own = (self._deadline_s, self._writes, self._rollbacks)
        current = getcurrent()
        assert current.parent is not None
        self._paused.append((current, self._writes))
        self.resume()
        current.parent.switch()
        self._deadline_s, self._writes, rollbacks = own
        self._ends_s = monotonic() + TURN_S
        self.pauses += 1
        if self._writes:
            if rollbacks != self._rollbacks:
                raise DocumentsError(14031, "the transaction was rolled back")
            self.begin_writing()

    def resume(self) -> None:
        """Give the next turn behind what the loop has to do first."""
        if not (self._is_resuming or self.is_stopping):
            self._is_resuming = True
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        self._is_resuming = False
        if self.is_stopping:
            return
        for _ in range(len(self._paused)):
            command, writes = self._paused.popleft()
            if not writes or self.may_write():
                if self._paused:
                    self.resume()
                command.switch()
                return
            self._paused.append((command, writes))

    def roll_back(self) -> None:
        """Have writes that stand back end: what they did is undone."""
        self._rollbacks += 1


turns = Turns()
