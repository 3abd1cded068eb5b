"""A closed loop of GET requests on keep-alive connections, and what it saw."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial

import httptools

CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers in the time that counted."""

    requests: int
    failed: int
    seconds: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds


class Connection(asyncio.Protocol):
    """A client that asks again as soon as it is answered, until it is told to stop."""

    def __init__(self, request: bytes, status: int) -> None:
        self._request = request
        self._status = status
        self.latencies_s: list[float] = []
        self.failed = 0
        self.stopped = False
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.failed += not self.stopped
        self.closed.set_result(None)

    def on_message_complete(self) -> None:
        self.latencies_s.append(time.perf_counter() - self._asked_s)
        self.failed += self._parser.get_status_code() != self._status
        if self.stopped:
            self._transport.close()
        else:
            self._ask()

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._asked_s = time.perf_counter()
        self._transport.write(self._request)


async def closed_loop(
    port: int, path: str, *, connections: int, seconds: float, status: int = 200
) -> Answers:
    """Keep `connections` busy for `seconds`, each with one request at a time."""
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n".encode()
    make = partial(Connection, request, status)
    asking: list[Connection] = []
    started_s = time.perf_counter()
    for _ in range(connections):
        connecting = loop.create_connection(make, "127.0.0.1", port)
        asking.append((await asyncio.wait_for(connecting, CONNECT_S))[1])
    await asyncio.sleep(seconds)
    for each in asking:
        each.stopped = True
    await asyncio.wait([each.closed for each in asking], timeout=CONNECT_S)
    latencies_s = sorted(latency for each in asking for latency in each.latencies_s)
    return Answers(
        requests=len(latencies_s),
        failed=sum(each.failed for each in asking),
        seconds=time.perf_counter() - started_s,
        p99_ms=latencies_s[len(latencies_s) * 99 // 100] * 1000 if latencies_s else float("nan"),
    )
