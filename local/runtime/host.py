"""A function's host: imports the handler once, forks its environments and replaces dead ones.

It serves the gateway and the queue workers alike; what an environment does is in `environment`.
When the code has changed it starts anew in the same process: the old environments go on until
their invoker, which has seen new ones dial in, tells them to leave.
"""

import gc
import mmap
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import c_double, sizeof
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.daemon.parent_death import adopt_orphans, signal_on_parent_death
from local.runtime import debugger, frames, function_logging, handler, import_failures, limits
from local.runtime.captured_output import CapturedOutput, KeptBytes
from local.runtime.code_changes import ImportedFiles
from local.runtime.environment import Environment, Fault, Handler, become, log, own_stderr
from local.runtime.host_options import parse_options
from local.template import Function, TemplateError
from local.template.options import chosen as read_template

if TYPE_CHECKING:
    from local.runtime.runtime_client import RuntimeClient

WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
# How often overdue and overgrown environments are looked for. Each look costs a host half a
# millisecond and more, and a machine has dozens of hosts.
TICK_S = 1.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0  # an environment that dies at once costs little at this pace
HEALTHY_S = 10.0  # having lived this long, the next death counts as the first
OVERDUE_S = 1.0  # past its deadline: the handler has disarmed the timer that should end it
# A server that all functions wait for comes before any one of them. Among processes of one
# priority it would queue behind every environment, each time it is asked.
NICENESS = 10
EXIT_USAGE = 2  # what the user has to change
NOT_IMPORTED = Fault("Runtime.Unknown", "the handler is its runtime client's to import")
PREDECESSORS = "HOST_PREDECESSORS"  # pids of environments, for the host that starts anew
NEVER = 2**31 - 1  # allocations before a garbage collection; what an import sets is another number
RETIRED_S = 10.0  # by then the invoker has told them to leave, unless it is away


@dataclass(slots=True)
class Slot:
    """The place of one environment, kept when the process in it is replaced."""

    directory: Path | None  # its temporary one, which the next process finds again
    deadline_s: c_double  # shared with the process: when its event must be over, monotonic, or 0
    printed: KeptBytes = field(default_factory=KeptBytes)  # shared, of the event in hand
    pid: int = 0
    started_s: float = 0.0  # monotonic
    pause_s: float = FIRST_PAUSE_S
    due_s: float = 0.0  # monotonic; when the next process may start


