"""Metrics and logs of a function: Powertools' Metrics and its JSON logger."""

import functools
from typing import Any

import aws_lambda_powertools
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider import cold_start
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)

from backend.settings import settings

logger = Logger(service="spillway", level="INFO")


class Metrics(aws_lambda_powertools.Metrics):
    """Powertools' metrics of one domain; its counts are not shared with another instance."""

    def __init__(self, service: str) -> None:
        namespace = settings.metrics_namespace
        super().__init__(provider=AmazonCloudWatchEMFProvider(namespace=namespace, service=service))

    def count(self, name: str, value: int = 1) -> None:
        """Add `value` to the counter `name` (CamelCase, as CloudWatch's own metrics)."""
        if value:
            self.add_metric(name, MetricUnit.Count, value)

    def finish(self, context: Any) -> None:
        """Write the counts of an event, and the cold start where the event was the first.

        Most of a worker's polls and health checks count nothing; Powertools' decorator, and its
        `flush_metrics`, would warn of each of them.
        """
        if cold_start.is_cold_start:
            self.provider.add_cold_start_metric(context)
            cold_start.is_cold_start = False
        if self.provider.metric_set:
            self.flush_metrics()


@functools.cache
def metrics_of(service: str) -> Metrics:
    """Return the metrics of domain `service`; domains count, the entry points write."""
    return Metrics(service)
