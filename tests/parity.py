"""`make parity`: the end-to-end suite against every target that this machine can run, in a table.

Exit code 0: all targets ran and agree but for the named differences; 1: a test failed; 3: nothing
failed, but a target could not be run.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.compose.conftest import UP_TIMEOUT_S, Stack
from tests.conftest import free_port, wait_until
from tests.deploy.commands import run
from tests.e2e.conftest import ROOT, Client, System, own_system
from tests.e2e.targets import CHALICE, COMPOSE, MACHINE, MINISTACK

SUITE_TIMEOUT_S = 300
DRILL_TIMEOUT_S = 900
START_TIMEOUT_S = 120
ENGINE_TIMEOUT_S = 10
DOMAINS = {
    "api": ("",),
    "payments": ("/v1/payments",),
    "analytics": ("/v1/analytics",),
    "notifications": ("/v1/notifications", "/v1/webhook-endpoints"),
}
EXIT_FAILED = 1
EXIT_INCOMPLETE = 3


class NotStarted(Exception):
    """A target does not start, or does not stop; the message is the end of what was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The outcome of the suite on one target."""

    target: str
    passed: int = 0
    differences: Sequence[tuple[str, str]] = ()  # test and reason
    failed: int = 0
    seconds: float = 0.0
    not_run: str = ""  # why, where it was not

    @property
    def line(self) -> str:
        if self.not_run:
            return f"{self.target:<12}not run: {self.not_run}"
        return (
            f"{self.target:<12}{self.passed:>7}{len(self.differences):>14}"
            f"{self.failed:>9}{self.seconds:>9.0f} s"
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="folder of sam and ministack")
    tools: Path = parser.parse_args().tools.absolute()
    for number in (signal.SIGTERM, signal.SIGINT):  # so that targets end with us
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="spillway-parity-") as name:
        results = list(_results(Path(name), tools))
    _say(f"\n{'target':<12}{'passed':>7}{'differences':>14}{'failed':>9}{'time':>11}")
    for result in results:
        _say(result.line)
    for result in results:
        for test, reason in result.differences:
            _say(f"\n{result.target}: {test}\n  {reason}")
    if any(result.failed for result in results):
        return EXIT_FAILED
    return EXIT_INCOMPLETE if any(result.not_run for result in results) else 0


def _results(folder: Path, tools: Path) -> Iterator[Result]:
    yield from _started((MACHINE, CHALICE), lambda: _here(folder))
    if _engine_answers():
        yield from _started((COMPOSE,), lambda: _contained(folder))
    else:
        yield Result(target=COMPOSE, not_run="no Docker engine")
    yield _drill(folder, tools)


def _started(targets: Sequence[str], run: Callable[[], Iterator[Result]]) -> Iterator[Result]:
    """Give the results of `run`; a target that does not start has failed."""
    left = list(targets)
    try:
        for result in run():
            left.remove(result.target)
            yield result
    except (NotStarted, AssertionError) as error:  # also of what is waited for in vain
        _say(f"{left[0]} does not start or stop: {error}")
        yield from (Result(target=each, failed=1) for each in left)


def _here(folder: Path) -> Iterator[Result]:
    with own_system(folder / "state") as system:
        variables = {"TARGET": system.gateway, "TARGET_MAILBOX": system.mailbox}
        yield _suite(folder, MACHINE, variables)
        with chalice(system, folder) as address:
            yield _suite(folder, CHALICE, {**variables, "TARGET": address})


def _contained(folder: Path) -> Iterator[Result]:
    with compose() as addresses:
        yield _suite(folder, COMPOSE, addresses)


@contextmanager
def chalice(system: System, folder: Path) -> Iterator[str]:
    """Start a server of Chalice's own for each domain, on the stores of `system`; gives TARGET."""
    exports = _must(system.local("env"))
    program = Path(sys.executable).with_name("chalice")
    bases: dict[str, str] = {}
    with ExitStack() as servers:
        for domain, prefixes in DOMAINS.items():
            port = free_port()
            command = f"exec {program} --project-dir functions/{domain} local --port {port}"
            log = servers.enter_context((folder / f"chalice-{domain}.log").open("wb"))
            server = subprocess.Popen(
                ["bash", "-c", f"{exports}\n{command}"], cwd=ROOT, stdout=log, stderr=log
            )
            servers.callback(server.wait, timeout=10)
            servers.callback(server.terminate)
            bases |= dict.fromkeys(prefixes, f"http://127.0.0.1:{port}")
        for prefix, base in bases.items():
            wait_until(partial(_answers, Client(base), prefix), START_TIMEOUT_S)
        yield " ".join(f"{prefix}={base}" if prefix else base for prefix, base in bases.items())