@dataclass(slots=True)
class Host:
    """The parent that keeps `environments` processes of one function alive until SIGTERM."""

    function: Function
    address: str
    environments: int
    state: Path | None
    import_max_s: float
    import_retry_s: float
    import_only: bool = False
    must_import: bool = False
    reload: bool = False
    debug_port: int = 0  # where a debugger attaches, where one may
    debug_waits: bool = False  # for one, before the first event
    output: CapturedOutput = field(default_factory=CapturedOutput)
    slots: list[Slot] = field(default_factory=list)
    predecessors: set[int] = field(default_factory=set)  # pids of what the last import has left
    companions: set[int] = field(default_factory=set)  # pids of what the import has started
    generation: int = field(default_factory=time.monotonic_ns)  # a later one replaces this
    code: ImportedFiles | None = None  # looked at where a change is to be picked up
    retry_at_s: float = float("inf")  # monotonic; a failed import is tried again
    looked_s: float = 0.0  # monotonic; at code and memory
    init_ms: float = 0.0
    client: "type[RuntimeClient] | None" = None
    debugger: Any = None

    def run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        adopt_orphans()
        started_in, started_with = Path.cwd(), dict(os.environ)
        serve = self._initialise()
        if self.import_only:
            return
        self.companions = {*limits.children(os.getpid())} - self.predecessors
        invoker = self.address.rpartition("/")[2].replace(":", "-")
        folder = self.state / "tmp" / self.function.logical_id if self.state else None
        self.slots = [
            Slot(folder and folder / f"{invoker}-{number}", _shared_cell())
            for number in range(self.environments)
        ]
        while not self._is_outdated():
            self._fork_due(serve)
            received = signal.sigtimedwait(WATCHED, self._pause_s())
            for slot, pid, status in self._reap():
                self._schedule(slot, pid, status)
            self._kill_overdue()
            if received and received.si_signo != signal.SIGCHLD:
                self._drain()
                return
        log(f"{self.function.logical_id}: importing the handler again")
        if self.debugger:
            self._drain()  # its port is for the next one
        environments = {slot.pid for slot in self.slots if slot.pid}
        left = self.predecessors | self.companions | environments
        os.chdir(started_in)
        variables = {**started_with, PREDECESSORS: " ".join(map(str, left))}
        os.execve(sys.executable, sys.orig_argv, variables)

    def _is_outdated(self) -> bool:
        """Return whether the code is to be imported again; looks at it once a tick."""
        now_s = time.monotonic()
        if now_s < self.looked_s + TICK_S:
            return False
        self.looked_s = now_s
        if self.debugger:
            return self._is_idle() and self._has_changed(now_s)
        self._kill_overgrown()
        return self._has_changed(now_s)

    def _has_changed(self, now_s: float) -> bool:
        return now_s >= self.retry_at_s or (self.code is not None and self.code.have_changed())

    def _is_idle(self) -> bool:
        return all(not slot.deadline_s.value for slot in self.slots)

    def _initialise(self) -> Handler:
        """Import the handler, or stand in for one that cannot be imported."""
        sys.stdout = sys.stderr = self.output
        function_logging.set_up(self.output, self.function.logging)
        if self.function.runtime_client:
            # Imported here: few functions use it, and it costs every host 10 ms and 2 MB.
            from local.runtime.runtime_client import RuntimeClient  # noqa: PLC0415

            self.client = RuntimeClient
        if self.debug_port:
            self.debugger = debugger.load()
            self.output.captured.passes_through = True
        handler.prepare(self.function, self.state)
        since_ns, started = time.time_ns(), time.perf_counter()
        if self.function.runtime_client:
            self._watch(since_ns, "*")
            return handler.failing_handler(NOT_IMPORTED)  # each environment starts its client
        try:
            limit_s = max(self.import_max_s, self.function.timeout_s)
            with handler.time_limit(limit_s), _without_collections():
                serve = handler.import_handler(self.function.handler)
        except Fault as fault:
            log(f"{self.function.logical_id}: {fault.error_type}: {fault}")
            import_failures.note(self.state, self.function, fault)
            if self.must_import:
                own_stderr().write(self.output.take())
                raise SystemExit(EXIT_USAGE) from fault
            traceback.print_exception(fault.__cause__ or fault, file=own_stderr())
            serve = handler.failing_handler(fault)
            self.retry_at_s = time.monotonic() + self.import_retry_s
            self._watch(since_ns, "*.py")
        else:
            import_failures.forget(self.state, self.function)
            self._watch(since_ns)
        self.init_ms = (time.perf_counter() - started) * 1000
        own_stderr().write(self.output.take())
        gc.freeze()  # what was imported stays shared between the environments
        return serve

    def _watch(self, since_ns: int, pattern: str = "") -> None:
        """Look out for changes of what is imported, and of all files that match `pattern`."""
        if self.reload:
            folders = handler.import_folders(self.function, self.state)
            paths = self.function.code_uri.rglob(pattern) if pattern else ()
            also = [path for path in paths if path.is_file() and path.suffix != ".pyc"]
            self.code = ImportedFiles(folders, since_ns=since_ns, also=also)

    def _fork_due(self, serve: Handler) -> None:
        for slot in self.slots:
            if not slot.pid and slot.due_s <= time.monotonic():
                self._fork(slot, serve)

    def _fork(self, slot: Slot, serve: Handler) -> None:
        slot.started_s = time.monotonic()
        slot.deadline_s.value = 0.0
        host_pid = os.getpid()
        slot.pid = os.fork()
        if not slot.pid:
            become(partial(self._run_environment, slot, serve, host_pid))

    def _run_environment(self, slot: Slot, serve: Handler, host_pid: int) -> None:
        signal_on_parent_death(host_pid)
        # What the handler starts ends with it, see `_reap`; also what leaves the group.
        os.setpgid(0, 0)
        adopt_orphans()
        self.output.captured.share(slot.printed)
        limits.limit(self.function.storage_mb)
        if slot.directory:
            handler.use_temporary_directory(slot.directory, self.function)
        if self.client:
            started = time.perf_counter()
            folders = handler.import_folders(self.function, self.state)
            serve = self.client(self.function, folders).start()
            self.init_ms = (time.perf_counter() - started) * 1000
        if self.debugger:
            if not self.debug_waits:  # else `invoke --debug` says so
                log(f"{self.function.logical_id}: a debugger can attach at port {self.debug_port}")
            debugger.listen(self.debugger, self.debug_port, waits=self.debug_waits)
        handler.restore()
        Environment(
            self.function,
            serve,
            address=self.address,
            hello={
                "function": self.function.logical_id,
                "machine": socket.gethostname(),
                "host": host_pid,
                "generation": self.generation,
                "init_ms": round(self.init_ms, 1),
            },
            output=self.output,
            deadline_s=slot.deadline_s,
        ).run()

    def _pause_s(self) -> float:
        now_s = time.monotonic()
        return max(0.0, min([TICK_S, *(s.due_s - now_s for s in self.slots if not s.pid)]))

    def _reap(self) -> list[tuple[Slot, int, int]]:
        """Empty the slots whose process has ended; return each with its pid and wait status."""
        emptied = []
        has_ended = False
        while ended := _wait_for_any():
            has_ended = True
            pid, status = ended
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # as AWS freezes or discards a whole sandbox
            self.predecessors.discard(pid)
            for slot in self.slots:
                if slot.pid == pid:
                    slot.pid = 0
                    emptied.append((slot, pid, status))
        if has_ended:
            self._end_adopted()
        return emptied

    def _end_adopted(self) -> None:
        """End children of what has ended, which are the host's now; theirs will be after that."""
        children = {*self.companions, *self.predecessors, *(slot.pid for slot in self.slots)}
        for pid in {*limits.children(os.getpid())} - children:
            os.kill(pid, signal.SIGKILL)

    def _schedule(self, slot: Slot, pid: int, status: int) -> None:
        """Say how the process ended and decide when the next one starts."""
        now_s = time.monotonic()
        code = os.waitstatus_to_exitcode(status)
        if printed := slot.printed.take():
            log(f"{self.function.logical_id}: environment {pid} had printed:\n{printed.rstrip()}")
        if code == -signal.SIGALRM:
            # The time-out was this long already; the next event need not wait.
            slot.due_s = now_s
            log(f"{self.function.logical_id}: environment {pid} ended at its deadline")
            return
        if now_s - slot.started_s >= HEALTHY_S:
            slot.pause_s = FIRST_PAUSE_S
        slot.due_s = now_s + slot.pause_s
        how = f"with status {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        log(
            f"{self.function.logical_id}: environment {pid} ended {how};"
            f" the next starts in {slot.pause_s:.2f} s"
        )
        slot.pause_s = min(2 * slot.pause_s, LONGEST_PAUSE_S)

    def _kill_overdue(self) -> None:
        latest_s = time.monotonic() - OVERDUE_S
        for slot in self.slots:
            if slot.pid and 0.0 < slot.deadline_s.value < latest_s:
                os.kill(slot.pid, signal.SIGKILL)
        patience_s = RETIRED_S + self.function.timeout_s
        if self.predecessors and time.monotonic() - self.generation / 1e9 > patience_s:
            for pid in self.predecessors:
                os.kill(pid, signal.SIGKILL)

    def _kill_overgrown(self) -> None:
        """End what uses more than its function has, with all that it has started."""
        for slot in self.slots:
            if not slot.pid:
                continue
            family = limits.family(slot.pid)
            excess = limits.excess(family, self.function, slot.directory)
            if excess:
                log(f"{self.function.logical_id}: environment {slot.pid} {excess}")
                os.kill(slot.pid, signal.SIGKILL)

    def _drain(self) -> None:
        """Let each environment finish its event; the function's time-out bounds the wait.

        A signal to stop that arrives meanwhile ends them at once.
        """
        stopped = False
        self._signal_all(signal.SIGTERM)
        # Whoever steps through an event does not keep the system from its end.
        patience_s = OVERDUE_S if self.debugger else self.function.timeout_s + OVERDUE_S
        patience_ends_s = time.monotonic() + patience_s
        while self.predecessors or any(slot.pid for slot in self.slots):
            received = signal.sigtimedwait(WATCHED, TICK_S)
            self._reap()
            stopped = stopped or bool(received and received.si_signo != signal.SIGCHLD)
            if stopped or time.monotonic() > patience_ends_s:
                self._signal_all(signal.SIGKILL)
        self.companions.clear()
        while limits.children(os.getpid()):
            self._end_adopted()
            signal.sigtimedwait(WATCHED, TICK_S)
            self._reap()

    def _signal_all(self, signal_number: signal.Signals) -> None:
        for pid in (*self.predecessors, *(slot.pid for slot in self.slots)):
            if pid:
                os.kill(pid, signal_number)


