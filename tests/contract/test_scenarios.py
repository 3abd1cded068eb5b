"""The scenarios of the load: each asks a route as the API's document describes it."""

import json
from pathlib import Path

import pytest

from loadtest.generator.scenarios import SCENARIOS, Scenario
from local import template

ROOT = Path(__file__).parents[2]
PATHS = json.loads((ROOT / "functions" / "api" / "openapi.json").read_text())["paths"]
ROUTES = {
    (route.method, route.path): route.function
    for route in template.load(ROOT / "template.yaml").api.routes
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_a_scenario_asks_a_route_of_its_function_as_the_document_has_it(scenario: Scenario):
    assert ROUTES.get((scenario.method, scenario.path)) == scenario.function
    operation = PATHS[scenario.path][scenario.method.lower()]
    keys = [each for each in operation.get("parameters", ()) if each["name"] == "Idempotency-Key"]

    assert str(scenario.status) in operation["responses"]
    assert bool(keys) == scenario.has_key
    assert ("requestBody" in operation) == (scenario.body is not None)


def test_the_names_of_scenarios_differ():
    assert len({each.name for each in SCENARIOS}) == len(SCENARIOS)
