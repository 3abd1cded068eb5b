"""The systems of one test session: one for each template with its parameters, on free ports.

Each is a supervisor that ends with this process, however that ends. Workers of pytest-xdist are
sessions of their own, so each has its own systems.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from local.commands.up import STOP_S
from local.daemon import logs
from local.daemon.arguments import TEMPLATES
from local.daemon.parent_death import signal_on_parent_death
from local.daemon.terminate import end
from local.machine import other_services, status
from local.machine.requested import default_ports
from local.machine.supervisor import START_TIMEOUT_S
from local.machine.wiring import ADDRESS_SETTINGS
from local.runtime import import_failures
from local.spillway.extension import EXTENSION
from pytest_spillway import MARK
from pytest_spillway.aws import Aws

PREFIX = "spillway-tests-"
STARTS_MAX = 3  # another process may take a port between its choice and its use
READY_S = START_TIMEOUT_S + STOP_S + 10.0  # the supervisor gives up before
POLL_S = 0.02
RETRY_S = 1  # before an asynchronous event's first retry: AWS's minute is too long for a test


class NotStarted(Exception):
    """A test's system does not start; the message has the reason in a sentence."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The choice of a test's system, which its mark makes."""

    template: Path
    parameters: tuple[tuple[str, str], ...] = ()
    services: str = ""  # on, off or a URL; empty where the template decides

    @property
    def options(self) -> list[str]:
        """The options of `up`."""
        parameters = [f"--parameter={name}={value}" for name, value in self.parameters]
        services = [f"--services={self.services}"] if self.services else []
        return ["--template", str(self.template), *parameters, *services]


def choice_of(request: pytest.FixtureRequest) -> Choice:
    """Return the system that the test's mark names. Raises NotStarted."""
    mark = request.node.get_closest_marker(MARK)
    arguments, named = (mark.args, mark.kwargs) if mark else ((), {})
    root = request.config.rootpath
    try:
        return _choice(request.path.parent, root, *arguments, **named)
    except TypeError as error:
        reason = str(error).removeprefix("_choice() ")
        raise NotStarted(f"@pytest.mark.{MARK} {reason}") from error


def _choice(
    folder: Path,
    root: Path,
    template: str | Path | None = None,
    parameters: Mapping[str, object] | None = None,
    services: bool | str | None = None,
) -> Choice:
    names = (template,) if template else TEMPLATES
    switched = other_services.ON if services else other_services.OFF
    option = switched if isinstance(services, bool) else services
    pairs = sorted((name, str(value)) for name, value in (parameters or {}).items())
    for place in _upwards(folder, root):
        for path in (place / name for name in names):
            if path.is_file():
                return Choice(path.resolve(), tuple(pairs), option or "")
    raise NotStarted(f"there is no {names[0]} in {folder} and up to {root}")


def _upwards(folder: Path, root: Path) -> Iterator[Path]:
    """Yield a folder and those above it, up to the root of the tests."""
    yield folder
    for parent in folder.parents:
        if parent.is_relative_to(root):
            yield parent


class System:
    """A running system and its folder."""

    def __init__(self, choice: Choice) -> None:
        """Start it and wait until it is ready. Raises NotStarted."""
        _delete_left_folders()
        # Not a folder of pytest's: the sockets in it may have a hundred characters in all.
        self._state = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        for number in range(1, STARTS_MAX + 1):
            self._supervisor = self._start(choice)
            reason = self._refusal()
            if not reason:
                self.aws = Aws(self._state, are_services_own="://" not in choice.services)
                return
            if " taken" not in reason or number == STARTS_MAX:
                self.stop()
                raise NotStarted(f"the system of {choice.template} does not start: {reason}")

    def _start(self, choice: Choice) -> "subprocess.Popen[bytes]":
        command = [
            *(sys.executable, "-P", "-m", "local", "up", "--foreground", *choice.options),
            *("--state", str(self._state), "--workers", "1", "--end-with", str(os.getpid())),
        ]
        with (self._state / "up.log").open("wb") as errors:
            return subprocess.Popen(
                command,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # Ctrl-C in the terminal is for the tests
            )

    def _refusal(self) -> str:
        """Wait until all is ready; return why it will not be, or nothing."""
        ends_s = time.monotonic() + READY_S
        while time.monotonic() < ends_s:
            has_ended = self._supervisor.poll() is not None
            last = status.read(self._state)
            if last and last.phase == "ready" and not has_ended:
                return ""
            if has_ended:
                lines = self._lines_of_up()
                if not last or last.phase != "failed":
                    return lines[-1] if lines else "its supervisor ended without a word"
                blamed = logs.tail(logs.path_of(self._state, last.blamed), 1)
                return ": ".join([last.reason, *blamed])
            time.sleep(POLL_S)
        return f"it is not ready after {READY_S:.0f} s"

    def _lines_of_up(self) -> list[str]:
        return (self._state / "up.log").read_text(errors="replace").splitlines()

    @property
    def is_running(self) -> bool:
        return self._supervisor.poll() is None

    def remarks(self) -> Iterator[tuple[str, str]]:
        """Yield titles and texts: what the template has and nothing serves, what fails."""
        for name, sentence in import_failures.noted(self._state).items():
            yield "spillway", f"{name} cannot be imported: {sentence}"
        if warnings := [line for line in self._lines_of_up() if " INFO " not in line]:
            yield "spillway up", "\n".join(warnings)

    def stop(self) -> None:
        """Stop the system, and delete what it kept."""
        if self.is_running:
            end([psutil.Process(self._supervisor.pid)], STOP_S)
        self._supervisor.wait()
        shutil.rmtree(self._state, ignore_errors=True)


class Systems:
    """The systems of one process's tests."""

    def __init__(self, *, ends_with_parent: bool) -> None:
        if ends_with_parent:  # a worker of pytest-xdist ends its test first, which may take long
            signal_on_parent_death(os.getppid())
        self._running: dict[Choice, System] = {}
        self._refused: dict[Choice, str] = {}

    def running(self, choice: Choice) -> System:
        """Return the system, started where no earlier test has. Raises NotStarted."""
        if choice in self._refused:
            raise NotStarted(self._refused[choice])
        if choice not in self._running:
            try:
                self._running[choice] = System(choice)
            except NotStarted as error:
                self._refused[choice] = str(error)
                raise
        system = self._running[choice]
        if not system.is_running:
            raise NotStarted(f"the system of {choice.template} has ended during the tests")
        return system

    def stop(self) -> None:
        """Stop them all."""
        for system in self._running.values():
            system.stop()


def _delete_left_folders() -> None:
    """Delete the folders of sessions that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Return the shell's environment without its own servers and Python, with free ports."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name not in (*ADDRESS_SETTINGS, "VIRTUAL_ENV")
        and not name.startswith("AWS_ENDPOINT_URL")
    }
    with ExitStack() as probes:  # all at a time, so that no two are the same
        for name in default_ports(EXTENSION):
            probe = probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            own[f"{name.upper()}_PORT"] = str(probe.getsockname()[1])
    return {"ASYNC_RETRY_S": str(RETRY_S), **own}
