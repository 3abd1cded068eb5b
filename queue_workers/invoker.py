"""The socket where a function's execution environment dials in and is given one event at a time."""

import contextlib
import select
import socket
import time
import uuid
from pathlib import Path
from typing import Any, Protocol

from local.lambda_service.output import FunctionOutput
from local.lambda_service.tallies import Tally
from local.runtime import frames
from local.template import Function
from queue_workers.batch_trace import Handling

BACKLOG = 8  # one environment and those of its predecessors that nobody has accepted yet
HELLO_S = 1.0  # an environment says hello as soon as it is connected
OVERDUE_S = 2.0  # the environment ends at its deadline, or its host kills it a second later
EVENT_MAX_BYTES = 6_291_556  # Lambda's hard limit on a synchronous event
CLOCK_S = 0.01  # the deadline is sent in whole milliseconds: the kernel may be a little early


class InvocationFailed(Exception):
    """The handler raised, ran out of time or died; what it did until then is done."""


class EventTooLarge(InvocationFailed):
    """The event is over Lambda's limit; nothing has run."""


class NotTaken(Exception):
    """The environment was gone before it had the event; nothing has run."""


class Way(Protocol):
    """The way to one function, for one poller."""

    function: Function

    def ready(self, wait_s: float, /) -> bool: ...
    def invoke(self, event: object, handling: Handling) -> object: ...
    def close(self) -> None: ...


class Invoker:
    """The way to one function's environment. One instance belongs to one thread."""

    def __init__(self, function: Function, path: Path, output: FunctionOutput) -> None:
        frames.parse_address(f"unix:{path}")  # refuses a path that no socket can have
        self.function = function
        self._path = path
        self._output = output
        self._init_ms: float | None = None  # until the first event has been told
        self.is_busy = False
        self._stream: socket.socket | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # a killed predecessor leaves its file
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(BACKLOG)

    def ready(self, wait_s: float) -> bool:
        """Say whether an environment is there, waiting up to `wait_s` for one to dial in."""
        if self._stream is not None and self._is_over(self._stream):
            self._drop()
        if self._stream is None:
            self._accept(wait_s)
        return self._stream is not None

    @property
    def has_environment(self) -> bool:
        """Return whether one has dialled in; before the first event it is not accepted yet."""
        return self._stream is not None or bool(select.select([self._listener], [], [], 0)[0])

    @property
    def tally(self) -> Tally:
        """Return the counts of what was invoked this way."""
        return self._output.tallies[self.function.logical_id]

    def invoke(self, event: object, handling: Handling) -> object:
        """Return what the handler returned, and note its times in `handling`.

        Raises NotTaken, EventTooLarge or InvocationFailed.
        """
        self.is_busy = True
        try:
            return self._invoke(event, handling)
        finally:
            self.is_busy = False

    def _invoke(self, event: object, handling: Handling) -> object:
        assert self._stream is not None  # ready() said so
        request_id = str(uuid.uuid4())
        started_s = time.monotonic()
        now_ns = time.time_ns()
        deadline_ms = now_ns // 1_000_000 + self.function.timeout_s * 1000
        frame = _frame(
            {
                "id": request_id,
                "deadline_ms": deadline_ms,
                "event": event,
                "trace": handling.header,
            }
        )
        try:
            self._stream.settimeout(self.function.timeout_s + OVERDUE_S)
            self._stream.sendall(frame)
        except OSError as error:
            self._drop()
            raise NotTaken(str(error)) from error
        handling.request_id, handling.start_ns = request_id, now_ns
        handling.is_cold = self._init_ms is not None
        answer = _answer(self._stream)
        handling.end_ns = now_ns + int((time.monotonic() - started_s) * 1e9)
        if answer is None or answer.get("id") != request_id:
            self._drop()
            end = self._how_it_died(request_id, started_s)
            self._output.died(self.function, request_id, end, time.monotonic() - started_s)
            self._output.flush()
            handling.error = end
            raise InvocationFailed(f"{end['errorType']}: {end['errorMessage']}")
        self._output.ended(self.function, request_id, answer, self._init_ms)
        self._output.flush()
        self._init_ms = None
        if fault := answer.get("error"):
            handling.error = fault
            raise InvocationFailed(f"{fault['errorType']}: {fault['errorMessage']}")
        return frames.result_of(answer)

    def close(self) -> None:
        self._drop()
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _is_over(self, stream: socket.socket) -> bool:
        """Say whether the peer has closed, as an idle one sends nothing, or has a successor."""
        readable, _, _ = select.select([stream, self._listener], [], [], 0)
        if self._listener in readable and stream not in readable:
            with contextlib.suppress(OSError):
                stream.sendall(frames.LEAVE)  # the host has imported the handler again
        return bool(readable)

    def _accept(self, wait_s: float) -> None:
        self._listener.settimeout(wait_s)
        try:
            stream, _ = self._listener.accept()
        except TimeoutError:
            return
        stream.settimeout(HELLO_S)
        hello = _answer(stream)
        if hello is None or hello.get("function") != self.function.logical_id:
            stream.close()
            return
        self._stream = stream
        self._init_ms = hello.get("init_ms")

    def _how_it_died(self, request_id: str, started_s: float) -> dict[str, str]:
        if time.monotonic() - started_s >= self.function.timeout_s - CLOCK_S:
            kind = "Sandbox.Timedout"
            what = f"Task timed out after {self.function.timeout_s:.2f} seconds"
        else:
            kind, what = "Runtime.ExitError", "Runtime exited without providing a reason"
        return {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {what}"}

    def _drop(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _frame(invocation: dict[str, Any]) -> bytes:
    try:
        frame = frames.encode(invocation)
    except frames.FrameError as error:
        raise EventTooLarge(f"RequestTooLarge: {error}") from error
    if len(frame) > EVENT_MAX_BYTES:
        raise EventTooLarge(f"RequestTooLarge: the event is over {EVENT_MAX_BYTES} bytes")
    return frame


def _answer(stream: socket.socket) -> dict[str, Any] | None:
    """Return the next frame; None when the peer has gone, is silent for too long or babbles."""
    try:
        return frames.Connection(stream).receive()
    except (OSError, frames.FrameError):
        return None
