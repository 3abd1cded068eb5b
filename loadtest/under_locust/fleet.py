"""The generators of a run under Locust's master: its workers, each with every nth arrival.

`Fleet` takes a driver's place in the run. The workers report what came of their arrivals every
second, and the master's journal has them all, so figures, audit and verdict are those of one run.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import gevent
from locust.rpc import Message
from locust.runners import MasterRunner

from loadtest.generator.journal import UNSENT, Journal
from loadtest.generator.scenarios import Workload
from loadtest.witnesses.api import ApiError

# Messages between Locust's master and its workers.
READY, BEGIN, STOP, REPORT = "load_ready", "load_begin", "load_stop", "load_report"
GATHER_S = 30.0  # all workers have spawned their user by then
START_S = 3.0  # between the order and the first arrival: workers first make their schedule
LOST_S = 5.0  # without a report; they come every second
UNHEARD_S = 2.0  # a worker may have sent for so long after its last report
LOOK_S = 0.1
UNKNOWN = "WORKER_LOST"  # the error class of arrivals that a worker took with it


@dataclass(slots=True)
class Member:
    """One worker as its last report shows it."""

    number: int  # from 1
    heard_at: float  # monotonic
    sent: int = 0
    in_flight: int = 0
    in_flight_max: int = 0
    cpu_total_s: float = 0.0
    cpu_mean: float = 0.0
    cpu_busiest: float = 0.0
    is_done: bool = False
    trouble: str = ""
    is_lost: bool = False  # no report came for LOST_S


@dataclass(slots=True)
class FleetCpu:
    """The CPU of all workers: their sum, and the share of a core of the busiest one."""

    members: dict[str, Member]

    def sample(self) -> None:
        """Do nothing: each worker measures itself."""

    @property
    def total_s(self) -> float:
        return sum(member.cpu_total_s for member in self.members.values())

    @property
    def mean(self) -> float:
        return max((member.cpu_mean for member in self.members.values()), default=0.0)

    @property
    def busiest(self) -> float:
        return max((member.cpu_busiest for member in self.members.values()), default=0.0)


@dataclass(slots=True)
class Fleet:
    """Locust's workers as one driver. `variables` are the options that all of them read."""

    runner: MasterRunner
    variables: dict[str, str]
    expected: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    completed: list[int] = field(default_factory=list)  # empty: workers tell Locust themselves
    doubts: tuple[str, ...] = ()
    work: Workload = field(init=False)
    journal: Journal = field(init=False)
    _run: str = ""
    _token: str = ""
    _begun_at: float = 0.0
    _is_stopping: bool = False

    def __post_init__(self) -> None:
        self.expected = self.runner.worker_count

    @property
    def cpu(self) -> FleetCpu:
        return FleetCpu(self.members)

    @property
    def next_index(self) -> int:
        return sum(member.sent for member in self.members.values())

    @property
    def in_flight(self) -> int:
        return sum(member.in_flight for member in self.members.values())

    @property
    def in_flight_max(self) -> int:
        return sum(member.in_flight_max for member in self.members.values())

    @property
    def elapsed_s(self) -> float:
        return max(0.0, monotonic() - self._begun_at) if self._begun_at else 0.0

    @property
    def generators(self) -> int:
        return len(self.members)

    def prepare(self, work: Workload, *, run: str, token: str) -> None:
        """Take the run that the workers are to share."""
        self.work, self.journal = work, Journal(len(work))
        self._run, self._token = run, token

    def run(self) -> None:
        """Have the workers send every arrival; returns when each has ended or is lost."""
        self._gather()
        if self._is_stopping:
            return
        for client_id, member in self.members.items():
            order = {
                "run": self._run,
                "token": self._token,
                "variables": self.variables,
                "first": member.number - 1,
                "every": len(self.members),
                "start_s": START_S,
            }
            self.runner.send_message(BEGIN, order, client_id)
            member.heard_at = monotonic() + START_S
        self._begun_at = monotonic() + START_S
        while not all(member.is_done or member.is_lost for member in self.members.values()):
            gevent.sleep(LOOK_S)
            self._look_for_lost()
        self.doubts = tuple(self._account())

    def stop(self) -> None:
        """Have no more arrivals sent; `run` returns when those in flight have ended."""
        self._is_stopping = True
        for client_id in self.members:
            self.runner.send_message(STOP, {"run": self._run}, client_id)

    def join(self, client_id: str) -> None:
        """Take a worker whose user waits for the order; one that comes too late is left out."""
        if not self._begun_at and len(self.members) < self.expected:
            self.members.setdefault(client_id, Member(len(self.members) + 1, monotonic()))

    def receive(self, client_id: str, report: dict[str, Any]) -> None:
        """Take over what a worker reports of its arrivals and of itself."""
        member = self.members.get(client_id)
        if member is None or report["run"] != self._run:
            return
        member.heard_at = monotonic()
        self.journal.add(report["part"])
        for name, value in report["state"].items():
            setattr(member, name, value)

    def _gather(self) -> None:
        deadline = monotonic() + GATHER_S
        while len(self.members) < self.expected and not self._is_stopping:
            if monotonic() > deadline:
                missing = self.expected - len(self.members)
                raise ApiError(
                    f"{missing} of {self.expected} Locust workers did not begin within "
                    f"{GATHER_S:.0f} s; start them anew with the same locustfile"
                )
            gevent.sleep(LOOK_S)

    def _look_for_lost(self) -> None:
        for member in self.members.values():
            if not member.is_done and monotonic() - member.heard_at > LOST_S:
                member.is_lost = True

    def _account(self) -> list[str]:
        """Return a sentence per worker that failed the run; note the arrivals it took with it."""
        doubts = []
        for member in self.members.values():
            missing = 0 if member.trouble or self._is_stopping else self._note_unknown(member)
            who = f"Locust worker {member.number} of {len(self.members)}"
            if member.trouble:
                doubts.append(f"{who} could not send its arrivals: {member.trouble}")
            elif member.is_lost or missing:
                after_s = max(0.0, member.heard_at - self._begun_at)
                doubts.append(
                    f"{who} vanished {after_s:.0f} s into the run: "
                    f"{missing:,} of its arrivals were not sent, or not reported"
                )
        return doubts

    def _note_unknown(self, member: Member) -> int:
        """Return how many arrivals have no end, and note those that may have been sent."""
        sent_until_s = member.heard_at + UNHEARD_S - self._begun_at if member.is_lost else -1.0
        mine = range(member.number - 1, len(self.work), len(self.members))
        without_end = [index for index in mine if self.journal.outcome[index] == UNSENT]
        for index in without_end:
            if self.work.schedule.due_s[index] <= sent_until_s:
                self.journal.failed(index, UNKNOWN)
        return len(without_end)


def listen(runner: MasterRunner, current: Callable[[], Fleet | None]) -> None:
    """Hand what workers say to the fleet of the current run, if there is one."""

    def join(msg: Message, **_: object) -> None:
        if fleet := current():
            fleet.join(msg.node_id)

    def receive(msg: Message, **_: object) -> None:
        if fleet := current():
            fleet.receive(msg.node_id, msg.data)

    runner.register_message(READY, join)
    runner.register_message(REPORT, receive)
