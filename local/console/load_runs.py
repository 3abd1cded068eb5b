"""Load runs of a project that has `loadtest/`: one is started and watched, two are compared.

The generator is a process of its own, as in a shell; it ends when the gateway does.
"""

import asyncio
import logging
import os
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from local.console import fields
from local.console.answers import Page, Refused, as_json, in_thread, number
from local.console.load_reports import LoadReports
from local.console.pages import Console
from local.machine import status
from local.template import Template

log = logging.getLogger(__name__)

RATE_MAX_PER_S = 2_000  # above what this machine answers
DURATION_MAX_S = 600
AFTERWARDS_S = 600.0  # two drains of a minute, what is asked again, and the audit
COMPARE_S = 8.0  # below what a view may take
LINES_MAX = 1_000  # of the run, the last ones
LINE_MAX = 2_000  # characters
SMOKE = {"PROFILE": "smoke", "RATE": "", "DURATION": ""}
REPORT = "report: "  # before the path of the report, in the run's last lines
NOT_SUPERVISED = "load runs need a system that `up` has started"


def add_load_runs(
    console: Console, template: Template, state: Path, ports: Mapping[str, int]
) -> "LoadRuns | None":
    """Serve what is below `/api/loads`, where the project has a load test.

    `ports` has the gateway's own by the variables that a run reads.
    """
    folder = template.path.resolve().parent
    # A folder that is no package would be another's `loadtest`, where one is installed.
    if not all((folder / "loadtest" / f"__{name}__.py").is_file() for name in ("init", "main")):
        return None
    reports = LoadReports(Path(os.environ.get("REPORTS") or folder / "loadtest" / "reports"))
    runs = LoadRuns(folder, state, reports, ports)

    async def report_page(parameters: Mapping[str, str]) -> Page:
        return await asyncio.to_thread(reports.page, parameters)

    console.add_view("/api/loads", in_thread(runs.overview))
    console.add_view("/api/loads/run", runs.watch)
    console.add_view("/api/loads/reports/{name}", in_thread(reports.one))
    console.add_view("/loads/{name}/report.html", report_page)
    console.add_action("/api/loads/compare", runs.compare)
    console.add_action("/api/loads/start", runs.start)
    console.add_action("/api/loads/stop", runs.stop)
    return runs


