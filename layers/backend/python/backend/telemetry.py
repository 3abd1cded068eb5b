"""Metrics and logs of a function: Powertools' EMF metrics and its JSON logger."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics as EmfMetrics
from aws_lambda_powertools.metrics import MetricUnit

from backend.settings import settings

logger = Logger(service="spillway", level="INFO")


class Metrics:
    """Counts and times of one domain, written as one EMF line at the end of an event.

    Powertools warns about an event without metrics and its `log_metrics` wraps handlers; both are
    avoided here, because most events of a worker's poll or a health check measure nothing.
    """

    def __init__(self, service: str) -> None:
        self._emf = EmfMetrics(namespace=settings.metrics_namespace, service=service)

    def count(self, name: str, value: int = 1) -> None:
        """Add `value` to the counter `name` (CamelCase, as CloudWatch's own metrics)."""
        if value:
            self._emf.add_metric(name=name, unit=MetricUnit.Count, value=value)

    def flush(self) -> None:
        """Write what was counted since the last flush, if anything."""
        if self._emf.metric_set:
            self._emf.flush_metrics()


def metrics_of(service: str) -> Metrics:
    """Return the metrics of domain `service`; domains count, the entry points flush."""
    return _REGISTRY.setdefault(service, Metrics(service))


_REGISTRY: dict[str, Metrics] = {}
