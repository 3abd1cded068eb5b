"""One worker process: a poller and a function host for each mapping, from start to drained end."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import redis

from local.lambda_service.output import FunctionOutput
from local.lambda_service.tallies import Tally
from local.machine import requests_waiting, worker_functions
from local.machine.wiring import INVOKE_URL
from local.runtime import interpreter
from local.template import Function, Mapping, Schedule, Template
from local.template import Queue as QueueOfTemplate
from local.template.intrinsics import QUEUE_URL
from local.traces import export
from local.traces.export import Exporter
from local.traces.sampling import Recorder
from queue_workers import metrics, slots
from queue_workers.debugged import DebuggedFunction
from queue_workers.function_host import FunctionHost
from queue_workers.invoker import Invoker, Way
from queue_workers.poller import FILL_S, RECEIVE_MAX, Poller
from queue_workers.queue_attributes import QueueAttributes
from queue_workers.reserved_concurrency import ReservedConcurrency
from queue_workers.ticker import QueueWay, Ticker
from queue_workers.yield_to_requests import RequestPriority
from redis_sqs import Queue, QueueUnavailable, redis_scripts
from redis_sqs.carrier import Carrier
from redis_sqs.limits import VISIBILITY_MAX_S

log = logging.getLogger(__name__)

STOPPING = {signal.SIGTERM, signal.SIGINT}
TICK_S = 1.0  # how often a host that has ended is looked for
DRAIN_S = 10.0  # what is in hand may take at the end; twice the time-out of the template's workers
DEBUGGED_DRAIN_S = 0.5  # a person who steps through an event is not waited for
HOSTS_END_S = 3.0  # their environments are idle by then
WINDOW_MARGIN_S = 30  # Lambda's own


@dataclass(slots=True)
class Worker:
    """Worker `index` of one state directory: it polls every mapping that has a place for it.

    A schedule has one place, so one worker runs it, and another one when that has gone.
    """

    template: Template
    state: Path
    index: int
    metrics_address: tuple[str, int]
    carrier: Carrier
    python: str  # that functions run on
    stop: threading.Event = field(default_factory=threading.Event)
    hosts: list[FunctionHost] = field(default_factory=list)
    invokers: list[Invoker] = field(default_factory=list)
    pollers: list[Poller | Ticker] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    unplaced: list[Mapping] = field(default_factory=list)  # other workers have all their places
    unscheduled: list[tuple[int, Schedule]] = field(default_factory=list)  # others run them
    places: list[IO[str]] = field(default_factory=list)
    queues: list[tuple[Queue, Queue | None]] = field(default_factory=list)
    queue_attributes: QueueAttributes = field(init=False)
    request_priority: RequestPriority = field(init=False)
    exporter: Exporter | None = field(init=False)  # None where nobody takes spans
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.queue_attributes = QueueAttributes(self.template, self.carrier)
        self.request_priority = RequestPriority(
            partial(requests_waiting.ago_s, requests_waiting.path_of(self.state)),
            requests_waiting.shared(self.state),
        )
        url = os.environ.get(export.URL)
        self.exporter = Exporter(f"{url}/v1/traces") if url else None
        keep = self.exporter.add if self.exporter else lambda spans: None
        self.recorder = Recorder(keep, os.environ)

    def run(self) -> None:
        """Poll until a signal, then drain. Raises PortTaken.

        The port comes first: a worker that was started twice must not take the other's sockets.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        metrics.serve(*self.metrics_address, self.queues)
        self.unplaced = list(self.template.mappings)
        self.unscheduled = list(enumerate(self.template.schedules))
        warn_of_eviction(self.carrier.redis_url)
        self._look_after()
        polled = ", ".join(thread.name for thread in self.threads) or "nothing yet: all is polled"
        log.info("worker %d polls %s", self.index, polled)
        while signal.sigtimedwait(STOPPING, TICK_S) is None:
            self._look_after()
        self._drain()
        if self.exporter:
            self.exporter.stop()

    def _look_after(self) -> None:
        """Poll the mappings that have a place left, and keep their hosts alive."""
        self.queue_attributes.look_after()
        for mapping in tuple(self.unplaced):
            most, name = mapping.maximum_concurrency, f"{mapping.function}-{mapping.queue}"
            place = most and slots.take(requests_waiting.shared(self.state), name, most)
            if most and not place:
                continue
            if place:
                self.places.append(place)
            self.unplaced.remove(mapping)
            self._add(mapping)
        for number, schedule in tuple(self.unscheduled):
            name = f"schedule-{schedule.function or schedule.queue}-{number}"
            if place := slots.take(requests_waiting.shared(self.state), name, 1):
                self.places.append(place)
                self.unscheduled.remove((number, schedule))
                self._add_schedule(schedule)
        for host in self.hosts:
            host.keep_alive()
        worker_functions.say(
            worker_functions.path_of(self.state, self.index), by_function(self.invokers)
        )

    def _add(self, mapping: Mapping) -> None:
        queue = self.template.queues[mapping.queue]
        function = self.template.functions[mapping.function]
        dead_letter_url = f"{QUEUE_URL}{queue.dead_letter}" if queue.dead_letter else None
        hidden_s = hidden_for_s(queue, mapping, function)
        source = self.carrier.connect(
            f"{QUEUE_URL}{queue.name}",
            visibility_timeout_s=hidden_s,
            max_receive_count=queue.max_receive_count or 0,  # without a dead-letter queue no limit
            dead_letter_url=dead_letter_url,
            retention_s=queue.retention_s,
            fill_s=FILL_S,
            receive_max=RECEIVE_MAX,
        )
        dead_letters = self.carrier.connect(dead_letter_url) if dead_letter_url else None
        self.queues.append((source, dead_letters))
        metrics.start_at_zero(queue.name)
        poller = Poller(
            source,
            self._host(function),
            mapping,
            visibility_timeout_s=queue.visibility_timeout_s if function.is_debugged else hidden_s,
            stop=self.stop,
            request_priority=self.request_priority,
            recorder=self.recorder,
            reserved_concurrency=self._reservation_of(function),
            region=self.carrier.region,
        )
        self._run(poller, queue.name)

    def _reservation_of(self, function: Function) -> ReservedConcurrency | None:
        most = function.reserved_concurrency
        if most is None:
            return None
        return ReservedConcurrency(requests_waiting.shared(self.state), function.logical_id, most)

    def _add_schedule(self, schedule: Schedule) -> None:
        function = self.template.functions.get(schedule.function)
        every_s = (function and function.every_s) or schedule.every_s
        ticker = Ticker(
            self._host(function) if function else self._way_to(schedule),
            schedule,
            every_s=every_s,
            stop=self.stop,
            request_priority=self.request_priority,
            recorder=self.recorder,
        )
        self._run(ticker, f"the clock for {schedule.function or schedule.queue}")

    def _way_to(self, schedule: Schedule) -> QueueWay:
        name = self.template.queues[schedule.queue].name
        return QueueWay(self.carrier.connect(f"{QUEUE_URL}{name}"), schedule.group)

    def _host(self, function: Function) -> Way:
        """Have a host for `function`; returns the way to its environment.

        A function of several mappings has one for each.
        """
        if function.is_debugged:
            return DebuggedFunction(function, os.environ[INVOKE_URL])
        name = f"worker-{self.index}-{len(self.hosts)}-{function.logical_id}.sock"
        path = (self.state / "run" / name).resolve()
        folder = self.state / "logs" / "functions"
        # One for each invoker, because each has a thread.
        output = FunctionOutput(folder, {function.logical_id: function}, metrics.of_functions)
        invoker = Invoker(function, path, output)
        self.invokers.append(invoker)
        self.hosts.append(FunctionHost(self._host_command(function, path)))
        return invoker

    def _run(self, poller: Poller | Ticker, name: str) -> None:
        self.pollers.append(poller)
        self.threads.append(threading.Thread(target=poller.run, name=name, daemon=True))
        self.threads[-1].start()

    def _host_command(self, function: Function, path: Path) -> list[str]:
        return interpreter.command(
            # Else the environments of a killed worker would dial in at its successor.
            *(self.python, "local.runtime.host", "--end-with", os.getpid()),
            *(*self.template.options, "--function", function.logical_id),
            *("--connect", f"unix:{path}", "--environments", "1"),
            *("--state", self.state.resolve()),
        )

    def _drain(self) -> None:
        """Stop receiving, let what is in hand finish, give the rest back; then the hosts.

        In that order, because a host that went first would take the batch in hand with it.
        A second signal ends the wait.
        """
        self.stop.set()
        give_up_s = time.monotonic() + (DEBUGGED_DRAIN_S if self.template.debugged else DRAIN_S)
        while any(thread.is_alive() for thread in self.threads) and time.monotonic() < give_up_s:
            if signal.sigtimedwait(STOPPING, 0.05) is not None:
                break
        for poller, thread in zip(self.pollers, self.threads, strict=True):
            if thread.is_alive():
                with contextlib.suppress(QueueUnavailable):
                    poller.give_back()
        for host in self.hosts:
            host.stop()
        give_up_s = time.monotonic() + HOSTS_END_S
        for host in self.hosts:
            host.ended(give_up_s - time.monotonic())
        for invoker in self.invokers:
            invoker.close()
        log.info("worker %d has drained", self.index)


