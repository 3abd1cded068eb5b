"""One Locust worker's part of a run: it drives its share of the arrivals and reports to the master.

The schedule follows from the options and a seed, so an order names only the share.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import gevent
from gevent.event import Event
from gevent.queue import Empty, Queue
from locust.event import EventHook
from locust.rpc import Message
from locust.runners import WorkerRunner

from loadtest import options
from loadtest.generator.driver import TIMEOUT_S, Driver, Share
from loadtest.generator.journal import SKIPPED
from loadtest.generator.profile import schedule
from loadtest.generator.scenarios import workload
from loadtest.recording.monitor import TICK_S, CpuMeter
from loadtest.start import driver_of, requests_of
from loadtest.under_locust import locust_events
from loadtest.under_locust.fleet import BEGIN, READY, REPORT, STOP

ORDER_S = 180.0  # the master first waits until earlier messages are done, a minute at most
TELL_S = 0.1  # Locust hears of arrivals this often: a longer burst would hold up the pump


class Part:
    """The drive of one order, with Locust's statistics and the reports to the master."""

    def __init__(self, runner: WorkerRunner, request: EventHook, order: dict[str, Any]):
        self._runner = runner
        self._request = request
        self._order = order
        self._start_at = order["received_at"] + order["start_s"]
        self.over = Event()
        self._cpu = CpuMeter()
        self._driver: Driver | None = None
        self._unreported: list[int] = []
        self._is_stopped = False

    def run(self) -> None:
        """Send the share from its start to its last answer; the last report says that it ended."""
        trouble = ""
        try:
            self._driver = self._make_driver()
        except (options.UsageError, OSError) as error:
            trouble = str(error)
        else:
            gevent.sleep(max(0.0, self._start_at - monotonic()))
            self._drive(self._driver)
        self._report(is_done=True, trouble=trouble)
        self.over.set()

    def stop(self) -> None:
        """Send no more; `run` returns when the arrivals in flight have ended."""
        self._is_stopped = True
        if self._driver:
            self._driver.stop()

    def _make_driver(self) -> Driver:
        order, settings = self._order, options.read(self._order["variables"])
        work = workload(schedule(settings.profile))
        requests = requests_of(settings, work, run=order["run"], token=order["token"])
        return driver_of(settings, work, requests, Share(order["first"], order["every"]))

    def _drive(self, driver: Driver) -> None:
        watchers = [
            gevent.spawn(_every, TICK_S, self._tick),
            gevent.spawn(_every, TELL_S, self._tell),
        ]
        self._cpu.sample()
        try:
            if not self._is_stopped:
                driver.run()
        finally:
            gevent.killall(watchers)
            self._cpu.sample()
            self._tell()
            outcomes = enumerate(driver.journal.outcome)
            self._unreported += [index for index, outcome in outcomes if outcome == SKIPPED]

    def _tick(self) -> None:
        self._cpu.sample()
        self._report(is_done=False)

    def _tell(self) -> None:
        if self._driver:
            completed, self._driver.completed = self._driver.completed, []
            locust_events.tell(self._request, self._driver.work, self._driver.journal, completed)
            self._unreported += completed

    def _report(self, *, is_done: bool, trouble: str = "") -> None:
        state: dict[str, Any] = {"is_done": is_done, "trouble": trouble}
        part: dict[str, Any] = {"index": [], "bytes": []}
        if self._driver:
            indexes, self._unreported = self._unreported, []
            part = self._driver.journal.part(indexes)
            state |= {
                "sent": len(
                    range(self._order["first"], self._driver.next_index, self._order["every"])
                ),
                "in_flight": self._driver.in_flight,
                "in_flight_max": self._driver.in_flight_max,
                "cpu_total_s": self._cpu.total_s,
                "cpu_mean": self._cpu.mean,
                "cpu_busiest": self._cpu.busiest,
            }
        report = {"run": self._order["run"], "part": part, "state": state}
        self._runner.send_message(REPORT, report)


@dataclass(slots=True)
class _Post:
    """The orders that wait in this process, and the part that it drives now."""

    orders: "Queue[dict[str, Any]]" = field(default_factory=Queue)
    part: Part | None = None


_post = _Post()


def listen(runner: WorkerRunner) -> None:
    """Take the master's orders from now on."""

    def begin(msg: Message, **_: object) -> None:
        _post.orders.put(msg.data | {"received_at": monotonic()})

    def stop(**_: object) -> None:
        if _post.part:
            _post.part.stop()

    runner.register_message(BEGIN, begin)
    runner.register_message(STOP, stop)


def take_part(runner: WorkerRunner, request: EventHook) -> None:
    """Wait for the order of one run and carry it out; return also where none comes."""
    runner.send_message(READY)
    try:
        order = _post.orders.get(timeout=ORDER_S)
    except Empty:
        return
    _post.part = Part(runner, request, order)
    _post.part.run()


def finish() -> None:
    """Have the current part send no more, and wait for its last report."""
    if _post.part:
        _post.part.stop()
        _post.part.over.wait(TIMEOUT_S + TICK_S)


def _every(period_s: float, action: Callable[[], None]) -> None:
    """Do it for ever; runs in a greenlet that its owner kills."""
    while True:
        gevent.sleep(period_s)
        action()