class LoadRuns:
    """The run that was started here, at most one at a time; it lives on the gateway's loop."""

    def __init__(
        self, folder: Path, state: Path, reports: LoadReports, ports: Mapping[str, int]
    ) -> None:
        self._folder = folder
        self._state = state
        self._reports = reports
        self._own = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        self._process: Process | None = None
        self._following: asyncio.Task[None] | None = None
        self._title = ""
        self._started_s = 0.0
        self._is_stopped = False
        self._lines: deque[str] = deque(maxlen=LINES_MAX)
        self._count = 0  # of all its lines
        self._starting = asyncio.Lock()
        self._comparing = asyncio.Lock()

    def overview(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return the kept reports, and the bounds of a run."""
        return {
            "reports": self._reports.all(),
            "rate_max_per_s": RATE_MAX_PER_S,
            "duration_max_s": DURATION_MAX_S,
        }

    async def watch(self, parameters: Mapping[str, str]) -> Page:
        """Return the run as it stands, with its lines from number `after` on."""
        after = number(parameters, "after", 0, 10**9)
        first = max(after, self._count - len(self._lines))
        lines = list(self._lines)[len(self._lines) - (self._count - first) :]
        return as_json({"run": self._as_json(), "next": self._count, "lines": lines})

    async def start(self, parameters: Mapping[str, str], body: Any) -> Page:
        """Start a smoke run, or a steady one of `rate` for `duration_s`. Raises Refused."""
        title, variables, duration_s = _settings_of(body)
        addresses = await asyncio.to_thread(self._addresses)
        async with self._starting:
            if self._is_running:
                raise Refused(409, "a run is under way; wait for its end or stop it")
            self._process = await self._run([], {**addresses, **variables})
            self._lines.clear()
            self._count, self._is_stopped = 0, False
            self._title, self._started_s = title, time.time()
            following = self._follow(self._process, duration_s + AFTERWARDS_S)
            self._following = asyncio.get_running_loop().create_task(following)
        return as_json({"run": self._as_json()})

    async def stop(self, parameters: Mapping[str, str], body: Any) -> Page:
        """Have no more arrivals sent; what was sent is audited. A second time ends it at once."""
        if not self._is_running or self._process is None:
            raise Refused(409, "no run is under way")
        if self._is_stopped:
            self._process.kill()
        else:
            self._process.terminate()
        self._is_stopped = True
        return as_json({"run": self._as_json()})

    async def compare(self, parameters: Mapping[str, str], body: Any) -> Page:
        """Return how two reports differ, as `python -m loadtest compare` says. Raises Refused."""
        names = [self._reports.check(fields.text(body, name)) for name in ("a", "b")]
        async with self._comparing:
            process = await self._run(["compare", "--json", *names], {})
            try:
                output, _ = await asyncio.wait_for(process.communicate(), COMPARE_S)
            except TimeoutError:
                process.kill()
                await process.wait()
                raise
        if process.returncode:
            lines = output.decode(errors="replace").strip().splitlines()
            raise Refused(409, lines[-1][:LINE_MAX] if lines else "they could not be compared")
        return as_json(orjson.loads(output))

    def end(self) -> None:
        """End the run with the system."""
        if self._is_running and self._process:
            self._process.kill()

    @property
    def _is_running(self) -> bool:
        return self._following is not None and not self._following.done()

    def _as_json(self) -> dict[str, Any] | None:
        if self._process is None:
            return None
        report = next((line for line in reversed(self._lines) if REPORT in line), "")
        path = Path(report.partition(REPORT)[2].strip())
        return {
            "title": self._title,
            "started_s": self._started_s,
            "is_running": self._is_running,
            "is_stopped": self._is_stopped,
            "exit_code": None if self._is_running else self._process.returncode,
            "report": path.parent.name if report else None,
        }

    async def _run(self, arguments: list[str], variables: Mapping[str, str]) -> Process:
        paths = f"{self._folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)
        environment = {**os.environ, "PYTHONPATH": paths, **variables}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.daemon.tied", str(os.getpid()), "loadtest"),
            *arguments,
            cwd=self._folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
        )

    async def _follow(self, process: Process, longest_s: float) -> None:
        """Keep what the run prints until its end, which comes within `longest_s`."""
        assert process.stdout is not None
        rest = b""
        try:
            async with asyncio.timeout(longest_s):
                while chunk := await process.stdout.read(65_536):
                    *whole, rest = (rest + chunk).split(b"\n")
                    rest = rest[:LINE_MAX]
                    for line in whole:
                        self._say(line)
        except TimeoutError:
            self._say(b"it took too long and was ended")
            process.kill()
        if rest:
            self._say(rest)
        await process.wait()

    def _say(self, line: bytes) -> None:
        self._lines.append(line.decode(errors="replace").rstrip("\r")[:LINE_MAX])
        self._count += 1

    def _addresses(self) -> dict[str, str]:
        """Return where the system and its simulators are: each process's address by its name."""
        running = status.read(self._state)
        if running is None or not running.url:
            raise Refused(409, NOT_SUPERVISED)
        addresses = {}
        for each in running.processes:
            for url in [word for word in each.address.split() if word.startswith("http://")][:1]:
                addresses[each.name.upper()] = f"http://{urlsplit(url).netloc}"
        return {**addresses, **self._own}


def _settings_of(body: Any) -> tuple[str, dict[str, str], int]:
    """Return the title of a run, its variables, and how long it sends. Raises Refused."""
    rate, duration_s = fields.number(body, "rate", None), fields.number(body, "duration_s", None)
    if rate is None and duration_s is None:
        return "smoke", SMOKE, DURATION_MAX_S
    if rate is None or not 1 <= rate <= RATE_MAX_PER_S:
        raise Refused(400, f"rate must be 1 to {RATE_MAX_PER_S:,} arrivals a second")
    if duration_s is None or not 1 <= duration_s <= DURATION_MAX_S:
        raise Refused(400, f"duration_s must be 1 to {DURATION_MAX_S} seconds")
    variables = {"RATE": str(rate), "DURATION": str(duration_s)}
    return f"{rate} a second for {duration_s} s", variables, duration_s
