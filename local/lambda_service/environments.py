"""The runtime socket: execution environments dial in, say hello, take one event at a time."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import orjson

from local.lambda_service.dispatch import End, Invocation, Outcome, Pool
from local.lambda_service.metrics import FunctionMeter
from local.lambda_service.output import FunctionOutput
from local.runtime.frames import LEAVE, LENGTH, FrameError, FrameReader, decode, dumps, result_of

log = logging.getLogger(__name__)


class EnvironmentConnection(asyncio.Protocol):
    """One execution environment, from its hello to its end."""

    def __init__(
        self,
        pools: Mapping[str, Pool],
        meters: Mapping[str, FunctionMeter],
        output: FunctionOutput,
    ) -> None:
        self.invocation: Invocation | None = None
        self.machine = ""
        self.host: tuple[str, object] = ("", None)  # machine and process
        self.generation = 0
        self._is_leaving = False
        self._pools = pools
        self._meters = meters
        self._output = output
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._pool: Pool | None = None
        self._init_ms: float | None = None  # until the first event has been told
        self._since_s = 0.0  # monotonic, of the hello

    # uvloop's transports are no subclasses of asyncio.Transport, so nothing can be asserted.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._reader.feed(data):
                self._frame(decode(payload))
        except FrameError as error:
            log.warning("an environment's connection is closed: %s", error)
            self.cut()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._pool is None:
            return
        self._pool.lost(self)
        if self.invocation is not None:
            self._died(self._pool, self.invocation)

    def start(self, invocation: Invocation) -> None:
        """Send the event of `invocation`, with the deadline it has from now on."""
        assert self._transport is not None
        assert self._pool is not None
        self.invocation = invocation
        deadline_ms = int((time.time() + self._pool.function.timeout_s) * 1000)
        fields = {
            "id": invocation.request_id,
            "deadline_ms": deadline_ms,
            "trace": invocation.trace,
        }
        if invocation.client_context is None:
            head = orjson.dumps(fields)
        else:  # which a client wrote: it may have whole numbers beyond 64 bits
            head = dumps({**fields, "client_context": invocation.client_context})
        # The event is JSON already: it is put in front of the head's closing brace.
        payload = b'%b,"event":%b}' % (head[:-1], invocation.event)
        self._transport.write(LENGTH.pack(len(payload)) + payload)

    def retire(self) -> None:
        """Take no event any more; the one in hand is still answered."""
        self._is_leaving = True
        if self.invocation is None:
            self._leave()

    def _leave(self) -> None:
        assert self._transport is not None
        assert self._pool is not None
        self._pool.lost(self)
        self._transport.write(LEAVE)

    def cut(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _frame(self, frame: dict[str, Any]) -> None:
        if self._pool is None:
            self._hello(frame)
        else:
            self._answer(self._pool, frame)

    def _hello(self, frame: dict[str, Any]) -> None:
        function = frame.get("function")
        pool = self._pools.get(function) if isinstance(function, str) else None
        if frame.get("hello") != 1 or pool is None:
            raise FrameError(f"the hello names no function of the template: {function!r}")
        self._pool = pool
        self.machine = str(frame.get("machine", ""))
        self.host = (self.machine, frame.get("host"))
        self.generation = frame.get("generation", 0)
        self._init_ms = frame.get("init_ms")
        self._meters[pool.function.logical_id].cold_start()
        self._since_s = time.monotonic()
        pool.free(self, self._since_s)
        self._replace(pool)

    def _replace(self, pool: Pool) -> None:
        """Keep of one host's environments only those of the newest code."""
        ours = [each for each in pool.environments if each.host == self.host]
        newest = max(each.generation for each in ours)
        for environment in ours:
            if environment.generation < newest:
                environment.retire()

    def _answer(self, pool: Pool, frame: dict[str, Any]) -> None:
        invocation = self.invocation
        if invocation is None or frame.get("id") != invocation.request_id:
            raise FrameError(f"an answer to no event in hand: {frame.get('id')!r}")
        invocation.log = self._output.ended(
            pool.function, invocation.request_id, frame, self._init_ms
        )
        if self._init_ms is not None:
            invocation.init = (self._since_s, self._init_ms)
            self._init_ms = None
        invocation.ended_s = time.monotonic()
        # Free before telling: the next event is on its way while this answer is written.
        if self._is_leaving:
            self.invocation = None
            self._leave()
        else:
            pool.free(self, invocation.ended_s)
        error = frame.get("error")
        if error is None:
            invocation.end(Outcome(End.RESULT, result_of(frame)))
        else:
            invocation.end(Outcome(End.ERROR, error=error))

    def _died(self, pool: Pool, invocation: Invocation) -> None:
        """End an event whose connection closed: a time-out (row 2.8) or an exit (row 2.10)."""
        request_id, function = invocation.request_id, pool.function
        # The deadline is sent in whole milliseconds, so the kernel may be a little early.
        if time.monotonic() >= invocation.deadline_s - 0.01:
            kind = "Sandbox.Timedout"
            text = f"Task timed out after {function.timeout_s:.2f} seconds"
            self._meters[function.logical_id].timed_out()
        else:
            kind = "Runtime.ExitError"
            text = "Runtime exited without providing a reason"
        error = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {text}"}
        invocation.ended_s = time.monotonic()
        lasted_s = invocation.ended_s - invocation.started_s
        invocation.log = self._output.died(function, request_id, error, lasted_s)
        invocation.end(Outcome(End.ERROR, error=error))
