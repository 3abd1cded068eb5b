"""The supervisor: it starts a system's processes, restarts the dead, stops them in order.

Which processes there are is in `processes`; what others read of them in `status`.
"""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil

from local.daemon import logs
from local.daemon.parent_death import signal_on_parent_death
from local.daemon.terminate import end
from local.machine import status
from local.machine.processes import GRACE_S, Process, Stage, System
from local.machine.readiness import lacks
from local.machine.status import ProcessStatus, Status
from local.machine.wiring import ADDRESS_SETTINGS

log = logging.getLogger(__name__)

WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
START_TIMEOUT_S = 60.0  # four times what a start on two busy cores takes
START_DEATHS_MAX = 3  # a process that dies this often while all start will not come up
STARTING_TICK_S = 0.05
READY_TICK_S = 1.0
LOG_CHECK_S = 10.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
HEALTHY_S = 30.0  # having lived this long, the next death counts as the first
EXIT_FAILED = 1
EXIT_USAGE = 2  # also what our processes say when a restart cannot help


class StartFailed(Exception):
    """The system does not come up; `blamed` is the process whose log says why."""

    def __init__(self, sentence: str, blamed: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(sentence)
        self.blamed = blamed
        self.exit_code = exit_code


class StopRequested(Exception):
    """SIGTERM or SIGINT arrived."""


@dataclass(slots=True)
class Child:
    """A process of the table and what became of it."""

    process: Process
    log_path: Path
    running: subprocess.Popen[bytes] | None = None
    state: str = "stopped"
    restarts: int = 0
    started_at: datetime | None = None
    created_at: float = 0.0  # s since the epoch, as psutil reads it
    born_s: float = 0.0  # monotonic
    pause_s: float = FIRST_PAUSE_S
    due_s: float = 0.0  # monotonic; when the next start may be

    def start(self, variables: Mapping[str, str]) -> None:
        logs.bound(self.log_path)
        with self.log_path.open("ab") as output:
            self.running = subprocess.Popen(
                self.process.command,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in the terminal is for the supervisor, which stops in order.
                start_new_session=True,
                preexec_fn=partial(_become_child, os.getpid()),  # noqa: PLW1509 - no threads here
            )
        self.state = "starting"
        self.started_at = datetime.now(UTC)
        self.born_s = time.monotonic()
        self.created_at = psutil.Process(self.running.pid).create_time()

    def schedule(self, exit_code: int) -> None:
        """Note that the process has ended and decide when it starts again."""
        now_s = time.monotonic()
        if now_s - self.born_s >= HEALTHY_S:
            self.pause_s = FIRST_PAUSE_S
        how = f"with status {exit_code}" if exit_code >= 0 else f"by signal {-exit_code}"
        log.warning("%s ended %s; starts again in %.1f s", self.process.name, how, self.pause_s)
        self.running = None
        self.state = "restarting"
        self.restarts += 1
        self.due_s = now_s + self.pause_s
        self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)

    def status(self) -> ProcessStatus:
        return ProcessStatus(
            name=self.process.name,
            pid=self.running.pid if self.running else 0,
            created_at=self.created_at,
            state=self.state,
            restarts=self.restarts,
            address=self.process.address,
            started_at=self.started_at.isoformat(timespec="seconds") if self.started_at else "",
        )