@contextmanager
def compose() -> Iterator[dict[str, str]]:
    """Start the system in containers, its mailbox published; give the addresses to ask."""
    files = os.environ.get("COMPOSE_FILE", "docker-compose.yml")
    names = ("GATEWAY", "CONSOLE", "PROVIDER", "MAILBOX")
    stack = Stack(
        {
            **os.environ,
            "COMPOSE_FILE": f"{files}:tests/compose/published.yml",
            "COMPOSE_PROJECT_NAME": "spillway-parity",
            **{f"{name}_PORT": str(free_port()) for name in names},
        }
    )
    try:
        _must(stack.compose("up", "--detach", "--wait", "--build", timeout_s=UP_TIMEOUT_S))
        yield {"TARGET": stack.address("GATEWAY"), "TARGET_MAILBOX": stack.address("MAILBOX")}
    finally:
        _must(stack.compose("down", "--volumes"))


def _suite(folder: Path, target: str, variables: Mapping[str, str]) -> Result:
    report = folder / f"{target}.xml"
    arguments = ("-q", "-p", "no:cacheprovider", f"--junitxml={report}", "tests/e2e")
    began_s = time.monotonic()
    _say(f"== {target}")
    command = [sys.executable, "-m", "pytest", *arguments]
    variables = {**os.environ, "TARGET_KIND": target, **variables}
    run(command, variables, ROOT, timeout_s=SUITE_TIMEOUT_S, shown=True)
    return read(target, report, time.monotonic() - began_s)


def _drill(folder: Path, tools: Path) -> Result:
    report = folder / f"{MINISTACK}.xml"
    _say(f"== {MINISTACK}")
    began_s = time.monotonic()
    command = [sys.executable, "-m", "tests.deploy"]
    command += ["--tools", str(tools), "--results", str(report)]
    done = run(command, os.environ, ROOT, timeout_s=DRILL_TIMEOUT_S, shown=True)
    result = read(MINISTACK, report, time.monotonic() - began_s)
    return replace(result, failed=result.failed or int(done.status != 0))


def read(target: str, report: Path, seconds: float) -> Result:
    """Return the counts of a JUnit report; one that was not written is a failure."""
    if not report.exists():
        return Result(target=target, failed=1, seconds=seconds)
    cases = list(ET.parse(report).iter("testcase"))
    differences = [
        (case.attrib["name"], skipped.attrib["message"])
        for case in cases
        if (skipped := case.find("skipped")) is not None
    ]
    failed = sum(
        case.find("failure") is not None or case.find("error") is not None for case in cases
    )
    return Result(
        target=target,
        passed=len(cases) - failed - len(differences),
        differences=differences,
        failed=failed,
        seconds=seconds,
    )


def _engine_answers() -> bool:
    try:
        info = subprocess.run(
            ["docker", "info"], capture_output=True, timeout=ENGINE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return info.returncode == 0


def _answers(client: Client, prefix: str) -> bool:
    try:
        client.call("GET", prefix or "/health")
    except OSError:
        return False
    return True


def _must(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        raise NotStarted(f"{shlex.join(done.args)}:\n{done.stderr[-1000:]}")
    return done.stdout


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
