"""The output of a function, between the lines of the platform and without its metrics."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from local.daemon.logs import is_of_platform
from local.lambda_service.emf import EmbeddedMetrics
from local.lambda_service.output import METRIC_LINES_MAX, FunctionOutput
from local.template.model import Function, Logging

FUNCTION = Function(
    logical_id="Hello",
    name="hello",
    handler="app.handler",
    code_uri=Path(),
    layers=(),
    timeout_s=3,
    memory_mb=128,
    environment={},
    reserved_concurrency=None,
    environments=1,
)
DIRECTIVE = {
    "Namespace": "Shop",
    "Dimensions": [[]],
    "Metrics": [{"Name": "Sold", "Unit": "Count"}],
}
METRIC = json.dumps({"_aws": {"CloudWatchMetrics": [DIRECTIVE]}, "Sold": 1})


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def output(tmp_path: Path, registry: CollectorRegistry) -> FunctionOutput:
    return FunctionOutput(tmp_path, {"Hello": FUNCTION}, EmbeddedMetrics(registry))


def logged(output: FunctionOutput, printed: str, function: Function = FUNCTION) -> str:
    """Return the lines between START and END."""
    block = output.ended(function, "1", {"stdout": printed, "duration_ms": 1.0}, None).decode()
    return block.partition("LATEST\n")[2].partition("END RequestId")[0]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("", ""),
        ("one", "one\n"),
        ("one\n\ntwo\n", "one\n\ntwo\n"),
        (f"{METRIC}\n", ""),
        (METRIC, ""),
        (f"one\n{METRIC}\ntwo\n{METRIC}", "one\ntwo\n"),
        ('one "_aws" of them\ntwo\n', 'one "_aws" of them\ntwo\n'),
    ],
)
def test_all_that_was_printed_is_logged_but_metrics(
    output: FunctionOutput, printed: str, expected: str
):
    assert logged(output, printed) == expected


@pytest.mark.row("2.23")
def test_with_json_logs_the_platforms_lines_are_json(output: FunctionOutput):
    function = replace(FUNCTION, logging=Logging(is_json=True))

    block = output.ended(function, "1", {"stdout": "one\n", "duration_ms": 1.5}, 20.0).decode()
    start, printed, report = block.splitlines()

    assert printed == "one"
    assert json.loads(start)["type"] == "platform.start"
    assert json.loads(start)["record"] == {"requestId": "1", "version": "$LATEST"}
    assert json.loads(report)["type"] == "platform.report"
    assert json.loads(report)["record"] == {
        "requestId": "1",
        "status": "success",
        "metrics": {
            "durationMs": 1.5,
            "billedDurationMs": 2,
            "memorySizeMB": 128,
            "maxMemoryUsedMB": 0,
            "initDurationMs": 20.0,
        },
    }
    assert all(map(is_of_platform, (start, report)))
    assert not is_of_platform(printed)


@pytest.mark.parametrize(
    ("kind", "status"), [("Sandbox.Timedout", "timeout"), ("Runtime.ExitError", "error")]
)
def test_of_lambdas_own_lines_only_failures_are_left_from_warnings_on(
    output: FunctionOutput, kind: str, status: str
):
    function = replace(FUNCTION, logging=Logging(is_json=True, says_all=False))
    error = {"errorType": kind, "errorMessage": "why"}

    assert output.ended(function, "1", {"stdout": "one\n"}, None) == b"one\n"
    assert json.loads(output.died(function, "1", error, 1.0))["record"]["status"] == status


def test_metrics_beyond_a_bound_are_only_logged(
    output: FunctionOutput, registry: CollectorRegistry
):
    text = logged(output, f"{METRIC}\n" * (METRIC_LINES_MAX + 2))

    assert text == f"{METRIC}\n" * 2
    assert registry.get_sample_value("shop_sold_total") == METRIC_LINES_MAX