@contextmanager
def _without_collections() -> Iterator[None]:
    """Import without looking for garbage: it leaves next to none, and that is a fifth of its time.

    Code that asks finds collection enabled, as on Lambda, and what it sets itself stays.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(NEVER)
    try:
        yield
    finally:
        if gc.get_threshold()[0] == NEVER:
            gc.set_threshold(*thresholds)


def _shared_cell() -> c_double:
    return c_double.from_buffer(mmap.mmap(-1, sizeof(c_double)))


def _wait_for_any() -> tuple[int, int] | None:
    """Return the pid and wait status of a child that has ended, if there is one."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    try:
        functions = read_template(options).functions
        frames.parse_address(options.connect)
    except (TemplateError, frames.AddressError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    function = functions.get(options.function)
    if function is None:
        there = ", ".join(sorted(functions))
        sys.stderr.write(f"{options.template} has no function {options.function}; it has {there}\n")
        return EXIT_USAGE
    if options.end_with:
        signal_on_parent_death(options.end_with)
    state = options.state.resolve() if options.state else None
    address = options.connect
    if address.startswith("unix:"):
        # The working directory becomes the function's.
        address = f"unix:{Path(address.removeprefix('unix:')).resolve()}"
    predecessors = os.environ.pop(PREDECESSORS, None)
    if predecessors is None:  # this process has stepped back before
        os.nice(NICENESS)
    Host(
        function,
        address,
        options.environments or function.environments,
        state,
        options.import_max_s,
        options.import_retry_s,
        import_only=options.import_only,
        must_import=options.must_import and predecessors is None,
        reload=options.reload,
        debug_port=(options.debug_port or 0) if function.is_debugged else 0,
        debug_waits=options.debug_waits,
        predecessors={int(pid) for pid in (predecessors or "").split()},
    ).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
