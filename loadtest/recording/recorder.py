"""The recorder: looks at machine, processes, pools and queues once a second, beside the load.

It runs in the generator's process. What cannot be seen from here, such as the processes of a system
on another machine, is left out, and a note says why.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar
from urllib.parse import urlsplit

import gevent

from loadtest.recording import machine, syncs
from loadtest.recording.machine import Processes
from loadtest.recording.monitor import History
from loadtest.recording.syncs import Syncs
from loadtest.recording.timeline import Moment, Sample, moments
from loadtest.witnesses import console, records
from loadtest.witnesses.api import Api, ApiError
from loadtest.witnesses.console import SlowCommand

EVERY_S = 1.0
BREATH_S = 0.001  # between slices of the processes: without it, arrivals that are due would wait
TIMEOUT_S = 2.0  # of one question to the console; nothing else is recorded meanwhile
ASK_AGAIN_S = 5.0  # after no answer, and for the processes after one has ended
CPU_TOLERANCE_S = 2.0  # between the console's CPU seconds of a process and ours
LOOPBACK = ("127.0.0.1", "localhost", "::1")
GENERATOR = "generator"  # this process, and those that it has started

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The seconds of a run, and what could not be seen of them."""

    moments: list[Moment] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    memory_mb: dict[str, int] = field(default_factory=dict)  # of each function
    machine: list[str] = field(default_factory=list)  # what it went through, whatever the verdict


class Recorder:
    """The samples from `start` to `stop`, and the record that follows from them."""

    def __init__(self, console_url: str, ca_file: str = "") -> None:
        """Look at the machine, and through the console, where there is one, at the system."""
        self._console: Api | None = None
        self._notes: dict[str, str] = {}  # by what could not be seen
        if console_url:
            self._console = Api(console_url, timeout_s=TIMEOUT_S, ca_file=ca_file)
        self._documents: Api | None = None  # what shows the measures of the documents server
        self._is_local = urlsplit(console_url).hostname in LOOPBACK
        if not self._is_local:
            self._notes["processes"] = "they are not known to run on this machine"
        self._processes = Processes({os.getpid(): GENERATOR})
        self._some_are_down = False
        self._ask_again_at_s: dict[str, float] = {}
        self._samples: list[Sample] = []
        self._slow_before: set[int] = set()
        self._greenlet: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        """Begin, in a greenlet of its own."""
        if self._is_local:
            self._name_processes()
        self._slow_before = {each.id for each in self._slow_commands()}
        self._greenlet = gevent.spawn(self._watch)

    def stop(self) -> None:
        """End, with one more sample."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._samples.append(self._sample())

    def record(self, origin_s: float, queues: History) -> Record:
        """Return the seconds of the run; its second 0 is `origin_s` of perf_counter."""
        seconds = moments(self._samples, origin_s)
        by_second = {moment.at_s: moment for moment in seconds}
        for at_s, name, depth, age_s in queues:
            moment = by_second.get(int(at_s - origin_s))
            if moment is not None:
                moment.queues[name] = {"depth": depth, "age_s": round(age_s, 2)}
        epoch_s = time.time() - perf_counter() + origin_s
        for command in self._slow_commands():
            moment = by_second.get(int(command.at_s - epoch_s))
            if moment is not None and command.id not in self._slow_before:
                moment.slow_commands.append({"ms": command.ms, "command": command.command})
        notes = [f"{what} could not be recorded: {why}" for what, why in self._notes.items()]
        pools = {name: pool for sample in self._samples for name, pool in sample.pools.items()}
        memory_mb = {name: pool.memory_mb for name, pool in pools.items()}
        return Record(moments=seconds, notes=notes, memory_mb=memory_mb)

    def _watch(self) -> None:
        due_s = perf_counter()
        while True:
            self._samples.append(self._sample())
            due_s = max(due_s + EVERY_S, perf_counter())
            gevent.sleep(due_s - perf_counter())

    def _sample(self) -> Sample:
        return Sample(
            counters=machine.counters(perf_counter()),
            process_s=self._process_s(),
            pools=self._ask("pools", console.pools) or {},
            syncs=self._syncs(),
        )

    def _syncs(self) -> Syncs | None:
        if self._documents is None or self._is_paused("syncs"):
            return None
        try:
            return syncs.read(self._documents)
        except (ApiError, KeyError, ValueError) as error:
            self._fail("syncs", error)
            return None

    def _process_s(self) -> dict[str, float]:
        used_s = self._processes.cpu_s(_breathe)
        if self._is_local and (len(used_s) < len(self._processes.names) or self._some_are_down):
            self._name_processes()
        return used_s

    def _name_processes(self) -> None:
        listed = self._ask("processes", records.processes)
        if listed is None:
            return
        self._some_are_down = not all(each["pid"] for each in listed)
        self._pause("processes")
        if self._documents is None and (address := syncs.address_of(listed)):
            self._documents = Api(address, timeout_s=TIMEOUT_S)
        names = {int(each["pid"]): str(each["name"]) for each in listed if each["pid"]}
        processes = Processes(names | {os.getpid(): GENERATOR})
        if _are_here(processes.cpu_s(_breathe), listed):
            self._processes = processes
        else:
            self._notes["processes"] = "the console's processes are not this machine's"

    def _slow_commands(self) -> list[SlowCommand]:
        return self._ask("slow commands", console.slow_commands) or []

    def _ask(self, what: str, question: Callable[[Api], Answer]) -> Answer | None:
        """Return what the console answers; None, and a note, where it does not."""
        if self._console is None or self._is_paused(what):
            return None
        try:
            return question(self._console)
        except (ApiError, KeyError, TypeError, ValueError) as error:
            self._fail(what, error)
            return None

    def _fail(self, what: str, error: Exception) -> None:
        self._notes[what] = str(error) or type(error).__name__
        self._pause(what)

    def _is_paused(self, what: str) -> bool:
        return perf_counter() < self._ask_again_at_s.get(what, 0.0)

    def _pause(self, what: str) -> None:
        self._ask_again_at_s[what] = perf_counter() + ASK_AGAIN_S


def _breathe() -> None:
    gevent.sleep(BREATH_S)


def is_this_machine(listed: list[dict[str, Any]]) -> bool:
    """Return whether the processes that the console lists are this machine's."""
    names = {int(each["pid"]): str(each["name"]) for each in listed if each["pid"]}
    return _are_here(Processes(names).cpu_s(), listed)


def _are_here(used_s: dict[str, float], listed: list[dict[str, Any]]) -> bool:
    """Return whether the console's process ids are this machine's.

    They are not where it speaks from a container or from behind a forwarded port. The CPU time
    tells: another process has used another.
    """
    processes = [each for each in listed if each["name"] in used_s]
    return bool(processes) and all(
        abs(used_s[each["name"]] - each["cpu_s"]) <= CPU_TOLERANCE_S for each in processes
    )
