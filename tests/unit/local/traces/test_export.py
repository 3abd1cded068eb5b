"""The way of spans to a collector: formats, headers, and a collector that is away or full."""

import pytest

from local.traces import export, otlp_json, otlp_protobuf
from local.traces.export import BadEndpoint, Exporter, collector_url, exporter_to_collector
from tests.conftest import free_port, wait_until
from tests.integration.webhook_sink import WebhookSink
from tests.unit.local.traces.spans import span


def read(sink: WebhookSink) -> list[str]:
    """Return the names of the spans that a collector was sent."""
    formats = {each.CONTENT_TYPE: each for each in (otlp_json, otlp_protobuf)}
    return [
        raw.name
        for each in sink.deliveries
        for raw, _, _ in formats[each.headers["content-type"]].decode(each.body)
        if raw is not None
    ]


def test_a_collector_that_the_shell_names_gets_spans_with_its_headers():
    with WebhookSink() as sink:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{sink.url}/otlp/",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20secret,, x-team = two",
        }
        exporter = exporter_to_collector(variables, own_port=1)
        assert exporter is not None
        exporter.add([span(1), span(2)])
        wait_until(lambda: exporter.sent == 2)
        exporter.stop()

    (delivery,) = sink.deliveries
    assert delivery.path == "/hooks/otlp/v1/traces"
    assert (delivery.headers["api-key"], delivery.headers["x-team"]) == ("a secret", "two")
    assert delivery.headers["content-type"] == "application/x-protobuf"
    assert read(sink) == ["GET /1", "GET /2"]


def test_what_a_collector_does_not_take_now_is_sent_again(monkeypatch):
    monkeypatch.setattr(export, "PAUSE_FIRST_S", 0.01)
    with WebhookSink(answers=[503, 429, 200]) as sink:
        exporter = Exporter(f"{sink.url}/v1/traces")
        exporter.add([span(1)])
        wait_until(lambda: exporter.sent == 1)
        exporter.stop()

    assert read(sink) == ["GET /1"] * 3
    assert exporter.dropped == 0


def test_what_a_collector_refuses_is_dropped_and_counted(caplog):
    with WebhookSink(answers=[400]) as sink:
        exporter = Exporter(f"{sink.url}/v1/traces")
        exporter.add([span(1), span(2)])
        wait_until(lambda: exporter.dropped == 2)
        exporter.stop()

    assert "2 spans are dropped" in caplog.text
    assert "answers 400" in caplog.text


def test_spans_for_a_collector_that_is_away_are_bounded_and_keep_nobody_waiting(monkeypatch):
    monkeypatch.setattr(export, "QUEUE_MAX", 100)
    exporter = Exporter(f"http://127.0.0.1:{free_port()}/v1/traces")

    exporter.add(span(1, number) for number in range(1_000))
    exporter.stop()

    assert exporter.dropped >= 900
    assert exporter.sent == 0


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "no http or https address"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://:4318"}, "no http or https address"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:99999"}, "no http or https address"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "ftp://a"}, "no http or https address"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "'grpc' is not spoken here",
        ),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_in_a_sentence(variables, sentence):
    with pytest.raises(BadEndpoint, match=sentence):
        collector_url(variables)


def test_nothing_is_sent_to_nobody_nor_to_oneself():
    own = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}

    assert exporter_to_collector({}, own_port=4318) is None
    assert exporter_to_collector({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, own_port=4318) is None
    assert exporter_to_collector(own, own_port=4318) is None
