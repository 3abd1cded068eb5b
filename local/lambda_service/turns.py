"""The turns of callers at one function's environments: what one asks for delays itself first.

Events that wait do so by caller, and the callers take turns. While several come, none has all
environments in hand: one is left for whoever has fewer. One caller alone has them all. Under
overload the newest event of a caller goes first, and what only reads before a write that its client
may repeat.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Generic, Protocol, TypeVar

ONE_WRITE_OF = 4  # events that start under overload: reads alone never keep all writes out
LOOKED_AT = 64  # of a line, the newest: so far an event may be moved up
SEVERAL_S = 10.0  # how long after another caller's event one leaves an environment to others


class Event(Protocol):
    """An event as far as turns are concerned."""

    caller: str
    is_repeatable: bool  # a write that its client may send again


class Place(Protocol):
    """An environment as far as turns are concerned."""

    @property
    def invocation(self) -> Event | None: ...


E = TypeVar("E", bound=Event)


class Turns(Generic[E]):
    """The events of one function that wait, by caller; "" is nobody known, and never bounded."""

    __slots__ = ("_last", "_lines", "_several_until_s", "_started")

    def __init__(self) -> None:
        self._lines: dict[str, deque[E]] = {}  # in the order of their turns; none is empty
        self._last = ""
        self._several_until_s = 0.0
        self._started: dict[str, int] = {}  # of each caller's events under overload

    @property
    def lines(self) -> Sequence[deque[E]]:
        """The lines as they are now; whoever takes from them calls `tidy`."""
        return tuple(self._lines.values())

    def came(self, caller: str, now_s: float) -> None:
        """Take note that this caller has sent an event."""
        if caller and caller != self._last:
            if self._last:
                self._several_until_s = now_s + SEVERAL_S
            self._last = caller

    def may_start(self, caller: str, places: Collection[Place], now_s: float) -> bool:
        """Return whether an event of this caller may start in one of these places."""
        if now_s >= self._several_until_s or not caller:
            return True
        events = [each.invocation for each in places]
        own = sum(each is not None and each.caller == caller for each in events)
        return own < max(1, len(events) - 1)

    def append(self, event: E) -> None:
        """Have an event wait behind those of its caller."""
        line = self._lines.get(event.caller)
        if line is None:
            self._lines[event.caller] = deque((event,))
        else:
            line.append(event)

    def take(self, may_start: Callable[[str], bool], *, is_newest: bool) -> E | None:
        """Return the next event of the caller whose turn it is, or None where nobody may start."""
        caller = next(filter(may_start, self._lines), None)
        if caller is None:
            return None
        line = self._lines.pop(caller)
        event = self._newest(caller, line) if is_newest else line.popleft()
        if line:
            self._lines[caller] = line  # behind the others
        return event

    def drop(self) -> E:
        """Return the oldest event of whoever has most that wait, of which there are some."""
        caller = max(self._lines, key=lambda each: len(self._lines[each]))
        line = self._lines[caller]
        event = line.popleft()
        if not line:
            del self._lines[caller]
        return event

    def _newest(self, caller: str, line: deque[E]) -> E:
        """Return the newest read of a line, or the newest write where that has the turn.

        Each caller's events are counted by themselves: of all together, the turn of a write might
        come to one of four callers each time.
        """
        started = self._started.get(caller, 0) + 1
        self._started[caller] = started
        wants_write = started % ONE_WRITE_OF == 0
        for back in range(1, min(len(line), LOOKED_AT) + 1):
            event = line[-back]
            if event.is_repeatable is wants_write:
                del line[-back]
                return event
        return line.pop()

    def tidy(self) -> None:
        """Forget the callers of whom nothing waits any more."""
        self._lines = {caller: line for caller, line in self._lines.items() if line}
        self._started = {each: n for each, n in self._started.items() if each in self._lines}
