"""The collapse, replayed: `make collapse`, or `python -m tests.collapse [NAME …]`.

Each of the predecessor's faults is switched on alone, on systems of this replay only; the same
clients then meet the system as it is. Without names all are replayed, and docs/collapse.md is
written.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

import psutil
import redis

from loadtest.recording.measure import exact
from loadtest.witnesses.api import Api, ApiError, fetch_token
from loadtest.witnesses.records import newest
from local.machine import status
from tests.collapse.clients import ANSWERED, REFUSED, RESET, TIMED_OUT, Clients
from tests.e2e.conftest import ROOT, System, own_system

PAGE = ROOT / "docs" / "collapse.md"
SWITCHES = Path(__file__).parent / "switches"
CALM_PER_S = 120
OVERLOAD_PER_S = 600
SETTLE_S = 50.0  # the relay sends again after 30 s what was lost on its way to the queue
READABLE_WITHIN_S = 60.0  # after that a replay whose end cannot be read breaks off
STILL_S = 10.0  # without a relay nothing happens any more after this
FAULT_AT_S = 5.0  # in the peak
STALL_S = 4.0  # longer than clients wait
# A connection that finds no room is asked for again after 1 s and after 3 s, when its client has
# given up. So a stall has to last for a second and as long as the backlog takes to fill.
BRIEF_STALL_S = 2.2
BACKLOG_PER_S = 150
PRESSURE_S = 5.0
DONE = ("succeeded", "failed", "requires_capture", "canceled", "delivered", "suppressed")


def no_disturbance(_system: System) -> None:
    """Leave the system alone."""


def stall(system: System, seconds: float = STALL_S) -> None:
    """Let the gateway stand still, usually for longer than clients wait."""
    last = status.read(system.state)
    assert last is not None
    gateway = psutil.Process(next(each.pid for each in last.processes if each.name == "gateway"))
    gateway.suspend()
    try:
        time.sleep(seconds)
    finally:
        gateway.resume()


def stall_briefly(system: System) -> None:
    """Let the gateway stand still for less long than clients wait."""
    stall(system, BRIEF_STALL_S)


def fill_memory(system: System) -> None:
    """Leave Valkey no memory beyond what it has in use, for some seconds."""
    server = _valkey(system)
    server.config_set("maxmemory", server.info("memory")["used_memory"])
    time.sleep(PRESSURE_S)
    server.config_set("maxmemory", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One fault of the predecessor, and what makes it matter."""

    fault: str
    instead: str  # what stands in its place
    disturbance: Callable[[System], None] = no_disturbance
    rate_per_s: int = CALM_PER_S
    switches: str = ""  # of the system's processes
    evicts: bool = False
    has_token: bool = True
    has_keys: bool = True
    reuses: bool = True  # connections

    def as_it_is(self) -> "Replay":
        """Return the same clients and disturbance, with the fault off."""
        return replace(self, switches="", evicts=False, has_token=True, has_keys=True, reuses=True)


