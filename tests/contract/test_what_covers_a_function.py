"""Each function and queue is covered: by an alarm, a Compose service, a bound and a document."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import template
from local.template import document

ROOT = Path(__file__).parents[2]
TEMPLATE = template.load(ROOT / "template.yaml")
WRITTEN: dict[str, Any] = document.read(ROOT / "template.yaml")[0]["Resources"]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DEVELOPMENT = yaml.safe_load((ROOT / "docker-compose.override.yml").read_text())["services"]
DEPTH, AGE = "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"
QUEUES = sorted({mapping.queue for mapping in TEMPLATE.mappings})
LOGICAL_IDS = {queue.name: logical_id for logical_id, queue in TEMPLATE.queues.items()}


def alarms() -> Iterator[tuple[str, str]]:
    """Yield the metric and the resource of everything that an alarm looks at."""
    for resource in WRITTEN.values():
        if resource["Type"] != "AWS::CloudWatch::Alarm":
            continue
        properties = resource["Properties"]
        if "MetricName" in properties:
            yield properties["MetricName"], _resource(properties)
        metrics = {each["Id"]: each for each in properties.get("Metrics", ())}
        expression = metrics.get("all", {}).get("Expression", "")
        for name in set(re.findall(r"\w+", expression)) & metrics.keys():
            metric = metrics[name]["MetricStat"]["Metric"]
            yield metric["MetricName"], _resource(metric)


def _resource(metric: dict[str, Any]) -> str:
    """Return the logical id in a metric's first dimension, or its text."""
    value = metric["Dimensions"][0]["Value"]
    reference = value if isinstance(value, str) else value.get("Ref") or value["Fn::GetAtt"]
    return str((reference if isinstance(reference, list) else reference.split("."))[0])


ALARMS = set(alarms())


@pytest.mark.parametrize("queue", QUEUES)
def test_an_alarm_looks_at_the_age_and_the_dead_letters_of_a_queue(queue: str):
    dead_letters = LOGICAL_IDS[TEMPLATE.queues[queue].dead_letter or ""]
    missing = {(AGE, queue), (DEPTH, dead_letters)} - ALARMS

    assert not missing, f"no alarm of template.yaml looks at {missing}"


@pytest.mark.parametrize("function", sorted({*TEMPLATE.hosted}))
def test_an_alarm_looks_at_the_throttles_of_a_function_behind_the_api(function: str):
    assert ("Throttles", function) in ALARMS, f"no alarm of template.yaml looks at {function}"


@pytest.mark.parametrize("function", sorted({*TEMPLATE.hosted}))
def test_a_function_behind_the_api_has_a_compose_service(function: str):
    names = [
        name
        for name, service in SERVICES.items()
        if f"--function {function} " in str(service.get("command", ""))
    ]

    assert names, f"docker-compose.yml has no service with --function {function}"
    waits = SERVICES["gateway"]["depends_on"]
    assert names[0] in waits, f"gateway does not depend on {names[0]} in docker-compose.yml"
    assert names[0] in DEVELOPMENT, f"docker-compose.override.yml has no {names[0]}"


@pytest.mark.parametrize("queue", QUEUES)
def test_the_worker_of_a_queue_has_a_bound(queue: str):
    mappings = [each for each in TEMPLATE.mappings if each.queue == queue]

    assert all(each.maximum_concurrency for each in mappings), f"{queue}: no MaximumConcurrency"


@pytest.mark.parametrize("function", sorted({route.function for route in TEMPLATE.api.routes}))
def test_a_function_with_routes_has_a_bound(function: str):
    properties = WRITTEN[function]["Properties"]

    assert "ReservedConcurrentExecutions" in properties, f"{function}: nothing bounds it"


def test_one_machine_needs_no_other_service_of_aws_for_the_template():
    assert (TEMPLATE.made, TEMPLATE.calls) == ({}, frozenset())


def test_the_architecture_names_each_function_that_runs_on_a_schedule_and_how_often():
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\d+) s \| ", page, re.MULTILINE)

    assert {name: int(every_s) for name, every_s in rows} == {
        each.function: TEMPLATE.functions[each.function].every_s or each.every_s
        for each in TEMPLATE.schedules
    }
