"""Every metric that a panel or an alert names is one that the running system exports."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import wait_until
from tests.e2e.conftest import ROOT, Client, System, key

OBSERVABILITY = ROOT / "local" / "observability"
DASHBOARDS = sorted((OBSERVABILITY / "dashboards").glob("*.json"))
METRIC = re.compile(r"\b(?:gateway|worker|queue|process|spillway)_\w+")
SELECTOR = re.compile(r"\b((?:gateway|worker|queue|process|spillway)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
DOMAINS = ("payments", "events", "notifications")
PAYMENT = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}
EVENT = {"name": "page_viewed"}
NOTICE = {
    "channel": "email",
    "to": "a@example.com",
    "template": "welcome",
    "variables": {"name": "A"},
}


@pytest.fixture(scope="module")
def exported(system: System, demo: Client) -> set[str]:
    """The names of all metrics, once everything has happened that they count."""
    demo.call("POST", "/v1/payments", PAYMENT, key())
    demo.call("POST", "/v1/analytics/events", EVENT)
    demo.call("POST", "/v1/notifications", NOTICE, key())
    expected = {"worker_messages_total", *(f"spillway_{each}_accepted_total" for each in DOMAINS)}
    return wait_until(lambda: names if (names := _names(system)) >= expected else set())


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_each_panel_shows_metrics_that_exist(dashboard: Path, exported: set[str]):
    panels = json.loads(dashboard.read_text())["panels"]
    named = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in METRIC.findall(_without_labels(target["expr"]))
    }

    assert named
    assert named <= exported


def test_each_alert_watches_metrics_that_exist(exported: set[str]):
    named = {name for rule in _rules() for name in METRIC.findall(_without_labels(rule["expr"]))}

    assert named
    assert named <= exported


def test_every_series_of_a_panel_and_an_alert_is_there_before_anything_failed(
    exported: set[str], system: System
):
    series = _series(system)
    expressions = [rule["expr"] for rule in _rules()]
    for path in DASHBOARDS:
        panels = json.loads(path.read_text())["panels"]
        expressions += [target["expr"] for panel in panels for target in panel["targets"]]

    missing = {
        selector
        for expression in expressions
        for selector in SELECTOR.findall(expression)
        if not any(_matches(selector, *each) for each in series)
    }
    assert missing == set()


def test_functions_that_workers_run_are_not_missed_at_the_gateway(system: System):
    environments: dict[str, float] = {}
    for name, labels, value in _series(system):
        if name == "gateway_environments":
            function = labels["function"]
            environments[function] = environments.get(function, 0) + value

    assert environments
    assert [name for name, number in environments.items() if not number] == []


def test_each_alert_says_what_is_wrong_and_what_to_do():
    for rule in _rules():
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]


def test_every_dashboard_reads_the_provisioned_source():
    source = yaml.safe_load(
        (OBSERVABILITY / "grafana" / "datasources" / "prometheus.yml").read_text()
    )
    (uid,) = [each["uid"] for each in source["datasources"]]

    boards = [json.loads(path.read_text()) for path in DASHBOARDS]

    assert {panel["datasource"]["uid"] for board in boards for panel in board["panels"]} == {uid}
    assert len({board["uid"] for board in boards}) == len(boards) == 5


def _rules() -> Iterator[dict[str, Any]]:
    groups = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"]
    return (rule for group in groups for rule in group["rules"])


def _without_labels(expression: str) -> str:
    """Drop what stands in braces and after `by`: labels look like metrics there."""
    return re.sub(r"\{[^}]*\}|by \([^)]*\)", "", expression)


def _names(system: System) -> set[str]:
    return {name for name, _, _ in _series(system)}


def _series(system: System) -> list[tuple[str, dict[str, str], float]]:
    """Return all series with labels and value, and the job that Prometheus has them by."""
    ports = [value for name, value in system.environment.items() if re.match("WORKER_._PORT", name)]
    pages = [
        ("gateway", f"{system.console}/metrics"),
        *(("worker", f"http://127.0.0.1:{port}/metrics") for port in ports),
    ]
    series = []
    for job, page in pages:
        with urllib.request.urlopen(page, timeout=10) as answer:
            text = answer.read().decode()
        series += [
            (each.name, {**each.labels, "job": job}, each.value)
            for family in text_string_to_metric_families(text)
            for each in family.samples
        ]
    return series


def _matches(selector: tuple[str, str], name: str, labels: dict[str, str], _: float) -> bool:
    """Say whether a series is among those that a selector of Prometheus names."""
    return selector[0] == name and all(
        bool(re.fullmatch(value if "~" in operator else re.escape(value), labels.get(label, "")))
        == operator.startswith("=")
        for label, operator, value in MATCHER.findall(selector[1])
    )