def by_function(invokers: Sequence[Invoker]) -> dict[str, dict[str, Any]]:
    """Return what the console shows of each function that this worker invokes."""
    functions: dict[str, dict[str, Any]] = {}
    for name in {each.function.logical_id for each in invokers}:
        tally, ways = Tally(), [each for each in invokers if each.function.logical_id == name]
        for way in ways:
            tally.merge(way.tally.as_dict())
        functions[name] = {
            "environments": sum(way.has_environment for way in ways),
            "busy": sum(way.is_busy for way in ways),
            **tally.as_dict(),
        }
    return functions


def hidden_for_s(queue: QueueOfTemplate, mapping: Mapping, function: Function) -> int:
    """Return how long a message is hidden: longer where a batch takes long to gather and handle.

    That is Lambda's rule (services-sqs-configure).
    """
    if function.is_debugged:
        return VISIBILITY_MAX_S
    longest_s = mapping.window_s + function.timeout_s
    if mapping.window_s and longest_s > queue.visibility_timeout_s:
        return longest_s + WINDOW_MARGIN_S
    return queue.visibility_timeout_s


def warn_of_eviction(redis_url: str) -> None:
    """Say so if Redis may throw messages away when it is full."""
    try:
        policy = redis_scripts.client(redis_url).info("memory")["maxmemory_policy"]
    except redis.RedisError as error:
        log.warning("Redis does not tell its maxmemory-policy yet: %s", error)
        return
    if policy != "noeviction":
        log.warning(
            "Redis's maxmemory-policy is %s: a full server throws messages away."
            " Set it to noeviction.",
            policy,
        )
