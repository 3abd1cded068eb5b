"""Lines of embedded metric format as Prometheus metrics, and the bounds on them."""

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from local.lambda_service import emf
from local.lambda_service.emf import EmbeddedMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> EmbeddedMetrics:
    return EmbeddedMetrics(registry)


def line(name: str, unit: str, value: Any, dimensions: dict[str, str] | None = None) -> str:
    labels = dimensions or {}
    directive = {
        "Namespace": "Shop",
        "Dimensions": [list(labels)],
        "Metrics": [{"Name": name, "Unit": unit}],
    }
    document = {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, name: value}
    return json.dumps({**document, **labels})


def test_a_count_is_a_counter(metrics, registry):
    assert metrics.take(line("OrderPlaced", "Count", [1, 2], {"service": "shop"}))

    labels = {"service": "shop"}
    assert registry.get_sample_value("shop_order_placed_total", labels) == 3


@pytest.mark.parametrize(
    ("unit", "value"), [("Seconds", 2), ("Milliseconds", 2000), ("Microseconds", 2_000_000)]
)
def test_a_time_is_a_histogram_in_seconds(metrics, registry, unit, value):
    metrics.take(line("Latency", unit, value))

    assert registry.get_sample_value("shop_latency_seconds_sum") == 2
    assert registry.get_sample_value("shop_latency_seconds_bucket", {"le": "2.5"}) == 1
    assert registry.get_sample_value("shop_latency_seconds_bucket", {"le": "1.0"}) == 0


def test_anything_else_is_a_gauge(metrics, registry):
    metrics.take(line("Depth", "None", 7))
    metrics.take(line("Depth", "None", 5))

    assert registry.get_sample_value("shop_depth") == 5


@pytest.mark.parametrize(
    "text",
    [
        "a line",
        '{"level":"INFO"}',
        '{"_aws"',
        '{"_aws":1}',
        '{"_aws":{"CloudWatchMetrics":[{"Metrics":[{}]}]}}',
        '{"_aws":{"CloudWatchMetrics":[1]}}',
        line("A", "Count", 1).replace('"A": 1', '"B": 1'),
    ],
)
def test_what_is_no_embedded_metric_is_left_to_the_log(metrics, text):
    assert not metrics.take(text)


def test_a_label_with_too_many_values_ends_in_other(metrics, registry, monkeypatch):
    monkeypatch.setattr(emf, "SERIES_PER_METRIC_MAX", 3)

    for number in range(10):
        metrics.take(line("Paid", "Count", 1, {"customer": str(number)}))

    assert registry.get_sample_value("shop_paid_total", {"customer": "2"}) == 1
    assert registry.get_sample_value("shop_paid_total", {"customer": "3"}) is None
    assert registry.get_sample_value("shop_paid_total", {"customer": "other"}) == 7


def test_of_a_line_only_as_many_metrics_are_taken_as_cloudwatch_takes(metrics, registry):
    document = json.loads(line("Paid", "Count", 1))
    document["_aws"]["CloudWatchMetrics"][0]["Metrics"] *= 1000

    assert metrics.take(json.dumps(document))
    assert registry.get_sample_value("shop_paid_total") == 100


def test_too_many_names_are_refused_and_counted(metrics, registry, monkeypatch):
    monkeypatch.setattr(emf, "METRICS_MAX", 2)

    for name in ("One", "Two", "Three", "Three"):
        metrics.take(line(name, "Count", 1))

    assert registry.get_sample_value("shop_three_total") is None
    assert registry.get_sample_value("embedded_metrics_refused_total") == 2


@pytest.mark.parametrize(
    "second",
    [
        line("Paid", "Count", 1, {"other": "x"}),
        line("Paid", "Count", 1),
        line("Paid", "None", 1, {"service": "x"}),
        line("Paid", "Count", "text", {"service": "x"}),
        line("Paid", "Count", True, {"service": "x"}),
        line("Paid", "Count", -1, {"service": "x"}),
        line("Paid", "Count", 1, {"__name__": "x"}),
        line("Late", "Seconds", 1, {"le": "x"}),
    ],
)
def test_what_does_not_fit_is_refused_and_counted(metrics, registry, second):
    metrics.take(line("Paid", "Count", 1, {"service": "x"}))

    metrics.take(second)

    assert registry.get_sample_value("shop_paid_total", {"service": "x"}) == 1
    assert registry.get_sample_value("embedded_metrics_refused_total") == 1
    assert generate_latest(registry)
