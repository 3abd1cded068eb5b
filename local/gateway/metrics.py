"""The gateway's own Prometheus metrics; those that functions print are in `emf`.

Label children are made once and kept: an observation must not cost a look-up by label names.
"""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from local.gateway.dispatch import Pool

# OpenTelemetry's buckets for the duration of HTTP requests.
DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class Metrics:
    """Counters and histograms of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "gateway_requests",
            "Requests answered",
            ("function", "route", "method", "status"),
            registry=self.registry,
        )
        self._durations = Histogram(
            "gateway_request_duration_seconds",
            "From the first byte of a request to its answer",
            ("function", "route", "method"),
            buckets=DURATION_BUCKETS_S,
            registry=self.registry,
        )
        self._waits = Histogram(
            "gateway_queue_wait_seconds",
            "From the event to an environment that takes it",
            ("function",),
            buckets=DURATION_BUCKETS_S,
            registry=self.registry,
        )
        self._throttles = Counter(
            "gateway_throttles",
            "Events over the concurrency",
            ("function",),
            registry=self.registry,
        )
        self._cold_starts = Counter(
            "gateway_cold_starts",
            "Environments that came up",
            ("function",),
            registry=self.registry,
        )
        self._timeouts = Counter(
            "gateway_invoke_timeouts",
            "Events that took longer than function or integration may",
            ("function",),
            registry=self.registry,
        )

    def route(self, function: str, route: str, method: str) -> "RouteMeter":
        """The meter of one method of one resource."""
        return RouteMeter(self._requests, self._durations, (function, route, method))

    def function(self, function: str) -> "FunctionMeter":
        """The meter of one function's pool."""
        return FunctionMeter(
            waits=self._waits.labels(function),
            throttles=self._throttles.labels(function),
            cold_starts=self._cold_starts.labels(function),
            timeouts=self._timeouts.labels(function),
        )

    def watch(self, pools: Mapping[str, Pool], in_flight: Callable[[], int]) -> None:
        """Export what is read when Prometheus asks: environments, queues, requests in flight."""
        self.registry.register(_States(pools, in_flight))


class RouteMeter:
    """Counts and times the requests of one route."""

    __slots__ = ("_by_status", "_duration", "_labels", "_requests")

    def __init__(
        self, requests: Counter, durations: Histogram, labels: tuple[str, str, str]
    ) -> None:
        self._requests = requests
        self._labels = labels
        self._duration = durations.labels(*labels)
        self._by_status: dict[int, Counter] = {}

    def answered(self, status: int, seconds: float) -> None:
        """One request was answered."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._requests.labels(*self._labels, str(status))
            self._by_status[status] = counter
        counter.inc()
        self._duration.observe(seconds)


class FunctionMeter:
    """Counts and times the events of one function."""

    __slots__ = ("cold_start", "throttled", "timed_out", "waited")

    def __init__(
        self, *, waits: Histogram, throttles: Counter, cold_starts: Counter, timeouts: Counter
    ) -> None:
        self.waited: Callable[[float], None] = waits.observe
        self.throttled: Callable[[], None] = throttles.inc
        self.cold_start: Callable[[], None] = cold_starts.inc
        self.timed_out: Callable[[], None] = timeouts.inc


class _States(Collector):
    def __init__(self, pools: Mapping[str, Pool], in_flight: Callable[[], int]) -> None:
        self._pools = pools
        self._in_flight = in_flight

    def collect(self) -> Iterable[Metric]:
        in_flight = GaugeMetricFamily("gateway_inflight", "Requests that wait for their answer")
        in_flight.add_metric((), self._in_flight())
        yield in_flight
        environments = GaugeMetricFamily(
            "gateway_environments", "Execution environments", labels=("function", "state")
        )
        queued = GaugeMetricFamily(
            "gateway_queued", "Events that wait for an environment", labels=("function",)
        )
        for function, pool in self._pools.items():
            environments.add_metric((function, "busy"), pool.busy)
            environments.add_metric((function, "idle"), len(pool.environments) - pool.busy)
            queued.add_metric((function,), pool.waiting)
        yield environments
        yield queued
