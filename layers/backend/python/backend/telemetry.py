"""Metrics and logs of a function: lines of EMF, and Powertools' JSON logger."""

import sys

import msgspec
from aws_lambda_powertools import Logger

from backend.clock import now_ms
from backend.settings import settings

logger = Logger(service="spillway", level="INFO")


class Metrics:
    """Counts of one domain, written as one line of EMF at the end of an event.

    The line is the one that Powertools' Metrics writes, which takes 11 us of CPU for it, not 1; and
    which warns of events that count nothing, as most of a worker's polls and health checks do.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._counted: dict[str, int] = {}

    def count(self, name: str, value: int = 1) -> None:
        """Add `value` to the counter `name` (CamelCase, as CloudWatch's own metrics)."""
        if value:
            self._counted[name] = self._counted.get(name, 0) + value

    def flush(self) -> None:
        """Write what was counted since the last flush, if anything."""
        if not self._counted:
            return
        directive = {
            "Namespace": settings.metrics_namespace,
            "Dimensions": [["service"]],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in self._counted],
        }
        about = {"Timestamp": now_ms(), "CloudWatchMetrics": [directive]}
        line = {"_aws": about, "service": self._service, **self._counted}
        self._counted.clear()
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")


def metrics_of(service: str) -> Metrics:
    """Return the metrics of domain `service`; domains count, the entry points flush."""
    return _REGISTRY.setdefault(service, Metrics(service))


_REGISTRY: dict[str, Metrics] = {}
