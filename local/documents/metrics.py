"""The measures of the documents server, for Prometheus and for the command `serverStatus`."""

from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

registry = CollectorRegistry()
ProcessCollector(registry=registry)
syncs = Histogram(
    "documents_log_sync_seconds",
    "Waits for the disk until a group of writes was durable",
    buckets=BUCKETS_S,
    registry=registry,
)
commits = Histogram(
    "documents_commit_seconds",
    "Commits of a group of writes, which everybody else waits for",
    buckets=BUCKETS_S,
    registry=registry,
)
checkpoints = Histogram(
    "documents_checkpoint_seconds",
    "Steps of checkpoints, in threads: copy; restart and header, which writes wait for",
    ["step"],
    buckets=BUCKETS_S,
    registry=registry,
)
log_bytes = Gauge("documents_log_bytes", "Length of the write-ahead log", registry=registry)
connections = Gauge("documents_connections", "Open connections", registry=registry)


def serve(host: str, port: int) -> None:
    """Serve /metrics from a thread of its own; raises OSError where the port is taken."""
    start_http_server(port, addr=host, registry=registry)


def value(name: str) -> int:
    """Return what a gauge says now."""
    return int(registry.get_sample_value(name) or 0)


def histogram(measure: Histogram) -> dict[str, Any]:
    """Return a histogram as `serverStatus` shows it."""
    samples = next(iter(measure.collect())).samples
    values = {sample.name.rpartition("_")[2]: sample.value for sample in samples}
    buckets = [
        {"leSeconds": float(sample.labels["le"]), "count": int(sample.value)}
        for sample in samples
        if "le" in sample.labels
    ]
    return {"count": int(values["count"]), "seconds": values["sum"], "histogram": buckets}
