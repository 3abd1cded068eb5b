"""A handler that is run by a runtime client: AWS's `awslambdaric`, or a custom `bootstrap`.

The client is a process of its own beside its environment and asks it by Lambda's Runtime API. To
the environment it is a handler like any other.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty
from typing import Any

import orjson

from local.runtime.captured_output import STDOUT_MAX_BYTES
from local.runtime.environment import Context, Fault, Handler, log, own_stderr
from local.runtime.frames import dumps
from local.runtime.handler import failing_handler
from local.runtime.runtime_api import ClientStep, RuntimeApi
from local.template import Function

INIT_S = 10.0  # Lambda's limit
RETRY_S = 15.0  # until a client that did not start is started anew: time to read the log
LAST_WORDS_S = 0.1  # for the answer of a client that ends right after it


class RuntimeClient:
    """The client of one environment; calling it serves one event."""

    def __init__(self, function: Function, import_path: Sequence[Path]) -> None:
        self._function = function
        self._api = RuntimeApi()
        self._is_idle = True
        command = {
            "awslambdaric": (sys.executable, "-m", "awslambdaric", function.handler),
            "bootstrap": (str(function.code_uri / "bootstrap"),),
        }[function.runtime_client]
        path = (*map(str, import_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep))
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
        }
        self._command = command

    def start(self) -> Handler:
        """Return what serves events once the client asks for one, or fails them all."""
        threading.Thread(target=self._api.serve_forever, daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, set())  # the client would inherit it
        try:
            self._client = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            return self._failing(Fault("Runtime.InvalidEntrypoint", str(error)))
        assert self._client.stdout is not None
        self._printed = ProcessOutput(self._client.stdout.fileno())
        threading.Thread(target=self._watch, daemon=True).start()
        try:
            how, body = self._api.endings.get(timeout=INIT_S)
        except Empty:
            self._client.kill()
            how, body = "exited", b""
        own_stderr().write(self._printed.take())
        return self if how == "ready" else self._failing(_fault(how, body))

    def __call__(self, event: Any, context: Context) -> bytes:
        self._is_idle = False
        self._api.hand_over(dumps(event), self._headers(context))
        ended = self._api.endings.get()
        while ended.how == "ready":
            ended = self._api.endings.get()
        sys.stdout.write(self._printed.take())
        if ended.how == "exited":
            raise SystemExit(self._client.returncode)
        self._is_idle = True
        if ended.how == "error":
            fault = _fault(*ended)
            fault.is_logged = True  # by the client, as it thinks right
            raise fault
        return ended.body

    def _headers(self, context: Context) -> dict[str, str]:
        deadline_ms = int(time.time() * 1000) + context.get_remaining_time_in_millis()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": context.aws_request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": context.invoked_function_arn,
            "Lambda-Runtime-Trace-Id": os.environ.get("_X_AMZN_TRACE_ID", ""),
        }
        if context.client_context is not None:
            headers["Lambda-Runtime-Client-Context"] = json.dumps(context.client_context.members)
        return headers

    def _watch(self) -> None:
        """Tell whoever waits for an answer that none will come; else end the environment."""
        status = self._client.wait()
        log(f"{self._function.logical_id}: the runtime client ended with status {status}")
        self._api.endings.put(ClientStep("exited", b""))
        time.sleep(LAST_WORDS_S)
        if self._is_idle:
            os.kill(os.getpid(), signal.SIGTERM)

    def _failing(self, fault: Fault) -> Handler:
        log(f"{self._function.logical_id}: {fault.error_type}: {fault}")
        self._is_idle = False
        ending = threading.Timer(RETRY_S, os.kill, (os.getpid(), signal.SIGTERM))
        ending.daemon = True
        ending.start()
        return failing_handler(fault)


class ProcessOutput:
    """The output of a process, standard and error, up to a bound for each event."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept = bytearray()
        self._lock = threading.Lock()
        os.set_blocking(descriptor, False)
        threading.Thread(target=self._read_on, daemon=True).start()

    def take(self) -> str:
        """Return what was written since the last call."""
        with self._lock:
            self._read()
            printed = self._kept.decode(errors="replace")
            self._kept.clear()
        return printed

    def _read_on(self) -> None:
        is_open = True
        while is_open:
            select.select([self._descriptor], [], [])
            with self._lock:
                is_open = self._read()

    def _read(self) -> bool:
        """Read what is there; False at the end."""
        while True:
            try:
                chunk = os.read(self._descriptor, 65_536)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self._kept += chunk[: max(0, STDOUT_MAX_BYTES - len(self._kept))]


def _fault(how: str, body: bytes) -> Fault:
    """Read the error object that a client has posted."""
    if how == "exited":
        return Fault("Runtime.ExitError", "Runtime exited without providing a reason")
    try:
        error = orjson.loads(body)
    except orjson.JSONDecodeError:
        error = None
    if not isinstance(error, dict):
        error = {"errorMessage": body.decode(errors="replace")}
    kind, message = error.get("errorType", "Runtime.Unknown"), error.get("errorMessage", "")
    trace = error.get("stackTrace") or []
    return Fault(str(kind), str(message), [str(line) for line in trace])
