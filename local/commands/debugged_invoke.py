"""`invoke --debug`: the event runs in an environment of its own, once a debugger is attached there.

The running system's environments go on; this one has their settings, and ends with the command.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from local.daemon.arguments import PROGRAM
from local.daemon.terminate import end
from local.machine import status
from local.machine.plan import BadInput
from local.machine.running import running
from local.machine.stores import is_taken, port_or_next
from local.runtime import debugger, frames, interpreter
from local.template import Function, Template, TemplateError
from local.template.debugging import UNHURRIED_S, debugged

USUAL_PORT = 5678
END_S = 1.0
LOOKS_S = 0.5  # how soon an environment that has ended is noticed


def run(options: argparse.Namespace, event: bytes) -> int:
    """Wait for a debugger, give the function the event, print what it returned."""
    if not debugger.is_installed():
        raise BadInput("--debug needs debugpy; `pip install 'spillway[debug]'`")
    last, template = running(options.state)
    try:
        template = debugged(template, options.function)
    except TemplateError as error:
        raise BadInput(str(error)) from error
    port = _port(options.debug_port)
    function = template.functions[template.debugged]
    python = last.settings.get("--python", interpreter.OWN.path)
    with TemporaryDirectory(prefix="spillway-") as folder, socket.socket(socket.AF_UNIX) as place:
        path = Path(folder) / "invoke.sock"
        place.bind(str(path))
        place.listen(1)
        command = _host_command(template, function, python, path, options.state, port)
        with _running(command, _variables(last)) as host:
            sys.stderr.write(f"{function.logical_id} waits for a debugger at 127.0.0.1:{port}\n")
            answer = _ask(_accepted(place, host), function, event)
    if "error" in answer:
        sys.stdout.write(json.dumps(answer["error"]) + "\n")
        return 1
    result = frames.result_of(answer)
    text = result if isinstance(result, frames.NotJson) else frames.dumps(result).decode()
    sys.stdout.write(f"{text}\n")
    return 0


def _port(requested: int | None) -> int:
    if requested is None:
        return port_or_next(USUAL_PORT)
    if is_taken(requested):
        raise BadInput(f"port {requested} is taken; choose another with --debug-port")
    return requested


def _variables(last: status.Status) -> Mapping[str, str]:
    """Return the environment of the running system's processes."""
    for each in last.processes:
        if each.name == "gateway" and (process := status.living(each)):
            return process.environ()
    raise BadInput(f"the gateway does not run; see `{PROGRAM} status`")


def _host_command(
    template: Template, function: Function, python: str, path: Path, state: Path, port: int
) -> list[str]:
    return interpreter.command(
        *(python, "local.runtime.host", *template.options, "--function", function.logical_id),
        *("--connect", f"unix:{path}", "--state", state, "--end-with", os.getpid()),
        *("--debug-port", port, "--debug-waits", "--must-import"),
    )


@contextmanager
def _running(
    command: list[str], variables: Mapping[str, str]
) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a host whose output is this terminal's, and end it, also at Ctrl-C."""
    host = subprocess.Popen(
        command, env=variables, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True
    )
    try:
        yield host
    finally:
        if host.poll() is None:
            end([psutil.Process(host.pid)], END_S)
        host.wait()


def _accepted(place: socket.socket, host: "subprocess.Popen[bytes]") -> socket.socket:
    """Wait for the environment, which comes when a debugger is attached; a person takes time."""
    place.settimeout(LOOKS_S)
    while host.poll() is None:
        try:
            stream, _ = place.accept()
        except TimeoutError:
            continue
        stream.settimeout(UNHURRIED_S)
        return stream
    raise BadInput("the function cannot be debugged: its process ended")


def _ask(stream: socket.socket, function: Function, event: bytes) -> dict[str, Any]:
    """Give the environment the event and return its answer."""
    request_id = str(uuid.uuid4())
    deadline_ms = int(time.time() + function.timeout_s) * 1000
    try:
        content = json.loads(event or b"{}")
    except ValueError as error:
        raise BadInput(f"the event is no JSON: {error}") from error
    invocation = {"id": request_id, "deadline_ms": deadline_ms, "event": content, "trace": ""}
    with stream:
        connection = frames.Connection(stream)
        connection.receive()  # its hello
        connection.send(frames.encode(invocation))
        try:
            answer = connection.receive()
        except TimeoutError as error:
            raise BadInput(f"no answer within {UNHURRIED_S // 3600} hours") from error
    if answer is None:
        raise BadInput("the function's process ended without an answer")
    return answer