REPLAYS = {
    "token": Replay(
        fault="the load carries no token",
        instead="the load logs in first",
        has_token=False,
    ),
    "workers": Replay(
        fault="workers take one message at a time, also while requests wait",
        instead="workers take ten, after requests",
        rate_per_s=OVERLOAD_PER_S,
        switches="one-by-one",
    ),
    "queue": Replay(
        fault="requests wait without a bound or a deadline, also those whose client has gone",
        instead="what cannot be served in time is refused, what nobody waits for is not run",
        disturbance=stall,
        rate_per_s=OVERLOAD_PER_S,
        switches="endless-queue",
    ),
    "connections": Replay(
        fault="a connection per arrival, and a backlog of 100",
        instead="connections are used again, and the backlog is 4,096",
        disturbance=stall_briefly,
        rate_per_s=BACKLOG_PER_S,
        switches="short-backlog",
        reuses=False,
    ),
    "keys": Replay(
        fault="a retry is a new request",
        instead="a retry carries the key of the first attempt",
        disturbance=stall,
        has_keys=False,
    ),
    "eviction": Replay(
        fault="`allkeys-lru` evicts keys of queues, and nobody sends again what is lost",
        instead="`noeviction`, and messages are in the document too",
        disturbance=fill_memory,
        switches="no-relay",
        evicts=True,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The figures of one replay, with the fault or without."""

    arrivals: int
    outcomes: Counter[str]
    broken: int  # attempts that timed out or were reset
    unconnected: int  # attempts that had no connection at once
    p99_ms: float | None  # of what was answered
    accepted: int  # payments and notifications
    lost: int
    doubled: int


@contextmanager
def system_with(switches: str) -> Iterator[System]:
    """Run a system whose processes have these faults."""
    path = f"{SWITCHES}:{ROOT}:{ROOT / 'layers/backend/python'}"
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        own_system(Path(folder) / "state", PYTHONPATH=path, COLLAPSE=switches) as system,
    ):
        yield system


def play(replay: Replay, system: System) -> Result:
    """Send the short profile, disturb the system in its peak, and count what came of it."""
    token = fetch_token(system.gateway, "load", "load-secret")
    began_s = time.time()
    clients = Clients(
        system.gateway,
        token if replay.has_token else "none",
        replay.rate_per_s,
        has_keys=replay.has_keys,
        reuses=replay.reuses,
    )
    server = _valkey(system)
    policy = "allkeys-lru" if replay.evicts else "noeviction"
    server.config_set("maxmemory-policy", policy)
    disturber = threading.Timer(FAULT_AT_S, replay.disturbance, (system,))
    disturber.start()
    clients.drive()
    disturber.join()
    api = Api(system.gateway, token=token)
    lost, doubled = _settled(api, clients, began_s, has_relay="no-relay" not in replay.switches)
    tally = clients.tally
    return Result(
        arrivals=len(clients),
        outcomes=tally.outcomes,
        broken=tally.broken,
        unconnected=tally.unconnected,
        p99_ms=exact([each * 1000 for each in tally.latencies_s], 0.99),
        accepted=len(tally.payments) + len(tally.notifications),
        lost=lost,
        doubled=doubled,
    )


def _settled(api: Api, clients: Clients, began_s: float, *, has_relay: bool) -> tuple[int, int]:
    """Wait until all that was accepted is done; return what is lost, and what is doubled."""
    wanted = clients.tally.payments | clients.tally.notifications
    until_s = time.monotonic() + (SETTLE_S if has_relay else STILL_S)
    while True:
        try:
            payments = list(newest(api, "/v1/payments", since_s=began_s - 1))
            notifications = list(newest(api, "/v1/notifications", since_s=began_s - 1))
        except ApiError:  # it still refuses what is too much for it
            if time.monotonic() > until_s + READABLE_WITHIN_S:
                raise
            time.sleep(1)
            continue
        done = {each["id"] for each in payments + notifications if each["status"] in DONE}
        if not wanted - done or time.monotonic() > until_s:
            break
        time.sleep(1)
    charged = Counter(
        each["description"] for each in payments if each["amount_captured"] and each["description"]
    )
    ours = [n for name, n in charged.items() if name.startswith(f"load {clients.run_id} ")]
    return len(wanted - done), sum(ours) - len(ours)


def _valkey(system: System) -> redis.Redis:
    return redis.Redis.from_url(f"unix://{system.state}/run/valkey.sock")


ROW = "| {} | {} | {:,} | {:,} | {:,} | {:,} | {:,} | {:,} | {} | {:,} | {:,} | {:,} |"
HEAD = (
    "| | what is so | arrivals | answered | refused | timed out or reset | attempts that were |"
    " without a connection at once | p99 of the answered | accepted | lost | doubled |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def _row(when: str, what: str, result: Result) -> str:
    outcomes = result.outcomes
    p99 = "-" if result.p99_ms is None else f"{ceil(result.p99_ms):,} ms"
    return ROW.format(
        *(when, what, result.arrivals, outcomes[ANSWERED], outcomes[REFUSED]),
        *(outcomes[TIMED_OUT] + outcomes[RESET], result.broken),
        *(result.unconnected, p99, result.accepted, result.lost, result.doubled),
    )


def replay_all(names: list[str]) -> list[str]:
    """Replay these; return the rows of the table."""
    befores: dict[str, Result] = {}
    afters: dict[str, Result] = {}
    plain = [name for name in names if not REPLAYS[name].switches]
    with system_with("") as system:
        for name in plain:
            befores[name] = _played(f"{name}, the fault on", REPLAYS[name], system)
        for name in names:
            same = next((n for n in afters if _is_same(REPLAYS[n], REPLAYS[name])), None)
            afters[name] = (
                afters[same]
                if same
                else _played(f"{name}, the fault off", REPLAYS[name].as_it_is(), system)
            )
    for name in set(names) - set(plain):
        with system_with(REPLAYS[name].switches) as system:
            befores[name] = _played(f"{name}, the fault on", REPLAYS[name], system)
    return [
        row
        for name in names
        for row in (
            _row("before", REPLAYS[name].fault, befores[name]),
            _row("after", REPLAYS[name].instead, afters[name]),
        )
    ]


def _is_same(one: Replay, other: Replay) -> bool:
    return (one.disturbance, one.rate_per_s) == (other.disturbance, other.rate_per_s)


def _played(what: str, replay: Replay, system: System) -> Result:
    sys.stderr.write(f"{what}\n")
    result = play(replay, system)
    sys.stderr.write(
        f"  {dict(result.outcomes)}, {result.broken} attempts broken,"
        f" {result.unconnected} without a connection at once,"
        f" lost {result.lost}, doubled {result.doubled}\n"
    )
    return result


def _page(rows: list[str]) -> str:
    return (
        "# The collapse, replayed\n\n"
        f"Written by `make collapse` on {datetime.now(UTC):%Y-%m-%d}. The predecessor of this"
        " system failed 127,752 of 127,800 arrivals. It had many faults at once; here each is"
        " switched on\nalone (before), and the same clients then meet the system as it is"
        " (after).\n\n"
        "The clients send the profile's shape in twelve seconds, a quarter each of health checks,"
        " payments, events and\nnotifications, wait three seconds for an answer and ask three times"
        " at most. Lost is what was answered with 201 or 202 and\nnot done "
        f"{SETTLE_S:.0f} s later, or {STILL_S:.0f} s where nobody sends again; doubled are"
        " customers' payments that were charged more than once."
        " Without a connection at once is what the kernel's\nqueue, when it was full, did not take"
        " at its first asking. The faults live in `tests/collapse`, beside the system's own code:"
        " no setting has\nthem.\n\n"
        f"{HEAD}\n" + "\n".join(rows) + "\n"
        f"\nOn {os.cpu_count()} processors; their load average was {os.getloadavg()[2]:.0f} in the"
        " last fifteen minutes, the replay's own included.\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.collapse", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(REPLAYS)}")
    options = parser.parse_args()
    unknown = set(options.names) - set(REPLAYS)
    if unknown:
        parser.error(f"no replay {', '.join(sorted(unknown))}; there are {', '.join(REPLAYS)}")
    rows = replay_all(options.names or list(REPLAYS))
    sys.stdout.write(f"{HEAD}\n" + "\n".join(rows) + "\n")
    if not options.names:
        PAGE.write_text(_page(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
