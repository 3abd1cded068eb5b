"""The open connections of a server: how many, from which addresses, and for how long."""

from collections import Counter
from collections.abc import Iterable
from heapq import nsmallest
from typing import Protocol

PEER_SHARE = 0.75  # of the connections: what one address leaves is there for the others
CLOSED_AT_ONCE = 64  # idle connections, so that not every new client has all of them looked at


class Member(Protocol):
    """A connection as the set of all sees it."""

    peer: str
    deadline_s: float  # the monotonic clock: how long the client may take for its next step

    @property
    def is_idle(self) -> bool: ...
    def overdue(self) -> None: ...
    def drain(self) -> None: ...
    def close_idle(self) -> None: ...
    def abort(self) -> None: ...


class Connections:
    """At most `limit` connections, fewer from one address, and the bytes that all of them hold."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.buffered_bytes = 0
        self.is_draining = False
        self._open: set[Member] = set()
        self._by_peer: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Member) -> None:
        """Count a connection in, and close idle ones where it is one too many."""
        self._open.add(connection)
        self._by_peer[connection.peer] += 1
        if self._is_peer_full(connection.peer):
            self._close_idle([each for each in self._open if each.peer == connection.peer])
        elif self.excess > 0:
            self._close_idle(self._open)

    def is_full(self, peer: str) -> bool:
        """Return whether there are too many connections, of all or of this peer."""
        return self.excess > 0 or self._is_peer_full(peer)

    @property
    def excess(self) -> int:
        """The connections over the limit."""
        return len(self._open) - self.limit

    def remove(self, connection: Member) -> None:
        """Forget a connection that is closed, once."""
        if connection in self._open:
            self._open.remove(connection)
            self._by_peer[connection.peer] -= 1
            if not self._by_peer[connection.peer]:
                del self._by_peer[connection.peer]

    def sweep(self, now_s: float) -> None:
        """End connections that are past their deadline; called at least once a second."""
        for connection in tuple(self._open):
            if now_s > connection.deadline_s:
                connection.overdue()

    def drain(self) -> None:
        """Close what is idle; what is in hand is answered with `Connection: close`."""
        self.is_draining = True
        for connection in tuple(self._open):
            connection.drain()

    def abort(self) -> None:
        """Cut every connection that is left."""
        for connection in tuple(self._open):
            connection.abort()

    def _is_peer_full(self, peer: str) -> bool:
        return self._by_peer[peer] > max(1, self.limit * PEER_SHARE)

    def _close_idle(self, connections: Iterable[Member]) -> None:
        """Close the connections that have been idle for longest."""
        number = min(CLOSED_AT_ONCE, 1 + self.limit // 100)
        idle = [each for each in connections if each.is_idle]
        newest = max(idle, key=_deadline, default=None)  # whoever has just come
        for connection in nsmallest(number, idle, key=_deadline):
            if connection is not newest:
                connection.close_idle()
                self.remove(connection)


def _deadline(connection: Member) -> float:
    return connection.deadline_s
