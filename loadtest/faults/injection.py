"""The faults of a run, made on the processes of a system on this machine."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import gevent
import psutil

from loadtest.faults import busy_disk
from loadtest.faults.grammar import Fault, FaultError, matches, refuse_unknown
from loadtest.faults.window import Happening
from loadtest.recording.recorder import LOOPBACK, is_this_machine
from loadtest.witnesses import records
from loadtest.witnesses.api import Api, ApiError

BACK_S = 60.0  # the supervisor's longest pause before a restart, and the start
LOOK_S = 0.05
ASK_S = 2.0  # one question to the console, which may be what the fault stopped
DUE_S = 10.0  # a process that is starting when its fault is due gets so long
NOT_HERE = "FAULTS needs a system on this machine, started with `make up`: "


class Undone(Exception):
    """The reason for which a fault did not happen."""


class Injection:
    """The faults of one run. FaultError when made: one of them cannot be, and why."""

    def __init__(self, faults: tuple[Fault, ...], console_url: str) -> None:
        self._faults = faults
        self._done: dict[int, Happening] = {}  # by their places among the faults
        self._greenlets: list[gevent.Greenlet[[], None]] = []
        self._chosen = 0
        if not faults:
            return
        if urlsplit(console_url).hostname not in LOOPBACK:
            raise FaultError(f"{NOT_HERE}CONSOLE is {console_url!r}")
        self._console_url = console_url
        try:
            self._listed = self._processes()
        except (ApiError, KeyError, TypeError) as error:
            raise FaultError(f"{NOT_HERE}{error}") from error
        if not is_this_machine(self._listed):
            raise FaultError(f"{NOT_HERE}the console's processes are not this machine's")
        refuse_unknown(faults, [str(each["name"]) for each in self._listed])

    def start(self, elapsed_s: Callable[[], float]) -> None:
        """Begin to wait for each fault's time; `elapsed_s` counts from the first arrival."""
        self._greenlets = [
            gevent.spawn(partial(self._inject, place, fault, elapsed_s))
            for place, fault in enumerate(self._faults)
        ]

    def finish(self, elapsed_s: float) -> list[Happening]:
        """Wait for the faults that have begun; those to come later are left out and named."""
        waiting = [
            greenlet
            for fault, greenlet in zip(self._faults, self._greenlets, strict=False)
            if fault.at_s > elapsed_s
        ]
        gevent.killall(waiting)
        gevent.joinall(self._greenlets, timeout=2 * BACK_S)
        gevent.killall(self._greenlets)  # resumes what stands still
        return [
            self._done.get(place) or _unbegun(fault) for place, fault in enumerate(self._faults)
        ]

    def _inject(self, place: int, fault: Fault, elapsed_s: Callable[[], float]) -> None:
        while elapsed_s() < fault.at_s:
            gevent.sleep(LOOK_S)
        began_s = elapsed_s()
        try:
            sentence, happened = self._make(fault), True
        except (Undone, psutil.Error, OSError) as error:
            sentence, happened = str(error), False
        self._done[place] = Happening(
            fault=fault,
            happened=happened,
            sentence=sentence,
            began_s=began_s,
            ended_s=elapsed_s(),
        )

    def _make(self, fault: Fault) -> str:
        if fault.verb == "slow":
            return self._slow_disk(fault.length_s)
        name, process = self._process(fault.target)
        if fault.verb == "pause":
            return _pause(name, process, fault.length_s)
        return self._end(fault.verb, name, process)

    def _end(self, verb: str, name: str, process: psutil.Process) -> str:
        began_s = perf_counter()
        process.send_signal(signal.SIGKILL if verb == "kill" else signal.SIGTERM)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if perf_counter() - began_s > BACK_S:
                raise Undone(f"{name} had not ended after {BACK_S:.0f} s")
            gevent.sleep(LOOK_S)
        while not self._runs_in_place_of(name, process.pid):
            if perf_counter() - began_s > BACK_S:
                raise Undone(f"{name} ended and was not back after {BACK_S:.0f} s")
            gevent.sleep(LOOK_S)
        done = "killed" if verb == "kill" else "ended"
        return f"{name} was {done} and ran again {perf_counter() - began_s:.1f} s later"

    def _runs_in_place_of(self, name: str, pid: int) -> bool:
        return any(
            each["name"] == name and each["pid"] not in (0, pid) and each["state"] == "running"
            for each in self._look() or ()
        )

    def _process(self, target: str) -> tuple[str, psutil.Process]:
        """Return a process of this name that runs; of several, each in turn."""
        until_s = perf_counter() + DUE_S
        while True:
            named = [
                (str(each["name"]), int(each["pid"]))
                for each in self._look() or self._listed
                if each["pid"] and matches(target, str(each["name"]))
            ]
            alive = [each for each in named if psutil.pid_exists(each[1])]
            if alive:
                name, pid = alive[self._chosen % len(alive)]
                self._chosen += 1
                return name, psutil.Process(pid)
            if perf_counter() > until_s:
                raise Undone(f"no {target} ran")
            gevent.sleep(LOOK_S)

    def _look(self) -> list[dict[str, Any]] | None:
        try:
            self._listed = self._processes()
        except (ApiError, KeyError, TypeError):
            return None
        return self._listed

    def _processes(self) -> list[dict[str, Any]]:
        """Ask the console by a connection of its own: faults ask at the same time."""
        console = Api(self._console_url, timeout_s=ASK_S)
        try:
            return records.processes(console)
        finally:
            console.close()

    def _slow_disk(self, length_s: int) -> str:
        _, process = self._process("documents")
        folders = [
            Path(each.path).parent for each in process.open_files() if ".sqlite" in each.path
        ]
        if not folders:
            raise Undone("documents has no file open here")
        return busy_disk.keep_busy(folders[0], length_s)


def _pause(name: str, process: psutil.Process, length_s: int) -> str:
    """Let a process and all that descends from it stand still; its sockets stay open."""
    family = [process, *process.children(recursive=True)]
    try:
        for each in family:
            os.kill(each.pid, signal.SIGSTOP)
        gevent.sleep(length_s)
        stood = process.status() == psutil.STATUS_STOPPED
    finally:
        for each in family:
            if each.is_running():
                each.resume()
    if not stood:
        raise Undone(f"{name} did not stand still for {length_s} s")
    return f"{name} stood still for {length_s} s"


def _unbegun(fault: Fault) -> Happening:
    return Happening(
        fault=fault,
        happened=False,
        sentence="the run was over before",
        began_s=float(fault.at_s),
        ended_s=float(fault.at_s),
    )
