"""The gateway's own Prometheus metrics; those that functions print are in `emf`.

Values are kept in plain integers and become metrics when Prometheus asks: a request pays for a
few additions, which is a tenth of what prometheus_client's own objects cost.
"""

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from local.lambda_service.dispatch import Pool

# OpenTelemetry's buckets for the duration of HTTP requests.
DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
# What is kept of durations until somebody takes them: four seconds of 5,000 requests each.
RECENT_MAX = 20_000
# Exported as zero from the start: a rate misses what comes with a new series.
KNOWN_STATUSES = (200, 429, 500, 502, 503, 504)
_BUCKET_NAMES = (*map(str, DURATION_BUCKETS_S), "+Inf")


class Timings:
    """A histogram of durations in seconds."""

    __slots__ = ("_counts", "_exemplars", "_sum_s")

    def __init__(self) -> None:
        self._counts = [0] * len(_BUCKET_NAMES)
        self._sum_s = 0.0
        self._exemplars: list[Exemplar | None] = [None] * len(_BUCKET_NAMES)

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(DURATION_BUCKETS_S, seconds)] += 1
        self._sum_s += seconds

    def exemplify(self, seconds: float, trace_id: str) -> None:
        """Name the trace of one duration that was counted, as its bucket's example."""
        bucket = bisect_left(DURATION_BUCKETS_S, seconds)
        self._exemplars[bucket] = Exemplar({"trace_id": trace_id}, seconds, time.time())

    @property
    def sum_s(self) -> float:
        """All durations together."""
        return self._sum_s

    @property
    def counts(self) -> tuple[int, ...]:
        """Durations in each bucket, those over the last bound at the end."""
        return tuple(self._counts)

    def add_to(self, family: HistogramMetricFamily, labels: tuple[str, ...]) -> None:
        """Export it as one series of `family`."""
        total = 0
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for name, count, example in zip(_BUCKET_NAMES, self._counts, self._exemplars, strict=True):
            total += count
            buckets.append((name, float(total), example) if example else (name, float(total)))
        family.add_metric(labels, buckets, self._sum_s)


class RouteMeter:
    """The counts and times of one route's requests."""

    __slots__ = ("_recent", "by_status", "durations", "labels", "usual_s")

    def __init__(self, function: str, route: str, method: str, recent: deque[float]) -> None:
        self._recent = recent  # durations of all routes
        self.labels = (function, route, method)
        self.by_status: dict[int, int] = dict.fromkeys(KNOWN_STATUSES, 0)
        self.durations = Timings()
        self.usual_s = 0.0  # how long its requests have taken lately

    def answered(self, status: int, seconds: float) -> None:
        """Count one request that was answered."""
        self.by_status[status] = self.by_status.get(status, 0) + 1
        self.durations.observe(seconds)
        self._recent.append(seconds)


class FunctionMeter:
    """The counts and times of one function's events."""

    __slots__ = (
        "cold_starts",
        "invocations",
        "sheds",
        "throttles",
        "timeouts",
        "waits",
        "worked_s",
    )

    def __init__(self) -> None:
        self.waits = Timings()
        self.invocations = 0
        self.worked_s = 0.0
        self.throttles = 0
        self.sheds = 0
        self.cold_starts = 0
        self.timeouts = 0

    def waited(self, seconds: float) -> None:
        """Count one event that an environment took after this time."""
        self.waits.observe(seconds)

    def worked(self, seconds: float) -> None:
        """Count an event that its environment answered after that time."""
        self.invocations += 1
        self.worked_s += seconds

    def throttled(self) -> None:
        """Count one event over the function's concurrency."""
        self.throttles += 1

    def shed(self) -> None:
        """Count one event that waited too long, or made room for a more important function."""
        self.sheds += 1

    def cold_start(self) -> None:
        """Count one environment that came up."""
        self.cold_starts += 1

    def timed_out(self) -> None:
        """Count one event that took longer than its function or its integration may."""
        self.timeouts += 1


