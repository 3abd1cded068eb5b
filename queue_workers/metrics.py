"""The measures of a worker, at an address for Prometheus."""

from collections.abc import Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from local.lambda_service.emf import EmbeddedMetrics
from redis_sqs import Queue, QueueUnavailable

BATCH_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Past five time-outs of a minute each.
AGE_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)

registry = CollectorRegistry()
ProcessCollector(registry=registry)
of_functions = EmbeddedMetrics(registry)  # what their handlers print
messages = Counter(
    "worker_messages", "Messages by what became of them", ["queue", "outcome"], registry=registry
)
redeliveries = Counter(
    "worker_redeliveries", "Messages received before", ["queue"], registry=registry
)
batch_duration = Histogram(
    "worker_batch_duration_seconds",
    "From a batch's receive until each message is deleted or given back",
    ["queue"],
    buckets=BATCH_BUCKETS_S,
    registry=registry,
)
message_age = Histogram(
    "worker_message_age_seconds",
    "From a message's sending until it is deleted: what users feel",
    ["queue"],
    buckets=AGE_BUCKETS_S,
    registry=registry,
)


OUTCOMES = ("succeeded", "failed", "released", "filtered")


def start_at_zero(queue: str) -> None:
    """Export the measures of a queue from now on: a rate misses what comes with a new series."""
    for outcome in OUTCOMES:
        messages.labels(queue, outcome)
    for measure in (redeliveries, batch_duration, message_age):
        measure.labels(queue)


class QueueDepths(Collector):
    """The depths of queues, read when somebody looks; what does not answer is left out."""

    def __init__(self, queues: Sequence[tuple[Queue, Queue | None]]) -> None:
        self._queues = queues  # each with its dead-letter queue

    def collect(self) -> Iterator[GaugeMetricFamily]:
        depth = GaugeMetricFamily(
            "queue_depth", "Messages on the queue by state", labels=["queue", "state"]
        )
        age = GaugeMetricFamily(
            "queue_oldest_message_age_seconds",
            "How long the oldest message that is due has been due",
            labels=["queue"],
        )
        for queue, dead_letters in self._queues:
            try:
                now = queue.depth()
                dead = dead_letters.depth().visible if dead_letters else 0
            except QueueUnavailable:
                continue
            for state, count in (
                ("visible", now.visible),
                ("delayed", now.delayed),
                ("in_flight", now.in_flight),
                ("retrying", now.retrying),
                ("dlq", dead),
            ):
                depth.add_metric([queue.name, state], count)
            age.add_metric([queue.name], now.oldest_age_s)
        yield depth
        yield age


CHOOSE = "choose --metrics-port, or WORKER_0_PORT and the like where `up` starts workers"


class PortTaken(Exception):
    """A port on which somebody else listens where the metrics should be read."""


def serve(host: str, port: int, queues: Sequence[tuple[Queue, Queue | None]]) -> None:
    """Serve /metrics from a thread of its own; raises PortTaken."""
    registry.register(QueueDepths(queues))
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise PortTaken(f"{host}:{port}: {error.strerror}; {CHOOSE}") from error
