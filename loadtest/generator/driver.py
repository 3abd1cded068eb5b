"""The open-workload driver: it sends every arrival when it is due and notes what came of it.

No greenlet per arrival: gevent's hub calls a pump when arrivals are due and a connection when bytes
have come, because a switch costs more than the request (performance.md, section 1). Nothing here
may block; `run` alone waits.
"""

import gc
import resource
import socket as sockets
import ssl
from collections import deque
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple, Protocol

import gevent
from gevent.event import Event

from loadtest.generator.connection import Connection, error_name
from loadtest.generator.http1 import Response
from loadtest.generator.journal import NO_TIME, OK, SKIPPED, Journal
from loadtest.generator.scenarios import SCENARIOS, Requests, Workload, id_in
from loadtest.generator.tls import Records

TIMEOUT_S = 10.0  # as the predecessor's tool had it
BURST = 64  # arrivals sent in one go when late; then answers are read before more is sent
SWEEP_S = 0.1  # time-outs are noticed this coarsely; 1 % of the time-out
MAX_IN_FLIGHT = 20_000  # 10 s of a dead server at 2,000/s; beyond it arrivals count as skipped
SPARE_FILES = 100  # descriptors left for everything that is not a connection


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    tls: ssl.SSLContext | None = None  # None: plain HTTP


class Share(NamedTuple):
    """The arrivals of one of several generators: every nth, from the first that is its own."""

    first: int = 0
    every: int = 1


WHOLE = Share()


class Drive(Protocol):
    """A drive under way, as those see it who watch it."""

    journal: Journal

    @property
    def next_index(self) -> int:
        """Return the number of arrivals that were due until now."""

    @property
    def in_flight(self) -> int: ...

    @property
    def elapsed_s(self) -> float: ...


class Driver:
    """The drive of one workload, or of a share of it, against one address, once."""

    generators = 1  # processes that send
    doubts: tuple[str, ...] = ()  # sentences that make the run invalid; one process has none

    def __init__(
        self,
        work: Workload,
        requests: Requests,
        address: Address,
        *,
        keep_alive: bool = True,
        timeout_s: float = TIMEOUT_S,
        max_in_flight: int = MAX_IN_FLIGHT,
        share: Share = WHOLE,
    ):
        self.work = work
        self.journal = Journal(len(work))
        self.completed: list[int] = []  # arrivals that ended since somebody last took the list
        self.in_flight = 0
        self.in_flight_max = 0
        self.started_at = 0.0  # perf_counter of the schedule's second 0
        self.next_index, self._every = share
        self._requests = requests
        self._host, self._tls = address.host, address.tls
        self._address = _resolve(address)
        self._keep_alive = keep_alive
        self._timeout_s = timeout_s
        self._max_in_flight = min(max_in_flight, _raise_file_limit() - SPARE_FILES)
        self._idle: list[Connection] = []  # last in, first out: the warm ones are used again
        self._open: set[Connection] = set()
        self._deadlines: deque[tuple[float, int, Connection]] = deque()
        self._loop = gevent.get_hub().loop
        self._timer = self._loop.timer(0)
        self._stopping = False
        self._finished = Event()

    def run(self) -> None:
        """Send every arrival and wait for its end; returns when the last one has ended."""
        gc.collect()
        gc.freeze()  # what stands now lives to the end: no collection walks it at the peak
        sweeper = self._loop.timer(SWEEP_S, SWEEP_S)
        self.started_at = perf_counter()
        sweeper.start(self._sweep)
        self._pump()
        try:
            self._finished.wait()
        finally:
            self._stopping = True
            sweeper.stop()
            self._timer.stop()
            for connection in list(self._open):
                connection.close()
            gc.unfreeze()

    def stop(self) -> None:
        """Send no more arrivals; `run` returns when those in flight have ended."""
        self._stopping = True
        self._finish_if_done()

    @property
    def elapsed_s(self) -> float:
        return perf_counter() - self.started_at if self.started_at else 0.0

    def _pump(self) -> None:
        due_s, index, last = self.work.schedule.due_s, self.next_index, len(self.work)
        every = self._every
        stop = min(last, index + BURST * every)
        now = perf_counter() - self.started_at
        while index < stop and due_s[index] <= now and not self._stopping:
            self._send(index, now)
            index += every
            now = perf_counter() - self.started_at
        self.next_index = index
        if index >= last or self._stopping:
            self._finish_if_done()
            return
        self._loop.update_now()
        self._timer = self._loop.timer(max(0.0, due_s[index] - now))
        self._timer.start(self._pump)

    def _send(self, index: int, now: float) -> None:
        if self.in_flight >= self._max_in_flight:
            self.journal.outcome[index] = SKIPPED
            return
        self.journal.sent_s[index] = now
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            connection = self._idle.pop() if self._idle else self._connect()
        except OSError as error:
            self._end(index, now, error=error_name(error))
            return
        self._deadlines.append((now + self._timeout_s, index, connection))
        connection.send(index, self._requests.of(index))

    def _connect(self) -> Connection:
        connection = Connection(
            self._loop,
            self._address,
            on_answer=self._answered,
            on_failure=self._failed,
            on_close=self._closed,
            tls=Records(self._tls, self._host) if self._tls else None,
        )
        self._open.add(connection)
        return connection

    def _answered(self, connection: Connection, index: int, response: Response) -> None:
        now = perf_counter() - self.started_at
        if self._keep_alive and not response.closes and not self._stopping:
            self._idle.append(connection)
        else:
            connection.close()
        journal, which = self.journal, self.work.scenario[index]
        journal.status[index] = response.status
        journal.bytes[index] = len(response.body)
        journal.bytes_received += len(response.body)
        if response.status != SCENARIOS[which].status:
            self._end(index, now, error=f"http_{response.status}")
            return
        object_id = id_in(which, response.body)
        if object_id is None:
            self._end(index, now, error="bad_body")
            return
        journal.ids[index] = object_id
        journal.outcome[index] = OK
        self._end(index, now)

    def _failed(self, index: int, error: str) -> None:
        self._end(index, perf_counter() - self.started_at, error=error)

    def _closed(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _end(self, index: int, now: float, *, error: str | None = None) -> None:
        self.journal.done_s[index] = now
        if error is not None:
            self.journal.failed(index, error)
        self.in_flight -= 1
        self.completed.append(index)
        if self.in_flight == 0:
            self._finish_if_done()

    def _finish_if_done(self) -> None:
        sent_all = self._stopping or self.next_index >= len(self.work)
        if sent_all and self.in_flight == 0:
            self._finished.set()

    def _sweep(self) -> None:
        now = perf_counter() - self.started_at
        deadlines, done_s = self._deadlines, self.journal.done_s
        while deadlines and (deadlines[0][0] <= now or done_s[deadlines[0][1]] != NO_TIME):
            _, index, connection = deadlines.popleft()
            if done_s[index] == NO_TIME:
                connection.abandon("ETIMEDOUT")


def _resolve(address: Address) -> tuple[int, tuple[str, int]]:
    places = sockets.getaddrinfo(address.host, address.port, type=sockets.SOCK_STREAM)
    family, *_, place = places[0]
    return family, (str(place[0]), int(place[1]))


def _raise_file_limit() -> int:
    """Lift the soft limit of open files to the hard one; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