class Supervisor:
    """One system from start to stop; the caller holds the lock of the state directory."""

    def __init__(self, system: System, variables: Mapping[str, str]) -> None:
        self._system = system
        self._variables = variables
        self._status = Status(
            phase="starting",
            template=str(system.template.path),
            parameters=dict(system.template.parameters),
            allow_unsupported=system.template.allow_unsupported,
            url=f"http://127.0.0.1:{system.ports.gateway}",
            settings=dict(system.settings),
            variables={name: variables[name] for name in ADDRESS_SETTINGS if name in variables},
        )
        self._children = [
            Child(process, logs.path_of(system.state, process.name))
            for process in system.processes()
        ]
        self._logs_checked_s = time.monotonic()

    def run(self, on_ready: Callable[[Status], None]) -> int:
        """Start, watch until SIGTERM or SIGINT, stop; return the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        for folder in ("data", "logs", "run"):
            (self._system.state / folder).mkdir(parents=True, exist_ok=True)
        try:
            self._start()
            self._publish("ready")
            on_ready(self._status)
            while True:
                all_run = all(child.state == "running" for child in self._children)
                self._turn(READY_TICK_S if all_run else STARTING_TICK_S)
        except StopRequested:
            self._stop("stopping")
            self._publish("stopped")
            return 0
        except StartFailed as failure:
            log.error("%s", failure)
            self._stop("starting")
            self._publish("failed", str(failure), failure.blamed)
            return failure.exit_code

    def _start(self) -> None:
        """Start stores and outside first: workers look at the queues' settings when they begin."""
        ends_s = time.monotonic() + START_TIMEOUT_S
        begun: list[Child] = []
        for stages in ({Stage.STORE, Stage.OUTSIDE}, {Stage.HOST, Stage.GATEWAY, Stage.WORKER}):
            for child in self._children:
                if child.process.stage in stages:
                    child.start(self._variables)
                    begun.append(child)
            self._publish("starting")
            while waiting := [child for child in begun if child.state != "running"]:
                name = waiting[0].process.name
                self._starting_turn(ends_s, f"{name} does not answer", name)
        while missing := lacks(self._system):
            self._starting_turn(ends_s, *missing)

    def _starting_turn(self, ends_s: float, sentence: str, blamed: str) -> None:
        if time.monotonic() > ends_s:
            raise StartFailed(f"not ready after {START_TIMEOUT_S:.0f} s: {sentence}", blamed)
        for child, exit_code in self._turn(STARTING_TICK_S):
            if exit_code == EXIT_USAGE or child.restarts >= START_DEATHS_MAX:
                name = child.process.name
                code = EXIT_USAGE if exit_code == EXIT_USAGE else EXIT_FAILED
                raise StartFailed(f"{name} does not start", name, code)

    def _turn(self, pause_s: float) -> list[tuple[Child, int]]:
        """Wait for a signal or `pause_s`, then look after the children; return who has ended."""
        received = signal.sigtimedwait(WATCHED, pause_s)
        if received and received.si_signo != signal.SIGCHLD:
            raise StopRequested
        before = [child.status() for child in self._children]
        ended = []
        for child in self._children:
            exit_code = child.running.poll() if child.running else None
            if exit_code is not None:
                child.schedule(exit_code)
                ended.append((child, exit_code))
            elif child.state == "restarting" and child.due_s <= time.monotonic():
                self._restart(child)
            elif child.state == "starting" and child.process.answers():
                child.state = "running"
        if before != [child.status() for child in self._children]:
            self._publish(self._status.phase)
        self._bound_logs()
        return ended

    def _bound_logs(self) -> None:
        if time.monotonic() - self._logs_checked_s > LOG_CHECK_S:
            self._logs_checked_s = time.monotonic()
            try:
                for name in ("supervisor", *(child.process.name for child in self._children)):
                    logs.bound(logs.path_of(self._system.state, name))
            except OSError as error:
                log.warning("the logs cannot be kept short: %s", error)

    def _restart(self, child: Child) -> None:
        try:
            child.start(self._variables)
        except OSError as error:
            log.warning("%s cannot be started: %s", child.process.name, error)
            child.schedule(EXIT_FAILED)

    def _stop(self, phase: str) -> None:
        # A second signal ends the supervisor at once; the kernel then tells the children.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        self._publish(phase)
        for stage in reversed(Stage):
            children = [child for child in self._children if child.process.stage == stage]
            end(filter(None, (status.living(each.status()) for each in children)), GRACE_S[stage])
            for child in children:
                child.running = None
                child.state = "stopped"
            self._publish(phase)

    def _publish(self, phase: str, reason: str = "", blamed: str = "") -> None:
        processes = tuple(child.status() for child in self._children)
        self._status = replace(
            self._status, phase=phase, reason=reason, blamed=blamed, processes=processes
        )
        try:
            status.write(self._system.state, self._status)
        except OSError as error:
            # A full disk is no reason to stop what runs.
            log.warning("the status cannot be written: %s", error)


def _become_child(parent_pid: int) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    signal_on_parent_death(parent_pid)
