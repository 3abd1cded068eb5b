"""Metrics that functions print as CloudWatch's embedded metric format, as Prometheus metrics.

Counts become counters, times histograms in seconds, anything else a gauge; dimensions become
labels. Everything a function could make grow is bounded: names, label names and label values.
"""

import re
from collections.abc import Callable
from threading import Lock
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from local.lambda_service.metrics import DURATION_BUCKETS_S

# CloudWatch takes 100 metrics a line; ten lines' worth of different names is plenty here.
METRICS_MAX = 1000
SERIES_PER_METRIC_MAX = 100
EMBEDDED = '"_aws"'  # stands in every line of the format
METRICS_PER_LINE_MAX = 100  # CloudWatch's limit
VALUES_MAX = 100  # of one metric in one line, CloudWatch's limit
VALUE_MAX_CHARS = 1024  # of a dimension's value, CloudWatch's limit
OTHER = "other"  # the label value of whatever is over the limit

_SECONDS = {"Seconds": 1.0, "Milliseconds": 1e-3, "Microseconds": 1e-6}
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_Observe = Callable[[float], object]


class EmbeddedMetrics:
    """The metrics of a registry that come from lines of embedded metric format."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._metrics: dict[str, tuple[Counter | Gauge | Histogram, tuple[str, ...], str]] = {}
        self._series: dict[tuple[str, ...], _Observe] = {}
        self._series_of: dict[str, int] = {}
        self._growing = Lock()  # a worker has a thread for each function
        self._refused = Counter(
            "embedded_metrics_refused",
            "Metrics that functions printed and that were not taken",
            registry=registry,
        )

    def take(self, line: str) -> bool:
        """Return whether `line` is embedded metric format; if so its values are recorded."""
        if EMBEDDED not in line:
            return False
        try:
            document = orjson.loads(line)
            directives = document["_aws"]["CloudWatchMetrics"]
            for directive in directives:
                self._directive(document, directive)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            return False
        return True

    def _directive(self, document: dict[str, Any], directive: dict[str, Any]) -> None:
        # Of several dimension sets the widest holds the others as sums.
        names = max(directive.get("Dimensions") or [[]], key=len)
        labels = tuple(sorted(names))
        values = tuple(str(document[name])[:VALUE_MAX_CHARS] for name in labels)
        for metric in directive["Metrics"][:METRICS_PER_LINE_MAX]:
            name, unit = metric["Name"], metric.get("Unit", "None")
            observe = self._observer(directive["Namespace"], name, unit, labels, values)
            measured = document[name]
            for value in (measured if isinstance(measured, list) else [measured])[:VALUES_MAX]:
                is_number = isinstance(value, int | float) and not isinstance(value, bool)
                if observe is None or not is_number or (unit == "Count" and value < 0):
                    self._refused.inc()
                else:
                    observe(value)

    def _observer(
        self, namespace: str, name: str, unit: str, labels: tuple[str, ...], values: tuple[str, ...]
    ) -> _Observe | None:
        key = (namespace, name, unit, *labels, "=", *values)
        observe = self._series.get(key)
        if observe is None:
            with self._growing:
                observe = self._new_series(key, f"{namespace}_{name}", unit, labels, values)
        return observe

    def _new_series(
        self,
        key: tuple[str, ...],
        name: str,
        unit: str,
        labels: tuple[str, ...],
        values: tuple[str, ...],
    ) -> _Observe | None:
        full_name, labels = _snake(name), tuple(_snake(label) for label in labels)
        metric, known_labels, known_unit = self._metrics.get(full_name) or self._new_metric(
            full_name, unit, labels
        )
        if metric is None or known_labels != labels or known_unit != unit:
            return None  # a name keeps the labels and the unit it came with first
        is_full = self._series_of[full_name] >= SERIES_PER_METRIC_MAX
        child = _child(metric, tuple(OTHER for _ in values) if is_full else values)
        observe = _observe_of(child, unit)
        if not is_full:
            self._series_of[full_name] += 1
            self._series[key] = observe
        return observe

    def _new_metric(
        self, name: str, unit: str, labels: tuple[str, ...]
    ) -> tuple[Counter | Gauge | Histogram | None, tuple[str, ...], str]:
        if len(self._metrics) >= METRICS_MAX:
            return None, labels, unit
        text = f"{name} ({unit}), printed by a function"
        metric: Counter | Gauge | Histogram
        try:
            if unit == "Count":
                metric = Counter(name, text, labels, registry=self._registry)
            elif unit in _SECONDS:
                metric = Histogram(
                    f"{name}_seconds",
                    text,
                    labels,
                    buckets=DURATION_BUCKETS_S,
                    registry=self._registry,
                )
            else:
                metric = Gauge(name, text, labels, registry=self._registry)
        except ValueError:  # a name or a label that Prometheus does not take, or has already
            return None, labels, unit
        self._metrics[name] = (metric, labels, unit)
        self._series_of[name] = 0
        return metric, labels, unit


def _child(
    metric: Counter | Gauge | Histogram, values: tuple[str, ...]
) -> Counter | Gauge | Histogram:
    return metric.labels(*values) if values else metric


def _observe_of(child: Counter | Gauge | Histogram, unit: str) -> _Observe:
    if isinstance(child, Counter):
        return child.inc
    if isinstance(child, Gauge):
        return child.set
    factor, observe = _SECONDS[unit], child.observe
    return lambda value: observe(value * factor)


def _snake(name: str) -> str:
    """Return `Spillway_PaymentAccepted` as `spillway_payment_accepted`."""
    return "_".join(word.lower() for word in _WORD.findall(name)) or OTHER
