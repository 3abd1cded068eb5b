"""The open connections of a server: how many, from which addresses, and for how long."""

from collections import Counter
from collections.abc import Iterable
from heapq import nsmallest
from typing import Protocol

PEER_SHARE = 0.75  # of the connections: what one address leaves is there for the others
REFUSED_AT_A_TIME_MAX = 128  # clients over the limit that are told so; others are cut
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
    """Connections, at most `limit`, fewer from one address, and the bytes that all of them hold."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.buffered_bytes = 0
        self.is_draining = False
        self._admitted: set[Member] = set()
        self._by_peer: Counter[str] = Counter()  # of the admitted
        self._refused: set[Member] = set()  # until they have read it; they take no room

    def __len__(self) -> int:
        return len(self._admitted) + len(self._refused)

    def admit(self, connection: Member) -> bool:
        """Count a connection in, in the place of idle ones if need be; False without room."""
        peer = connection.peer
        if self._is_peer_full(peer):
            self._close_idle([each for each in self._admitted if each.peer == peer])
        elif self._is_full():
            self._close_idle(self._admitted)
        if self._is_full() or self._is_peer_full(peer):
            return False
        self._admitted.add(connection)
        self._by_peer[peer] += 1
        return True

    def refuse(self, connection: Member) -> bool:
        """Wait for a connection to read that it is refused; False where too many do."""
        if len(self._refused) >= REFUSED_AT_A_TIME_MAX:
            return False
        self._refused.add(connection)
        return True

    def remove(self, connection: Member) -> None:
        """Forget a connection that is closed, once."""
        self._refused.discard(connection)
        if connection in self._admitted:
            self._admitted.remove(connection)
            self._by_peer[connection.peer] -= 1
            if not self._by_peer[connection.peer]:
                del self._by_peer[connection.peer]

    def sweep(self, now_s: float) -> None:
        """End connections that are past their deadline; called at least once a second."""
        for connection in self._all():
            if now_s > connection.deadline_s:
                connection.overdue()

    def drain(self) -> None:
        """Close what is idle; what is in hand is answered with `Connection: close`."""
        self.is_draining = True
        for connection in self._all():
            connection.drain()

    def abort(self) -> None:
        """Cut every connection that is left."""
        for connection in self._all():
            connection.abort()

    def _all(self) -> tuple[Member, ...]:
        return (*self._admitted, *self._refused)

    def _is_full(self) -> bool:
        return len(self._admitted) >= self.limit

    def _is_peer_full(self, peer: str) -> bool:
        return self._by_peer[peer] + 1 > max(1, self.limit * PEER_SHARE)

    def _close_idle(self, connections: Iterable[Member]) -> None:
        """Close the connections that have been idle for longest."""
        number = min(CLOSED_AT_ONCE, 1 + self.limit // 100)
        idle = [each for each in connections if each.is_idle]
        for connection in nsmallest(number, idle, key=_deadline):
            connection.close_idle()
            self.remove(connection)


def _deadline(connection: Member) -> float:
    return connection.deadline_s
