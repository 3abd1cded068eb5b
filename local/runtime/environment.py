"""One execution environment: it dials its invoker, takes one event, answers, takes the next.

The host forks it once the handler is imported. What the invoker makes of an answer is not here.
"""

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from ctypes import c_double
from decimal import Decimal
from typing import Any, NoReturn, TextIO

import orjson

from local.runtime import frames, function_logging, limits
from local.runtime.captured_output import CapturedOutput
from local.template import Function
from local.template.intrinsics import REGION

Handler = Callable[[Any, "Context"], Any]

RESULT_MAX_BYTES = 6_291_556  # Lambda's hard limit on a synchronous answer
ERROR_MESSAGE_MAX_CHARS = 32 * 1024
DIAL_FIRST_PAUSE_S = 0.05
DIAL_LONGEST_PAUSE_S = 1.0  # an invoker that restarts has its environments back within a second
SHORTEST_TIMER_S = 0.000_001  # zero would switch the timer off


TOO_LARGE = "Function.ResponseSizeTooLarge"  # Lambda says it, not the function's runtime


class Fault(Exception):
    """A failure that Lambda names itself, such as Runtime.MarshalError."""

    is_logged = False  # by whoever raised it

    def __init__(self, error_type: str, message: str, stack_trace: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.stack_trace = list(stack_trace)


class Identity:
    """The caller's Cognito identity, which REST APIs and queues do not pass."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class ClientApplication:
    """The calling application, as it describes itself; what it leaves out is None."""

    def __init__(self, members: dict[str, Any]) -> None:
        self.installation_id = members.get("installation_id")
        self.app_title = members.get("app_title")
        self.app_version_name = members.get("app_version_name")
        self.app_version_code = members.get("app_version_code")
        self.app_package_name = members.get("app_package_name")


class ClientContext:
    """The description that a caller of the Invoke API gives of itself."""

    def __init__(self, members: dict[str, Any]) -> None:
        self.members = members
        self.client = ClientApplication(members["client"]) if "client" in members else None
        self.custom = members.get("custom")
        self.env = members.get("env")


class Context:
    """The second argument of a handler, with the attributes of Lambda's own."""

    function_version = "$LATEST"
    client_context: ClientContext | None = None
    tenant_id = None
    identity = Identity()

    def __init__(self, function: Function, request_id: str, deadline_ms: int) -> None:
        self.aws_request_id = request_id
        self.function_name = function.name
        self.invoked_function_arn = function_arn(function.name)
        self.memory_limit_in_mb = str(function.memory_mb)
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        # Kept by the monotonic clock: while the event is in hand, the time of day may be set.
        self._ends_s = time.monotonic() + deadline_ms / 1000 - time.time()

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._ends_s - time.monotonic()) * 1000))


