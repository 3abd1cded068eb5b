"""The price of being watched: `python tests/bench/observing.py [rate] [seconds] [rounds]`.

Two systems of their own, one with its traces switched off, get the same steady load by turns:
without traces, with them, and with them and the console's Overview open in a browser. Prints the
medians of CPU an arrival and of p99 with their ratios, then the gateway's memory, how soon a trace
is visible, and what a cold start imports. `1000 128 1` sends each system 127,800 requests and more.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from loadtest.generator.driver import Address, Driver
from loadtest.generator.profile import schedule, steady
from loadtest.generator.scenarios import Requests, new_run_id, workload
from loadtest.options import LOAD_CLIENT
from loadtest.recording.measure import figures, milliseconds
from loadtest.witnesses import records
from loadtest.witnesses.api import Api, fetch_token
from tests.browser.chromium import BROWSERS, browser
from tests.e2e.conftest import ROOT, System, own_system

RATE_PER_S, SECONDS, ROUNDS = 100, 10, 4
EMPTY_S = 120  # the queues after a round
TRACES = 20  # whose way to the page is timed
VISIBLE_S = 10.0
IMPORT_RUNS = 5  # the least of them counts: other processes only ever add
STATES = ("visible", "delayed", "in_flight")
SPANS = ("backend.span_export", "backend.traced_collection")
OTHERS = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
IMPORTS = {
    "payments.app": ("payments.app",),
    "payments.app and what its first sampled event imports": ("payments.app", *SPANS),
    "payments.app and OpenTelemetry's SDK and exporter": ("payments.app", *OTHERS),
}
MEASURE = """
import importlib, sys, time
before = time.process_time()
for module in sys.argv[1:]:
    importlib.import_module(module)
