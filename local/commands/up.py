"""The commands `up` and `down`: a supervisor in the background or in this terminal, and its end."""

import argparse
import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from local.daemon import arguments, logs
from local.daemon.arguments import PROGRAM
from local.daemon.parent_death import signal_on_parent_death
from local.daemon.terminate import end
from local.machine import other_services, plan, saved_states, status
from local.machine.processes import GRACE_S, System
from local.machine.status import AlreadyRunning, Status
from local.machine.supervisor import EXIT_FAILED, START_TIMEOUT_S, Supervisor
from local.runtime import import_failures, packages
from local.runtime.host_options import PID_MAX
from local.runtime.interpreter import Interpreter
from local.spillway.extension import EXTENSION
from local.template import Template, service_values

POLL_S = 0.05
PRIVATE = 0o077  # no file for others: data, logs and state hold secrets and people's addresses
STOP_S = sum(GRACE_S.values())  # the longest that a supervisor takes to stop its processes
TAIL_LINES = 20
TRIED_WITHIN_S = 15.0  # functions that only events call; each takes up to a second
ANSWERED_WITHIN_S = 90.0  # by the functions of custom resources, some one after the other


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    plan.add_options(parser, EXTENSION)
    plan.add_config_env(parser)
    plan.add_python(parser)
    parser.add_argument(
        "--install",
        action="store_true",
        help="install each function's requirements.txt into a folder of its own first",
    )
    parser.add_argument(
        "--reload",
        action="store_true",
        help="import a function again when a file of it has changed (or RELOAD=1)",
    )
    arguments.add_debug(parser)
    parser.add_argument("--foreground", action="store_true", help="stay; Ctrl-C stops it")
    parser.add_argument(
        "--end-with",
        type=arguments.number(1, PID_MAX),
        metavar="PID",
        help="with --foreground: stop when this process, which started the command, has gone",
    )


def up(options: argparse.Namespace) -> int:
    """Start the system and wait until it is ready; in the foreground, until it is stopped."""
    state: Path = options.state
    started_s = time.monotonic()
    os.umask(PRIVATE)  # of the supervisor and all that it starts, too
    template = plan.read(options)
    environ = {**os.environ, "RELOAD": "1"} if options.reload else os.environ
    python = plan.python_of(options)
    if status.supervisor_pid(state):
        _check_same(options, environ, template, python)
        return _await_ready(state, template, None, started_s)
    _end_leftovers(state)
    system, variables = plan.make(options, template, environ, EXTENSION, python)
    _hide(state)
    for warning in template.warnings:
        sys.stderr.write(f"{warning}\n")
    if lacking := other_services.lacking(template, system.services, options.services):
        sys.stderr.write(f"{lacking}\n")
    _install(template, state, python, allowed=options.install)
    if options.foreground:
        if options.end_with:
            signal_on_parent_death(options.end_with)
        return _supervise(system, variables)
    started_s = time.monotonic()  # what was installed before may have taken longer than any start

    def is_planned_otherwise() -> bool:
        """Tell whether other ports would be planned now: another system took some meanwhile."""
        try:
            again, _ = plan.make(options, template, environ, EXTENSION, python)
        except plan.BadInput:
            return False  # the log says which
        return again.ports != system.ports

    supervising = _start_in_background(state)
    return _await_ready(state, template, supervising, started_s, is_planned_otherwise)