class Environment:
    """The loop that serves one event at a time until SIGTERM, which lets it finish the one in hand.

    `deadline_s` is a cell of memory shared with the host: when the event in hand must be over, by
    the machine's monotonic clock, or 0.
    """

    def __init__(
        self,
        function: Function,
        handler: Handler,
        *,
        address: str,
        hello: dict[str, Any],
        output: CapturedOutput,
        deadline_s: c_double,
    ) -> None:
        self._function = function
        self._handler = handler
        self._address = address
        self._hello = {"hello": 1, **hello}
        self._output = output
        self._deadline_s = deadline_s
        self._connection: frames.Connection | None = None
        self._draining = False
        self._has_stopped = False  # what the handler has started

    def run(self) -> None:
        # A handler's module may have changed the first two; a deadline must end the process.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, self._drain)
        # Ctrl-C reaches the whole foreground group; the host passes on what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        os.register_at_fork(after_in_child=self._become_bystander)
        pause_s = DIAL_FIRST_PAUSE_S
        while not self._draining:
            served = self._serve_connection()
            pause_s = DIAL_FIRST_PAUSE_S if served else min(2 * pause_s, DIAL_LONGEST_PAUSE_S)
            if not self._draining:
                time.sleep(pause_s)

    def _drain(self, _signal_number: int, _frame: object) -> None:
        self._draining = True
        if self._connection is None:
            raise SystemExit(0)
        try:
            # An event that has arrived but is not read yet is still served.
            self._connection.stop_receiving()
        except OSError:
            raise SystemExit(0) from None  # the invoker has gone, so nothing is in hand

    def _become_bystander(self) -> None:
        """Answer nothing in a process that the handler has forked; it ends where it would."""
        self._draining = True
        if self._connection is not None:
            self._connection.close()

    def _serve_connection(self) -> int:
        """Dial and answer events until either side closes; return how many were answered.

        An invoker that has a successor for this environment tells it to leave.
        """
        served = 0
        try:
            self._connection = connection = frames.dial(self._address)
        except OSError:
            return served
        try:
            connection.send(frames.encode({**self._hello, "pid": os.getpid()}))
            while (invocation := connection.receive()) is not None:
                if "leave" in invocation:
                    self._draining = True
                    break
                if self._has_stopped:
                    limits.signal_descendants(os.getpid(), signal.SIGCONT)
                connection.send(self._answer(invocation))
                signal.setitimer(signal.ITIMER_REAL, 0)
                self._deadline_s.value = 0.0
                served += 1
                self._stop_descendants()
        except (OSError, frames.FrameError) as error:
            log(f"{self._function.logical_id}: lost the connection to {self._address}: {error}")
        finally:
            self._connection = None
            connection.close()
        return served

    def _stop_descendants(self) -> None:
        """Stop what the handler has started: between events Lambda freezes it all."""
        if self._function.runtime_client or self._function.is_debugged:
            return  # it is what the handler has started, and waits; or the debugger's
        self._has_stopped = limits.has_children()
        if self._has_stopped:
            limits.signal_descendants(os.getpid(), signal.SIGSTOP)

    def _answer(self, invocation: dict[str, Any]) -> bytes:
        request_id, deadline_ms = invocation["id"], invocation["deadline_ms"]
        remaining_s = deadline_ms / 1000 - time.time()
        self._deadline_s.value = time.monotonic() + remaining_s
        signal.setitimer(signal.ITIMER_REAL, max(remaining_s, SHORTEST_TIMER_S))
        set_trace(invocation.get("trace") or "")
        function_logging.request_id = request_id
        answer: dict[str, Any] = {"id": request_id}
        started = time.perf_counter()
        try:
            context = Context(self._function, request_id, deadline_ms)
            if "client_context" in invocation:
                context.client_context = ClientContext(invocation["client_context"])
            answer |= marshal(self._handler(invocation["event"], context))
        except Exception as error:  # edge: an invocation; a handler may raise anything
            answer["error"] = describe(error, request_id)
            if not (isinstance(error, Fault) and error.is_logged):
                is_json = self._function.logging.is_json
                self._output.write(function_logging.of_error(answer["error"], is_json=is_json))
        answer["duration_ms"] = round((time.perf_counter() - started) * 1000, 3)
        answer["stdout"] = self._output.take()
        answer["max_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        return frames.encode(answer)


def set_trace(trace: str) -> None:
    """Set the variable that AWS's SDK and Powertools read the trace from, for Python alone.

    By way of `os.environ[name]` glibc would keep every value for ever: 97 bytes an event.
    """
    variables: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
    variables[b"_X_AMZN_TRACE_ID"] = trace.encode()


def function_arn(name: str) -> str:
    region = os.environ.get("AWS_REGION", REGION)
    return f"arn:aws:lambda:{region}:000000000000:function:{name}"


def marshal(result: Any) -> dict[str, Any]:
    """Return the part of an answer that bears a handler's result, or raise Fault.

    As Lambda's runtime client, which does not look at bytes and lets NaN through: what is no JSON
    then is sent as text.
    """
    try:
        name, payload = _encode(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
    if len(payload) > RESULT_MAX_BYTES:
        raise Fault(
            TOO_LARGE,
            "Response payload size exceeded maximum allowed payload size"
            f" ({RESULT_MAX_BYTES} bytes).",
        )
    return {
        name: orjson.Fragment(payload) if name == "result" else payload.decode(errors="replace")
    }


def _encode(result: Any) -> tuple[str, bytes]:
    """Return the bytes to send, and under which name."""
    if isinstance(result, bytes):
        return "result" if _is_json(result) else "not_json", result
    try:
        return "result", _encode_json(result).encode()
    except ValueError:
        return "not_json", _encode_with_nan(result).encode()  # fails again unless it was for NaN


def _is_json(payload: bytes) -> bool:
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return True


def _number_of_decimal(value: Any) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)


# The standard encoder: orjson also takes dataclasses, dates and UUIDs, which fail on AWS.
_encode_json = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_number_of_decimal
).encode
_encode_with_nan = json.JSONEncoder(ensure_ascii=False, default=_number_of_decimal).encode


def describe(error: Exception, request_id: str) -> dict[str, Any]:
    """Return Lambda's error object: errorType, errorMessage, requestId and stackTrace.

    Of a result that is too large Lambda itself tells, which names no request.
    """
    if isinstance(error, Fault):
        error_type, stack_trace = error.error_type, error.stack_trace
    else:
        error_type = type(error).__name__
        own_frames = 1  # `_answer`, which AWS does not show either
        frames_below = traceback.extract_tb(error.__traceback__)[own_frames:]
        # As tuples: Lambda's runtime client shows no marks below the lines.
        stack_trace = traceback.format_list([tuple(each) for each in frames_below])
    message = str(error)[:ERROR_MESSAGE_MAX_CHARS].encode(errors="replace").decode()
    described: dict[str, Any] = {"errorMessage": message, "errorType": error_type}
    if error_type != TOO_LARGE:
        described |= {"requestId": request_id, "stackTrace": stack_trace}
    return described


def own_stderr() -> TextIO:
    """Return where a host and its environments log; `sys.stderr` is the handler's."""
    assert sys.__stderr__ is not None
    return sys.__stderr__


def log(line: str) -> None:
    """Write one line to the log; not by `logging`, which a handler's module may have silenced."""
    stderr = own_stderr()
    stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")
    stderr.flush()


def become(run: Callable[[], None]) -> NoReturn:
    """Do `run` as the whole life of a freshly forked process.

    Never returns to the caller's stack, which belongs to the host.
    """
    status = 1
    try:
        run()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except Exception:  # edge: the process ends here, and says why
        traceback.print_exc(file=own_stderr())
    finally:
        own_stderr().flush()
        os._exit(status & 0xFF)
