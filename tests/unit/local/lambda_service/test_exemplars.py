"""Latencies lead to the trace of one request, for those who ask in OpenMetrics' form."""

from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as of_openmetrics
from prometheus_client.parser import text_string_to_metric_families as of_text

from local.lambda_service.metrics import Metrics

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
BUCKET = "gateway_request_duration_seconds_bucket"


def metrics_with_a_trace() -> Metrics:
    metrics = Metrics()
    meter = metrics.route("Pages", "/pages", "GET")
    for seconds in (0.003, 0.03):
        meter.answered(200, seconds)
    meter.durations.exemplify(0.03, TRACE)
    return metrics


def test_a_bucket_names_the_trace_of_one_of_its_requests():
    encode, content_type = choose_encoder("application/openmetrics-text; version=1.0.0")
    text = encode(metrics_with_a_trace().registry).decode()
    samples = [each for family in of_openmetrics(text) for each in family.samples]
    exemplars = {
        each.labels["le"]: each.exemplar
        for each in samples
        if each.name == BUCKET and each.exemplar
    }

    assert content_type.startswith("application/openmetrics-text")
    assert {le: each.labels for le, each in exemplars.items()} == {"0.05": {"trace_id": TRACE}}
    assert exemplars["0.05"].value == 0.03


def test_the_older_form_has_the_same_counts_without_traces():
    encode, content_type = choose_encoder("")
    text = encode(metrics_with_a_trace().registry).decode()
    counts = {
        each.labels["le"]: each.value
        for family in of_text(text)
        for each in family.samples
        if each.name == BUCKET
    }

    assert content_type.startswith("text/plain")
    assert TRACE not in text
    assert (counts["0.005"], counts["0.05"], counts["+Inf"]) == (1, 2, 2)