class Metrics(Collector):
    """All meters of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(self)
        self._routes: list[RouteMeter] = []
        self._recent: deque[float] = deque(maxlen=RECENT_MAX)
        self._functions: dict[str, FunctionMeter] = {}
        self._pools: Mapping[str, Pool] = {}
        self._hosted: Collection[str] = ()
        self._in_flight: Callable[[], int] = lambda: 0

    def route(self, function: str, route: str, method: str) -> RouteMeter:
        """Make the meter of one method of one resource."""
        meter = RouteMeter(function, route, method, self._recent)
        self._routes.append(meter)
        return meter

    def statuses(self) -> Counter[int]:
        """Return how often each status was answered, by all routes and to what has none."""
        counts: Counter[int] = Counter()
        for meter in self._routes:
            counts.update(meter.by_status)
        return counts

    def take_recent(self) -> list[float]:
        """Return how long the requests took that were answered since the last call, in seconds."""
        recent = list(self._recent)
        self._recent.clear()
        return recent

    def function(self, function: str) -> FunctionMeter:
        """Return the meter of one function's pool."""
        return self._functions.setdefault(function, FunctionMeter())

    def of_function(self, function: str) -> tuple[Counter[int], tuple[int, ...]]:
        """Return how often its routes answered each status, and how often in which duration."""
        routes = [meter for meter in self._routes if meter.labels[0] == function]
        statuses: Counter[int] = sum((Counter(meter.by_status) for meter in routes), Counter())
        columns = zip(*(meter.durations.counts for meter in routes), strict=True)
        return statuses, tuple(map(sum, columns))

    def watch(
        self, pools: Mapping[str, Pool], hosted: Collection[str], in_flight: Callable[[], int]
    ) -> None:
        """Export also what is read when Prometheus asks: environments, queues, requests.

        Only functions that are `hosted` should always have an environment; those of workers and
        schedules have theirs elsewhere, and are left out until somebody invokes them here.
        """
        self._pools = pools
        self._hosted = hosted
        self._in_flight = in_flight

    def collect(self) -> Iterable[Metric]:
        yield from self._collect_routes()
        yield from self._collect_functions()
        yield from self._collect_pools()

    def _collect_routes(self) -> Iterable[Metric]:
        labels = ("function", "route", "method")
        requests = CounterMetricFamily(
            "gateway_requests", "Requests answered", labels=(*labels, "status")
        )
        durations = HistogramMetricFamily(
            "gateway_request_duration_seconds",
            "From the first byte of a request to its answer",
            labels=labels,
        )
        for meter in self._routes:
            meter.durations.add_to(durations, meter.labels)
            for status, count in meter.by_status.items():
                requests.add_metric((*meter.labels, str(status)), count)
        return requests, durations

    def _collect_functions(self) -> Iterable[Metric]:
        waits = HistogramMetricFamily(
            "gateway_queue_wait_seconds",
            "From the event to an environment that takes it",
            labels=("function",),
        )
        throttles = _counter("gateway_throttles", "Events over the concurrency")
        sheds = _counter(
            "gateway_sheds",
            "Events that waited too long, or made room for more important functions",
        )
        cold_starts = _counter("gateway_cold_starts", "Environments that came up")
        timeouts = _counter(
            "gateway_invoke_timeouts", "Events that took longer than function or integration may"
        )
        for function, meter in self._functions.items():
            meter.waits.add_to(waits, (function,))
            throttles.add_metric((function,), meter.throttles)
            sheds.add_metric((function,), meter.sheds)
            cold_starts.add_metric((function,), meter.cold_starts)
            timeouts.add_metric((function,), meter.timeouts)
        return waits, throttles, sheds, cold_starts, timeouts

    def _collect_pools(self) -> Iterable[Metric]:
        in_flight = GaugeMetricFamily("gateway_inflight", "Requests that wait for their answer")
        in_flight.add_metric((), self._in_flight())
        environments = GaugeMetricFamily(
            "gateway_environments", "Execution environments", labels=("function", "state")
        )
        queued = GaugeMetricFamily(
            "gateway_queued", "Events that wait for an environment", labels=("function",)
        )
        for function, pool in self._pools.items():
            if pool.environments or function in self._hosted:
                environments.add_metric((function, "busy"), pool.busy)
                environments.add_metric((function, "idle"), len(pool.environments) - pool.busy)
            queued.add_metric((function,), pool.waiting)
        return in_flight, environments, queued


def _counter(name: str, text: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, labels=("function",))