def _supervise(system: System, variables: Mapping[str, str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        with status.lock(system.state):
            saved_states.finish(system.state)
            return Supervisor(system, variables).run(partial(_show_addresses, system.template))
    except AlreadyRunning as other:
        _say(str(other))
        return 0


def _start_in_background(state: Path) -> subprocess.Popen[bytes]:
    """Run this same command in the foreground of a process of its own."""
    status.write(state, Status(phase="starting"))
    log_path = logs.path_of(state, "supervisor")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    logs.bound(log_path)
    program = ["-m", "local"] if PROGRAM.startswith("python") else [sys.argv[0]]
    with log_path.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-P", *program, *sys.argv[1:], "--foreground"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the addresses, which this process prints
            stderr=output,
            start_new_session=True,
        )


def _check_same(
    options: argparse.Namespace,
    environ: Mapping[str, str],
    template: Template,
    python: Interpreter,
) -> None:
    """Refuse to call something else that was asked for "already running"."""
    last = status.read(options.state)
    if last is None or not last.template:
        return
    if last.template != str(template.path):
        raise plan.BadInput(
            f"{options.state} is in use by {last.template};"
            f" stop that with `{PROGRAM} down` or choose another directory with --state"
        )
    differing = plan.differing(options, environ, EXTENSION, python, last.settings)
    if last.parameters != template.parameters:
        differing = [_named(last.parameters), *differing]
    if options.install and packages.without_packages(template, options.state, python):
        differing = ["requirements that are not installed", *differing]
    if differing:
        raise plan.BadInput(
            f"it runs with {', '.join(differing)}; stop it with `{PROGRAM} down` first"
        )


def _named(parameters: Mapping[str, str]) -> str:
    values = ", ".join(f"{name}={value}" for name, value in parameters.items())
    return f"the parameters {values}" if values else "no parameters given"


def _install(template: Template, state: Path, python: Interpreter, *, allowed: bool) -> None:
    lacking = packages.without_packages(template, state, python)
    if lacking and not allowed:
        missing = [each.logical_id for each in packages.lacked_by(python, lacking)]
        if names := ", ".join(missing):
            sys.stderr.write(f"the requirements of {names} are not installed; --install does it\n")
        return
    for function in lacking:
        _say(f"installing the requirements of {function.logical_id}")
        try:
            packages.install(function, state, python)
        except packages.NotInstalled as error:
            sentence = f"the requirements of {function.logical_id} cannot be installed: {error}"
            raise plan.BadInput(sentence) from error


def _hide(state: Path) -> None:
    """Keep the directory from others, and from the repository that it may stand in."""
    ignored = state / ".gitignore"
    if not ignored.exists():
        state.mkdir(parents=True, exist_ok=True)
        ignored.write_text("*\n")
    if status.read(state) is not None:  # an older version made it, readable by everybody
        state.chmod(0o700)


def down(options: argparse.Namespace) -> int:
    """Stop what `up` started in this state directory, and what a killed supervisor left."""
    state: Path = options.state
    pid = status.supervisor_pid(state)
    if pid:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended by itself just now
            end([psutil.Process(pid)], STOP_S)
    ended = _end_leftovers(state)
    _say("stopped" if pid or ended else "nothing was running")
    return 0


def _end_leftovers(state: Path) -> int:
    """End the processes of a supervisor that was killed; return how many there were."""
    last = status.read(state)
    if last is None:
        return 0
    left = [process for each in last.processes if (process := status.living(each))]
    end(left, max(GRACE_S.values()))
    stopped = tuple(replace(each, pid=0, state="stopped") for each in last.processes)
    status.write(state, replace(last, phase="stopped", processes=stopped))
    return len(left)


def _await_ready(
    state: Path,
    template: Template,
    supervising: subprocess.Popen[bytes] | None,
    started_s: float,
    may_start_again: Callable[[], bool] = lambda: False,
) -> int:
    """Wait for another process, the supervisor, to say that all is ready or that it failed.

    What has failed is started once more where it `may_start_again`.
    """
    while True:
        alive = status.supervisor_pid(state) or (supervising and supervising.poll() is None)
        last = status.read(state)
        if last and last.phase == "ready" and alive:
            _say(
                f"ready in {time.monotonic() - started_s:.1f} s\n"
                if supervising
                else f"already running; `{PROGRAM} down` stops it\n"
            )
            _show_addresses(template, last)
            _await_custom_resources(state)
            for name, reason in service_values.failures(state).items():
                sys.stderr.write(f"{template.path}: {name}: is not made: {reason}\n")
            for name in service_values.late(state):
                sentence = f"what it has answered reaches functions with the next `{PROGRAM} up`"
                sys.stderr.write(f"{template.path}: {name}: {sentence}\n")
            return _tell_failures(state, template)
        if not alive or time.monotonic() - started_s > START_TIMEOUT_S + STOP_S:
            break
        time.sleep(POLL_S)
    if last and last.phase == "failed" and may_start_again():
        sys.stderr.write("another program took a port meanwhile; starting once more\n")
        return _await_ready(state, template, _start_in_background(state), time.monotonic())
    reason = last.reason if last and last.phase == "failed" else "the supervisor ended"
    log_path = logs.path_of(state, last.blamed if last and last.blamed else "supervisor")
    tail = "\n".join(logs.tail(log_path, TAIL_LINES))
    sys.stderr.write(f"{reason}; the end of {log_path}:\n{tail}\n")
    return (supervising.poll() if supervising else None) or EXIT_FAILED


def _await_custom_resources(state: Path) -> None:
    """Wait until the functions of custom resources have answered, which others may rest on."""
    ends_s = time.monotonic() + ANSWERED_WITHIN_S
    while not service_values.are_done(state):
        if time.monotonic() > ends_s:
            sys.stderr.write("not all custom resources have been made yet; `logs services`\n")
            break
        time.sleep(POLL_S)


def _tell_failures(state: Path, template: Template) -> int:
    """Name the functions that cannot be imported; return 1 where there is one."""
    ends_s = time.monotonic() + TRIED_WITHIN_S
    while template.on_demand and not import_failures.were_tried(state):
        if time.monotonic() > ends_s:
            sys.stderr.write("not all functions have been imported yet; `status` tells more\n")
            break
        time.sleep(POLL_S)
    failing = import_failures.noted(state)
    for name, sentence in failing.items():
        sys.stderr.write(f"{name} cannot be imported: {sentence}\n")
    return EXIT_FAILED if failing else 0


def _show_addresses(template: Template, running: Status) -> None:
    rows = list(_addresses(template, running))
    width = max(10, *(len(name) for name, _ in rows))
    for name, address in rows:
        _say(f"{name:<{width}}  {address}")
    explained = f"`{PROGRAM} explain` lists the routes, and what differs from AWS"
    _say(f"\n{EXTENSION.first_request(template, running.url) or explained}")


def _addresses(template: Template, running: Status) -> Iterator[tuple[str, str]]:
    for each in running.processes:
        if each.name == "gateway":
            further = [api.name for api in template.apis[1:]]
            names = ("API", *further, "console", "Lambda", "OTLP")
            addresses = each.address.split()
            for number, api in enumerate(template.apis):
                if api.kind == "WEBSOCKET":
                    addresses[number] = addresses[number].replace("http", "ws", 1)
            yield from zip(names, addresses, strict=False)
        elif "://" in each.address:
            yield each.name, each.address


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