print((time.process_time() - before) * 1000)
"""


@dataclass
class Mode:
    """One way of being watched, and what each of its rounds cost."""

    title: str
    system: System
    token: str
    is_open: bool = False  # the page
    cpu_us: list[float] = field(default_factory=list)  # an arrival
    p99_ms: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def console(self) -> Api:
        return Api(self.system.console)


def main() -> None:
    """Start both systems, load them by turns, and print what it comes to."""
    numbers = [int(each) for each in sys.argv[1:4]]
    rate_per_s, seconds, rounds = (*numbers, *(RATE_PER_S, SECONDS, ROUNDS)[len(numbers) :])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plain = stack.enter_context(own_system(folder / "plain", OTEL_SDK_DISABLED="true"))
        traced = stack.enter_context(own_system(folder / "traced"))
        modes = [mode_of("traces off, no page", plain), mode_of("traces on, no page", traced)]
        if any(map(shutil.which, BROWSERS)):
            modes.append(mode_of("traces on, Overview open", traced, is_open=True))
        else:
            say(f"no page is opened: there is none of {', '.join(BROWSERS)}")
        for mode in modes[:2]:  # the first requests of a system find cold functions
            load(mode, rate_per_s, 2)
        for number in range(rounds):
            first = number % len(modes)
            for mode in (*modes[first:], *modes[:first]):
                measure(mode, rate_per_s, seconds, folder)
        say(
            f"{rate_per_s} arrivals a second, {seconds} s, {rounds} rounds; medians, least and most"
        )
        for mode in modes:
            show(mode, modes[0])
        for mode in modes[:2]:
            show_memory(mode)
        show_time_to_trace(modes[1])
    show_imports()


def mode_of(title: str, system: System, *, is_open: bool = False) -> Mode:
    """Return a way of being watched, with a token for its system."""
    return Mode(title, system, fetch_token(system.gateway, *LOAD_CLIENT), is_open)


def measure(mode: Mode, rate_per_s: int, seconds: int, folder: Path) -> None:
    """Load a system for a round, with the page open or not, until its queues are empty."""
    with ExitStack() as stack:
        if mode.is_open:
            page = stack.enter_context(browser(folder / f"browser-{len(mode.cpu_us)}"))
            page.open(f"{mode.system.console}/#/overview")
            wait(lambda: "as of" in page.text(), VISIBLE_S)
        before_s = cpu_s(mode)
        count, p99_ms, failed = load(mode, rate_per_s, seconds)
        mode.cpu_us.append((cpu_s(mode) - before_s) * 1e6 / count)
    mode.p99_ms.append(p99_ms)
    mode.failed += failed


def load(mode: Mode, rate_per_s: int, seconds: int) -> tuple[int, float, int]:
    """Return how many arrivals there were, their p99 in ms, and how many failed."""
    where = urlsplit(mode.system.gateway)
    work = workload(schedule(steady(rate_per_s, seconds)))
    host, run = where.netloc, new_run_id()
    requests = Requests(work, run=run, token=mode.token, host=host, keep_alive=True)
    driver = Driver(work, requests, Address(where.hostname or "", where.port or 0), keep_alive=True)
    driver.run()
    wait(lambda: not messages(mode.console), EMPTY_S)
    result = figures(work, driver.journal)
    return len(work), milliseconds(result.total.times.latency)["p99"], result.failed


def messages(console: Api) -> int:
    """Return how many messages wait or are in hand."""
    return sum(queue[state] for queue in console.get("/api/queues")["queues"] for state in STATES)


def cpu_s(mode: Mode) -> float:
    """Return what all processes of a system have used."""
    return float(sum(each["cpu_s"] for each in records.processes(mode.console)))


def wait(is_so: Callable[[], bool], timeout_s: float, *, every_s: float = 0.1) -> None:
    """Wait until something is so; end the run where it does not become so in time."""
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"not within {timeout_s:g} s: the machine is too busy for this rate")
        time.sleep(every_s)


def show(mode: Mode, plain: Mode) -> None:
    cpu_us, p99_ms = statistics.median(mode.cpu_us), statistics.median(mode.p99_ms)
    cpu_ratio = cpu_us / statistics.median(plain.cpu_us)
    p99_ratio = p99_ms / statistics.median(plain.p99_ms)
    say(
        f"{mode.title:<26}CPU {cpu_us:7,.0f} us an arrival ({min(mode.cpu_us):,.0f} to"
        f" {max(mode.cpu_us):,.0f})  x {cpu_ratio:.3f}   p99 {p99_ms:7,.1f} ms"
        f" ({min(mode.p99_ms):,.1f} to {max(mode.p99_ms):,.1f})  x {p99_ratio:.2f}"
        f"   failed {mode.failed}"
    )


def show_memory(mode: Mode) -> None:
    processes = records.processes(mode.console)
    (gateway_mb,) = (each["rss_mb"] for each in processes if each["name"] == "gateway")
    functions = mode.console.get("/api/functions")["functions"]
    requests = sum(each["requests"] for each in functions)
    say(
        f"{mode.title:<26}the gateway's process has {gateway_mb:.0f} MB after {requests:,} requests"
    )


def show_time_to_trace(mode: Mode) -> None:
    """Print how long after its answer the trace of a request can be read."""
    times_ms = []
    for number in range(1, TRACES + 1):
        trace_id = os.urandom(16).hex()
        sent = {
            "Authorization": f"Bearer {mode.token}",
            "traceparent": f"00-{trace_id}-{number:016x}-01",
        }
        request = urllib.request.Request(f"{mode.system.gateway}/v1/payments", headers=sent)
        urllib.request.urlopen(request, timeout=VISIBLE_S).read()
        began_s = time.monotonic()
        wait(partial(can_be_read, mode.console, trace_id), VISIBLE_S, every_s=0.001)
        times_ms.append((time.monotonic() - began_s) * 1000)
    say(
        f"a trace can be read {statistics.median(times_ms):.1f} ms after the answer"
        f" (median of {TRACES}, at most {max(times_ms):.1f} ms)"
    )


def can_be_read(console: Api, trace_id: str) -> bool:
    """Return whether the console shows a trace."""
    return console.find(f"/api/traces/{trace_id}") is not None


def show_imports() -> None:
    """Print the CPU that a cold start's imports take, with and without what makes spans."""
    for title, modules in IMPORTS.items():
        times_ms = [ms for _ in range(IMPORT_RUNS) if (ms := import_ms(modules)) is not None]
        say(f"import of {title}: " + (f"{min(times_ms):.0f} ms" if times_ms else "not here"))


def import_ms(modules: Sequence[str]) -> float | None:
    """Return the CPU of importing modules in a new interpreter; None where one is not there."""
    paths = (ROOT / "functions", ROOT / "layers/backend/python")
    run = subprocess.run(
        [sys.executable, "-B", "-c", MEASURE, *modules],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    return float(run.stdout) if run.returncode == 0 else None


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
