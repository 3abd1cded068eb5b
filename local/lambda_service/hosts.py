"""Hosts of functions that nothing else keeps environments for, started when they are first invoked.

Behind routes and authorizers the supervisor keeps hosts; workers have environments of their own.
"""

import asyncio
import logging
import os
import subprocess
from pathlib import Path

from local.daemon import logs
from local.lambda_service.dispatch import Pool
from local.runtime import import_failures, interpreter
from local.runtime.host_options import IMPORT_MAX_S
from local.template import Template

log = logging.getLogger(__name__)

END_S = 1.0  # an idle host takes a few milliseconds; one with an event is not waited for


class Hosts:
    """The host processes that this gateway has started."""

    def __init__(self, template: Template, state: Path, runtime: str, python: str) -> None:
        self._template = template
        self._state = state
        self._runtime = runtime
        self._python = python
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def want(self, pool: Pool) -> None:
        """Have environments for a function; those of one that has some are somebody else's."""
        name = pool.function.logical_id
        if pool.environments or name in self._template.hosted:
            return
        host = self._running.get(name)
        if host is None or host.poll() is not None:
            self._running[name] = self._start(name)

    async def try_out(self) -> None:
        """Import the functions that nobody keeps environments for, one after the other.

        Which of them cannot be imported is known then before the first event.
        """
        for name in self._template.on_demand:
            path = logs.path_of(self._state, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as output:
                trial = await asyncio.create_subprocess_exec(
                    *map(str, self._command(name)),
                    "--import-only",
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            try:
                await asyncio.wait_for(trial.wait(), IMPORT_MAX_S)
            except TimeoutError:
                trial.kill()
                await trial.wait()
        import_failures.say_tried(self._state)

    def stop(self) -> None:
        """End them all."""
        for host in self._running.values():
            host.terminate()
        for host in self._running.values():
            try:
                host.wait(END_S)
            except subprocess.TimeoutExpired:
                host.kill()
                host.wait()

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        path = logs.path_of(self._state, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        logs.bound(path)
        command = self._command(name)
        log.info("%s is invoked for the first time: its host starts", name)
        with path.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _command(self, name: str) -> list[str]:
        return interpreter.command(
            *(self._python, "local.runtime.host", *self._template.options),
            *("--function", name, "--connect", self._runtime),
            *("--state", self._state.resolve(), "--end-with", os.getpid()),
        )
