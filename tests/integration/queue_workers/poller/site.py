"""A queue and an invoker for one poller, and an environment whose every move the test makes."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import redis
from prometheus_client import CollectorRegistry

from local.lambda_service.emf import EmbeddedMetrics
from local.lambda_service.output import FunctionOutput
from local.machine.requests_waiting import NEVER_S
from local.runtime import frames
from local.template import Function, Mapping
from local.traces.sampling import Recorder
from local.traces.span import Span
from queue_workers import slots
from queue_workers.invoker import Invoker
from queue_workers.poller import RECEIVE_MAX, Poller
from queue_workers.yield_to_requests import RequestPriority
from redis_sqs.redis_queue import RedisQueue

FUNCTION = Function(
    logical_id="OrdersWorker",
    name="OrdersWorker",
    handler="orders.handler",
    code_uri=Path("/nowhere"),
    layers=(),
    timeout_s=2,
    memory_mb=128,
    environment={},
    reserved_concurrency=None,
    environments=1,
)
MAPPING = Mapping(
    queue="Orders",
    function="OrdersWorker",
    batch_size=10,
    window_s=0,
    report_failures=True,
    maximum_concurrency=None,
)

CALM_S = (0.01, 0.02)  # requests that waited so long ago do not matter any more


class Environment:
    """The other end of the invoker's socket."""

    def __init__(self, path: Path, function: str = "OrdersWorker") -> None:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(10)
        stream.connect(str(path))
        self._connection = frames.Connection(stream)
        self._connection.send(
            frames.encode({"hello": 1, "function": function, "pid": 1, "init_ms": 1})
        )

    def take(self) -> dict[str, Any]:
        invocation = self._connection.receive()
        assert invocation is not None
        return invocation

    def answer(self, invocation: dict[str, Any], result: object = None) -> None:
        self._connection.send(frames.encode({"id": invocation["id"], "result": result}))

    def close(self) -> None:
        self._connection.close()


class PollerSite:
    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.folder = folder
        self.path = folder / "s"
        self.queue = RedisQueue("orders", redis_url=url)
        metrics = EmbeddedMetrics(CollectorRegistry())
        output = FunctionOutput(folder / "logs", {FUNCTION.logical_id: FUNCTION}, metrics)
        self.invoker = Invoker(FUNCTION, self.path, output)
        self.stop = threading.Event()
        self.pool = ThreadPoolExecutor()
        self.spans: list[Span] = []

    def run_once(
        self,
        mapping: Mapping = MAPPING,
        *,
        waited_s: Callable[[], float] = lambda: NEVER_S,
        longest_s: float = 60,
        breath_s: float = 0,
    ) -> Future[int]:
        poller = Poller(
            RedisQueue(self.queue.name, receive_max=RECEIVE_MAX, redis_url=self.url),
            self.invoker,
            mapping,
            visibility_timeout_s=30,
            stop=self.stop,
            request_priority=RequestPriority(waited_s, self.folder, longest_s, CALM_S, breath_s),
            recorder=Recorder(self.spans.extend),
        )
        return self.pool.submit(poller.run_once)

    def turn_of_another(self) -> IO[str]:
        """Take the turn that one poller of the queue has while requests wait."""
        turn = slots.take(self.folder, "turn-orders", 1)
        assert turn is not None
        return turn

    def environment(self, function: str = "OrdersWorker") -> Environment:
        return Environment(self.path, function)

    def waiting(self) -> bool:
        """Return whether the poller is in its long poll."""
        with redis.Redis.from_url(self.url) as server:
            return bool(server.info("clients")["blocked_clients"])


def counts(site: PollerSite) -> tuple[int, int]:
    """Return how many messages are visible, and how many are hidden, in flight or retrying."""
    depth = site.queue.depth()
    return depth.visible, depth.in_flight + depth.retrying
